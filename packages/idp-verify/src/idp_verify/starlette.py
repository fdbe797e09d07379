"""Guards HTTP and WebSocket endpoints of Starlette: RFC 6750 §3, RFC 6455.

A browser cannot set ``Authorization`` on a WebSocket. There it offers two subprotocols, `SUBPROTOCOL` and the token;
the endpoint accepts the first one (`accepted_subprotocol`). The token stays out of URLs, and so out of logs.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from idp_verify.bearer import check_realm, load_bearer_token, log_refusal
from idp_verify.errors import InvalidToken, KeysUnavailable, Refusal
from idp_verify.rules import Rule
from idp_verify.token import Token
from idp_verify.verifier import TokenVerifier

SUBPROTOCOL = "access_token"
CLOSE_UNAUTHORIZED = 3000  # registered with IANA for RFC 6455: unauthorized
CLOSE_POLICY = 1008


class Access:
    """What a request needs: a valid token, and these rules. Await it with the request or the WebSocket."""

    def __init__(self, verifier: TokenVerifier, rules: Sequence[Rule], realm: str) -> None:
        self._verifier, self._rules, self._realm = verifier, tuple(rules), realm

    async def __call__(self, connection: HTTPConnection) -> Token:
        """The token of a request that is let in. Raises HTTPException with the challenge of RFC 6750 §3."""
        try:
            token = await self._verifier.verify_async(load_bearer_token(_find_authorization(connection)))
            now = self._verifier.clock()
            for rule in self._rules:
                rule(token, now)
        except Refusal as refusal:
            if not isinstance(refusal, InvalidToken | KeysUnavailable):  # which the verifier has logged
                log_refusal(refusal)
            self._refuse(connection, refusal)
        return token

    def _refuse(self, connection: HTTPConnection, refusal: Refusal) -> NoReturn:
        """A WebSocket is refused by an HTTP answer, where the ASGI server can send one."""
        if connection.scope["type"] == "websocket" and not _can_deny(connection):
            raise WebSocketException(CLOSE_POLICY, refusal.public) from None
        raise HTTPException(refusal.status, refusal.public, refusal.headers(self._realm)) from None


class Guard:
    """Makes an `Access` for each set of rules: ``guard(requires_scope("orders.read"))``."""

    def __init__(self, verifier: TokenVerifier, *, realm: str = "api") -> None:
        check_realm(realm)
        self._verifier, self._realm = verifier, realm

    def __call__(self, *rules: Rule) -> Access:
        return Access(self._verifier, rules, self._realm)


def accepted_subprotocol(websocket: WebSocket) -> str | None:
    """What to accept the WebSocket with; never the token itself."""
    return SUBPROTOCOL if SUBPROTOCOL in websocket.scope.get("subprotocols", []) else None


@asynccontextmanager
async def while_valid(websocket: WebSocket, token: Token, verifier: TokenVerifier) -> AsyncIterator[None]:
    """Runs its body as long as the token is valid; then ends it, and closes the WebSocket with 3000."""
    deadline = asyncio.timeout(token.expires_at - verifier.clock())
    try:
        async with deadline:
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        await websocket.close(CLOSE_UNAUTHORIZED, "The access token has expired.")


def _find_authorization(connection: HTTPConnection) -> str | None:
    values = connection.headers.getlist("authorization")
    if connection.scope["type"] == "websocket":
        offered: list[str] = connection.scope.get("subprotocols", [])
        if SUBPROTOCOL in offered:
            values += [f"Bearer {each}" for each in offered if each != SUBPROTOCOL]
    return ", ".join(values) or None


def _can_deny(connection: HTTPConnection) -> bool:
    return "websocket.http.response" in (connection.scope.get("extensions") or {})
