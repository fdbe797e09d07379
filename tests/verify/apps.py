"""Small applications behind the guards, called in this process: no server, so that a header may be a megabyte."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, WebSocket
from flask import Flask

from idp_verify import Rule, Token, TokenVerifier
from idp_verify.fastapi import Guard, accepted_subprotocol
from idp_verify.flask import Guard as FlaskGuard
from idp_verify.flask import current_token
from tests.verify.event_loop import run_in_loop

AUTHORIZED = "u_ada"


@dataclass(frozen=True)
class Asked:
    """An answer; `status` 101 is a WebSocket that was accepted, with `body` its subprotocol."""

    status: int
    challenge: str | None
    body: str
    retry_after: str | None = None


def make_flask(verifier: TokenVerifier, *rules: Rule) -> Flask:
    app, guard = Flask("tests"), FlaskGuard(verifier)

    @app.get("/")
    @guard(*rules)
    def whoami() -> str:
        return current_token().subject

    return app


def make_fastapi(verifier: TokenVerifier, *rules: Rule) -> FastAPI:
    app, guard = FastAPI(), Guard(verifier)

    @app.get("/")
    async def whoami(token: Annotated[Token, Depends(guard(*rules))]) -> str:
        return token.subject

    @app.websocket("/")
    async def live(websocket: WebSocket, token: Annotated[Token, Depends(guard(*rules))]) -> None:
        await websocket.accept(subprotocol=accepted_subprotocol(websocket))
        await websocket.send_text(token.subject)
        await websocket.close()

    return app


def ask_flask(verifier: TokenVerifier, authorization: str | None = None, *rules: Rule) -> Asked:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = make_flask(verifier, *rules).test_client().get("/", headers=headers)
    challenge, retry_after = answer.headers.get("WWW-Authenticate"), answer.headers.get("Retry-After")
    return Asked(answer.status_code, challenge, answer.text.strip(), retry_after)


def ask_fastapi(verifier: TokenVerifier, authorization: str | None = None, *rules: Rule, **more: Any) -> Asked:
    return run_in_loop(call(make_fastapi(verifier, *rules), _headers(authorization), **more))


def open_websocket(verifier: TokenVerifier, authorization: str | None = None, *rules: Rule, **more: Any) -> Asked:
    return run_in_loop(call(make_fastapi(verifier, *rules), _headers(authorization), kind="websocket", **more))


def _headers(authorization: str | None) -> list[tuple[bytes, bytes]]:
    return [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]


async def call(
    app: Any,
    headers: list[tuple[bytes, bytes]],
    *,
    kind: str = "http",
    subprotocols: tuple[str, ...] = (),
    can_deny: bool = True,
    query: bytes = b"",
    path: str = "/",
) -> Asked:
    """One request by ASGI, as a server would put it."""
    scope = {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": headers,
        "root_path": "",
    }
    scope |= {
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    if kind == "http":
        scope |= {"method": "GET", "scheme": "http"}
    else:
        extensions = {"websocket.http.response": {}} if can_deny else {}
        scope |= {"scheme": "ws", "subprotocols": list(subprotocols), "extensions": extensions}
    first = {"type": "http.request", "body": b""} if kind == "http" else {"type": "websocket.connect"}
    incoming, sent = [first], []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0) if incoming else {"type": f"{kind}.disconnect", "code": 1000}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return _read(sent)


def _read(sent: list[dict[str, Any]]) -> Asked:
    if sent[0]["type"] == "websocket.accept":
        return Asked(101, None, sent[0].get("subprotocol") or "")
    if sent[0]["type"] == "websocket.close":
        return Asked(sent[0]["code"], None, sent[0].get("reason") or "")
    headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:]).decode().strip().strip('"')
    return Asked(sent[0]["status"], headers.get("www-authenticate"), body, headers.get("retry-after"))
