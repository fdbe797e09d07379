"""Introspection: RFC 7662. For authenticated clients, and only on tokens issued to them or meant for them.

All else, unknown, expired, revoked or foreign, is the same `{"active": false}` (§2.2).
"""

from typing import Any

from flask import Response, request

from idp import client_auth
from idp.protocol.client import Client
from idp.protocol.errors import InvalidClient, InvalidRequest, InvalidToken
from idp.protocol.findings import Finding
from idp.server import Server
from idp.tokens.access_token import load_access_token
from idp.web.current import current_server, request_time
from idp.web.forms import read_form
from idp.web.json import render_json

_INACTIVE = {"active": False}


def introspect() -> Response:
    server, now = current_server(), request_time()
    form = read_form(request)
    endpoint = server.endpoint("/introspect")
    client = client_auth.authenticate(server, form, request.headers.get("Authorization"), endpoint, now=now)
    if client.is_public:
        finding = Finding("client authentication", ("a secret or a key",), "none", "Register the API as a client.")
        raise InvalidClient("Introspection is for clients that authenticate; this one is public.", findings=[finding])
    if "token" not in form:
        raise InvalidRequest("token is missing; send it in the body.")
    token = form["token"]
    found = _access_token(server, client, token, now) or _refresh_token(server, client, token, now)
    return render_json(found or _INACTIVE)


def _access_token(server: Server, client: Client, token: str, now: int) -> dict[str, Any] | None:
    if token.count(".") != 2:
        return None
    try:
        live = load_access_token(server, token, now=now)
    except InvalidToken:
        return None
    claims, audience = live.claims, live.claims["aud"]
    meant_for = {audience} if isinstance(audience, str) else set(audience)
    if claims["client_id"] != client.client_id and not meant_for & set(client.serves):
        return None
    issued_to = server.store.clients.find(claims["client_id"])
    if issued_to is None or issued_to.disabled:  # as at userinfo
        return None
    named = {} if live.user is None else {"username": live.user.username}
    return {"active": True, "token_type": "Bearer", **named, **claims}


def _refresh_token(server: Server, client: Client, token: str, now: int) -> dict[str, Any] | None:
    stored = server.store.refresh_tokens.find(token)
    if stored is None or stored.grant.client_id != client.client_id or stored.is_revoked:
        return None
    if not stored.user.may_grant:
        return None
    ends = min(stored.expires_at, stored.ends_at)
    if stored.used_at is not None or ends <= now:
        return None
    return {
        "active": True,
        "scope": " ".join(stored.grant.scopes),
        "client_id": client.client_id,
        "username": stored.user.username,
        "sub": stored.user.id,
        "iss": server.issuer,
        "exp": ends,
    }
