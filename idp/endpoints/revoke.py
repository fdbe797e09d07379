"""Revocation: RFC 7009. A refresh token takes its whole grant with it; an access token only itself.

Unknown and foreign tokens are left alone and answered 200 (§2.2). `token_type_hint` is only a hint, and not needed.
"""

from flask import Response, request

from idp import audit, client_auth
from idp.protocol.client import Client
from idp.protocol.errors import InvalidRequest, InvalidToken
from idp.server import Server
from idp.tokens.access_token import load_access_token
from idp.web.current import current_server, request_time
from idp.web.forms import read_form


def revoke() -> Response:
    server, now = current_server(), request_time()
    form = read_form(request)
    endpoint = server.endpoint("/revoke")
    client = client_auth.authenticate(server, form, request.headers.get("Authorization"), endpoint, now=now)
    if "token" not in form:
        raise InvalidRequest("token is missing; send it in the body.")
    if not _revoke_refresh_token(server, client, form["token"], now):
        _revoke_access_token(server, client, form["token"], now)
    return Response(status=200, headers={"Cache-Control": "no-store"})


def _revoke_refresh_token(server: Server, client: Client, token: str, now: int) -> bool:
    stored = server.store.refresh_tokens.find(token)
    if stored is None:
        return False
    grant = stored.grant
    if grant.client_id == client.client_id and server.store.grants.revoke(grant.id, now=now, why="revoked by client"):
        ids = {"user_id": grant.user_id, "client_id": client.client_id}
        audit.record(server, audit.Event.GRANT_REVOKED, now=now, **ids)
    return True


def _revoke_access_token(server: Server, client: Client, token: str, now: int) -> None:
    try:
        live = load_access_token(server, token, now=now)
    except InvalidToken:
        return
    if live.claims["client_id"] != client.client_id:
        return
    server.store.grants.revoke_access_token(live.claims["jti"], expires_at=live.claims["exp"])
    ids = {"user_id": None if live.user is None else live.user.id, "client_id": client.client_id}
    audit.record(server, audit.Event.ACCESS_TOKEN_REVOKED, now=now, **ids)
