"""Grant types: each proves, none mints. `(TokenRequest) -> Authorization` or, without a person, `ClientAuthorization`.

What is proved with is consumed in one atomic act.

Owns the table GRANTS, from which discovery is computed. Adding a grant type is one module and one line here.
"""

from collections.abc import Callable, Mapping

from idp.grants import authorization_code, client_credentials, refresh_token
from idp.grants.token_request import TokenRequest
from idp.protocol.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from idp.protocol.findings import Finding, shown
from idp.tokens.authorization import Authorization, ClientAuthorization

__all__ = ["GRANTS", "TokenRequest", "prove"]

GRANTS: Mapping[str, Callable[[TokenRequest], Authorization | ClientAuthorization]] = {
    "authorization_code": authorization_code.prove,
    "refresh_token": refresh_token.prove,
    "client_credentials": client_credentials.prove,
}


def prove(request: TokenRequest) -> Authorization | ClientAuthorization:
    """RFC 6749 §5.2: unknown grant types are unsupported, those not registered for the client unauthorized."""
    grant_type = request.form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest(f"grant_type is missing; use one of: {', '.join(GRANTS)}.")
    if grant_type not in GRANTS:
        finding = Finding("grant_type", tuple(GRANTS), shown(grant_type))
        raise UnsupportedGrantType(f"grant_type must be one of: {', '.join(GRANTS)}.", findings=[finding])
    if grant_type not in request.client.grant_types:
        hint = "idp clients update --grant-type (naming every one that it needs)."
        finding = Finding("grant_type", request.client.grant_types, grant_type, hint)
        raise UnauthorizedClient("This client is not registered for this grant_type.", findings=[finding])
    return GRANTS[grant_type](request)
