"""Grant types: each proves, none mints. `(TokenRequest) -> Authorization`, the credential consumed in one atomic act.

Owns the table GRANTS, from which discovery is computed. Adding a grant type is one module and one line here.
"""

from collections.abc import Callable, Mapping

from idp.grants import authorization_code, refresh_token
from idp.grants.token_request import TokenRequest
from idp.protocol.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from idp.tokens.authorization import Authorization

__all__ = ["GRANTS", "TokenRequest", "prove"]

GRANTS: Mapping[str, Callable[[TokenRequest], Authorization]] = {
    "authorization_code": authorization_code.prove,
    "refresh_token": refresh_token.prove,
}


def prove(request: TokenRequest) -> Authorization:
    """RFC 6749 §5.2: unknown grant types are unsupported, those not registered for the client unauthorized."""
    grant_type = request.form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("grant_type is missing.")
    if grant_type not in GRANTS:
        raise UnsupportedGrantType(f"grant_type must be one of: {', '.join(GRANTS)}.")
    if grant_type not in request.client.grant_types:
        raise UnauthorizedClient("This client is not registered for this grant_type.")
    return GRANTS[grant_type](request)
