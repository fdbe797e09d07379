"""UserInfo: OpenID Connect Core §5.3, RFC 6750. Claims by scope, and by the `claims` parameter of the authorization."""

from typing import Any

from flask import Request, Response, request

from idp.jose import jws
from idp.protocol.claims import claims_of_scopes, select_claims
from idp.protocol.client import Client
from idp.protocol.errors import BearerInvalidRequest, InsufficientScope, InvalidRequest, InvalidToken, MissingToken
from idp.protocol.findings import Finding, shown, shown_scheme
from idp.protocol.grant import Grant
from idp.protocol.identity import User
from idp.server import Server
from idp.tokens.access_token import LiveAccessToken, load_access_token
from idp.web.current import current_server, request_time
from idp.web.forms import FORM_TYPE, read_form
from idp.web.json import render_json


def userinfo() -> Response:
    server, now = current_server(), request_time()
    token = load_access_token(server, bearer_token(request), now=now)
    grant, user = token.grant, token.user
    if grant is None or user is None or "openid" not in token.scopes:  # without a person there is nothing to say
        finding = Finding("scope", ("openid",), shown(" ".join(token.scopes)), "Ask for openid at /authorize.")
        raise InsufficientScope(
            "The access token was not granted the openid scope.", scope="openid", findings=[finding]
        )
    client = server.store.clients.find(grant.client_id)
    if client is None or client.disabled:
        raise InvalidToken("The client of this access token is not active.")
    claims = _claims(token, grant, user, client)
    if client.userinfo_signed_response_alg is None:
        return render_json(claims)
    return _render_signed(server, client, claims, now)


def bearer_token(request: Request) -> str:
    """RFC 6750 §2.1 and §2.2: header or form body, one of them; never the query (RFC 9700 §4.3.2)."""
    scheme, _, in_header = request.headers.get("Authorization", "").partition(" ")
    in_body = _token_in_body(request)
    if scheme.lower() == "bearer" and in_header.strip():
        if in_body is not None:
            raise BearerInvalidRequest("The access token was sent in more than one way.")
        return in_header.strip()
    if in_body is None:
        hint = "Send it as Authorization: Bearer …; never in the query. A proxy in between may drop the header."
        received = f"Authorization: {shown_scheme(scheme)} …" if scheme else "no Authorization header"
        finding = Finding("access_token", ("Authorization: Bearer …",), received, hint)
        raise MissingToken("An access token is required.", findings=[finding])
    return in_body


def _token_in_body(request: Request) -> str | None:
    if request.method != "POST" or request.mimetype != FORM_TYPE:
        return None
    try:
        return read_form(request).get("access_token")
    except InvalidRequest as error:
        raise BearerInvalidRequest(error.description, findings=error.findings) from None


def _claims(token: LiveAccessToken, grant: Grant, user: User, client: Client) -> dict[str, Any]:
    single = grant.claims.limited_to(claims_of_scopes(client.scope))  # the client may have lost a scope since
    names = (*claims_of_scopes(token.scopes), *single.userinfo)
    return {**select_claims(user.claims, names), "sub": user.id}


def _render_signed(server: Server, client: Client, claims: dict[str, Any], now: int) -> Response:
    """Core §5.3.2: a signed answer has `iss` and `aud`."""
    key = server.keys.active(client.userinfo_signed_response_alg or "", now)
    signed = jws.sign({**claims, "iss": server.issuer, "aud": client.client_id}, key, typ="JWT")
    response = Response(signed, mimetype="application/jwt")
    response.headers["Cache-Control"] = "no-store"
    return response
