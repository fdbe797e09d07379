"""The errors of OAuth 2 and OpenID Connect: raised anywhere below `web`, rendered only in `web/errors.py`.

`description` goes to the client (ASCII without double quote and backslash, RFC 6749 §5.2); `detail` goes only to the
log, and `findings` only to the flow inspector.
"""

import re
from collections.abc import Iterable

from idp.protocol.findings import Finding

_NOT_ALLOWED = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


class OAuthError(Exception):
    """Base of all registered errors. `error` is the registered code, `status` the HTTP status when answered as JSON.

    `client_id`: whose request it was, as far as somebody on the way up knew.
    """

    error = "server_error"
    status = 400

    def __init__(self, description: str, *, detail: str | None = None, findings: Iterable[Finding] = ()) -> None:
        self.description = _NOT_ALLOWED.sub("'", description)
        self.detail = detail
        self.findings = tuple(findings)
        self.client_id: str | None = None
        super().__init__(self.description)


# RFC 6749 §4.1.2.1 and §5.2


class InvalidRequest(OAuthError):
    error = "invalid_request"


class InvalidClient(OAuthError):
    """`basic_was_tried` asks for a `WWW-Authenticate: Basic` challenge (RFC 6749 §5.2)."""

    error = "invalid_client"
    status = 401

    def __init__(
        self,
        description: str,
        *,
        detail: str | None = None,
        findings: Iterable[Finding] = (),
        basic_was_tried: bool = False,
    ) -> None:
        super().__init__(description, detail=detail, findings=findings)
        self.basic_was_tried = basic_was_tried


class InvalidGrant(OAuthError):
    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    error = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    error = "unsupported_response_type"


class InvalidScope(OAuthError):
    error = "invalid_scope"


class AccessDenied(OAuthError):
    error = "access_denied"


class TemporarilyUnavailable(OAuthError):
    """`retry_after`: seconds after which another try makes sense."""

    error = "temporarily_unavailable"
    status = 503

    def __init__(self, description: str, *, detail: str | None = None, retry_after: int = 1) -> None:
        super().__init__(description, detail=detail)
        self.retry_after = retry_after


# OpenID Connect Core §3.1.2.6 and Unmet Authentication Requirements §2


class LoginRequired(OAuthError):
    error = "login_required"


class InteractionRequired(OAuthError):
    error = "interaction_required"


class ConsentRequired(OAuthError):
    error = "consent_required"


class AccountSelectionRequired(OAuthError):
    error = "account_selection_required"


class RequestNotSupported(OAuthError):
    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    error = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    error = "registration_not_supported"


class UnmetAuthenticationRequirements(OAuthError):
    error = "unmet_authentication_requirements"


# RFC 8707 §2


class InvalidTarget(OAuthError):
    error = "invalid_target"


# RFC 6750 §3.1: answered with a `WWW-Authenticate: Bearer` challenge


class BearerError(OAuthError):
    """An error of a protected resource. `error` is empty when no token was sent (RFC 6750 §3.1, last paragraph)."""

    status = 401


class MissingToken(BearerError):
    error = ""


class InvalidToken(BearerError):
    error = "invalid_token"


class InsufficientScope(BearerError):
    """`scope`: what the token would need."""

    error = "insufficient_scope"
    status = 403

    def __init__(self, description: str, *, scope: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(description, findings=findings)
        self.scope = scope


class BearerInvalidRequest(BearerError):
    error = "invalid_request"
    status = 400


# RFC 7591 §3.2.2, also the answer of the command line


class InvalidClientMetadata(OAuthError):
    error = "invalid_client_metadata"


class InvalidRedirectUri(OAuthError):
    error = "invalid_redirect_uri"
