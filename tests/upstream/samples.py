"""A connection and an answer of each kind, for tests that need no server."""

from collections.abc import Callable, Mapping
from typing import Any

from idp.settings import UpstreamSettings
from idp.upstream import PROVIDERS
from idp.upstream.connection import Connection
from idp.upstream.provider import Answer, Endpoints

CLIENT_ID, SECRET = "our-client-id", "our-secret"
NOW = 1_800_000_000


def make_connection(kind: str, **changes: Any) -> Connection:
    values = {"name": kind, "kind": kind, "client_id": CLIENT_ID, "client_secret": SECRET} | changes
    settings = UpstreamSettings(**values)
    return Connection(settings, PROVIDERS[kind], f"https://idp.example/upstream/{settings.name}/callback")


def endpoints_of(connection: Connection) -> Endpoints:
    if connection.provider.endpoints is not None:
        return connection.provider.endpoints(connection.settings)
    issuer = "https://op.example"
    return Endpoints(f"{issuer}/authorize", f"{issuer}/token", f"{issuer}/userinfo", f"{issuer}/jwks", issuer)


def make_answer(
    connection: Connection,
    *,
    claims: Mapping[str, Any] | None = None,
    callback: Mapping[str, str] | None = None,
    fetch: Callable[..., Any] | None = None,
) -> Answer:
    def nothing(url: str, query: Mapping[str, str] | None = None) -> Any:
        raise AssertionError(f"{url} was asked for nothing")

    tokens = {"access_token": "an-access-token", "token_type": "Bearer"}
    return Answer(connection, tokens, claims or {}, callback or {}, fetch or nothing, endpoints_of(connection))


class Answers:
    """What a provider's API says: URL → value. Remembers what was asked."""

    def __init__(self, **_: Any) -> None:
        self.said: dict[str, Any] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def __call__(self, url: str, query: Mapping[str, str] | None = None) -> Any:
        self.asked.append((url, query or {}))
        return self.said[url]
