"""The only place that mints: an Authorization in, a token response out (RFC 6749 §5.1, Core §3.1.3.3)."""

from typing import Any

from idp.protocol.client import Client
from idp.server import Server
from idp.tokens import lifetimes
from idp.tokens.access_token import issue_access_token
from idp.tokens.authorization import Authorization, ClientAuthorization
from idp.tokens.id_token import issue_id_token


def issue(
    server: Server, authorization: Authorization | ClientAuthorization, client: Client, *, now: int
) -> dict[str, Any]:
    """The members of the token response. `scope` is always said, so that a narrower one never surprises (§5.1)."""
    access_token = issue_access_token(server, authorization, client, now=now)
    response: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetimes.access_token(server.settings, client),
        "scope": " ".join(authorization.scopes),
    }
    if isinstance(authorization, ClientAuthorization):
        return response  # RFC 6749 §4.4.3: no refresh token; and there is nobody whom an ID token could be about
    if authorization.refresh_token is not None:
        response["refresh_token"] = authorization.refresh_token
    if "openid" in authorization.scopes:
        response["id_token"] = issue_id_token(server, authorization, client, access_token=access_token, now=now)
    return response
