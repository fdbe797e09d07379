"""What can go wrong between this server and another provider, in the words that choose the person's page."""


class UpstreamFailed(Exception):
    """The sign-in at the provider did not work out. `detail` says for the log what happened; never a token or a code.

    The subclass chooses what the person reads; all of them leave the request that waits as it was.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Denied(UpstreamFailed):
    """The person said no over there (RFC 6749 §4.1.2.1 access_denied)."""


class Unavailable(UpstreamFailed):
    """The provider does not answer, answers too slowly, or says that it has trouble."""


class Busy(UpstreamFailed):
    """Too many sign-ins wait for this provider already; nothing was sent."""


class Refused(UpstreamFailed):
    """The provider refuses us: the code has expired, or we are registered wrongly there."""


class Untrustworthy(UpstreamFailed):
    """What came back breaks a rule: a wrong signature, issuer, audience, nonce, or no answer of the right shape."""


class NotFresh(UpstreamFailed):
    """The application demands that the person proves anew who they are, and the provider does not confirm that."""


class NotAllowed(UpstreamFailed):
    """The provider vouches for the person, but this server only takes some of its accounts (a domain, a tenant)."""


class StateRefused(Exception):
    """A callback that belongs to no sign-in of this browser with this provider. `why` is for the log."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
