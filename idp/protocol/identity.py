"""What the protocol knows of a person and of their browser session: plain records, made by the stores."""

from dataclasses import dataclass, field
from typing import Any

from idp.protocol.names import ACR_FEDERATED, ACR_ONE_FACTOR, ACR_TWO_FACTORS


@dataclass(frozen=True, slots=True)
class User:
    """A person. `claims` holds the standard claims (OpenID Connect Core §5.1) that have a value; absent ones are
    absent. `deletes_at`: when the account goes, because the person has asked for that; seconds since the epoch."""

    id: str
    username: str
    claims: dict[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    disabled: bool = False
    deletes_at: int | None = None

    @property
    def may_grant(self) -> bool:
        """Whether anything may be granted in their name: the account is neither locked nor on its way out."""
        return not self.disabled and self.deletes_at is None

    @property
    def name(self) -> str:
        """What to call the person on a page."""
        return str(self.claims.get("name") or self.claims.get("given_name") or self.username)

    @property
    def email(self) -> str | None:
        return self.claims.get("email")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody's account at another provider, as that provider vouches for it at this moment.

    The account is (`issuer`, `subject`); nothing else of it identifies anybody. `email_verified`: the provider says it
    has confirmed the address. `owns_email`: more than that, the provider is who hands out the address or answers for
    it, so that nobody else can have it now. `profile`: standard claims. `names`: what a user name may be made of, the
    best first. `auth_time`: when the person proved themselves there, None when the provider does not say.
    """

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    owns_email: bool = False
    profile: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    auth_time: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session. `sid` is its public name, never the cookie's value. Times are seconds since the epoch.

    `upstream` names the connection that vouched for the person. `auth_time_unproven`: it did not say when they proved
    themselves there, so that `auth_time` is only the moment it vouched.
    """

    sid: str
    user_id: str
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    created_at: int
    last_seen_at: int
    expires_at: int
    upstream: str | None = None
    auth_time_unproven: bool = False

    @property
    def acrs(self) -> tuple[str, ...]:
        """Every `acr` that is true of it, the most first: two factors are one as well, and the provider that vouched
        has done so whatever was added here."""
        here = {ACR_TWO_FACTORS: (ACR_TWO_FACTORS, ACR_ONE_FACTOR), ACR_ONE_FACTOR: (ACR_ONE_FACTOR,)}.get(self.acr, ())
        return (*here, ACR_FEDERATED) if self.upstream is not None else here
