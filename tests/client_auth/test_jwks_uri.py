"""Keys behind a client's `jwks_uri`: fetched under guard, kept, and fetched anew when the client has rotated them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from idp.jose.algorithms import PairedKey
from idp.jose.client_keys import RemoteKeys
from tests.support.assertions import assertion, assertion_form, make_key, public_jwk
from tests.support.idp_server import RegisteredClient, ServerUnderTest, TimedServer, timed_server
from tests.support.relying_party import TIMEOUT

FLOOR_SECONDS = 0.5
OLD, NEW = {"kid": "old"}, {"kid": "new"}


class KeyServer:
    """A client's own web server: serves a JWKS at /jwks, counts the requests, and does as it is told."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.status, self.location = 200, ""
        keys = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                keys.requests.append(dict(self.headers))
                body = json.dumps({"keys": keys.keys}).encode()
                self.send_response(keys.status if self.path == "/jwks" else 200)
                if keys.location:
                    self.send_header("Location", keys.location)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks"

    @contextmanager
    def serving(self) -> Iterator["KeyServer"]:
        thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stop()
            thread.join(5)

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    with KeyServer().serving() as running:
        yield running


@pytest.fixture
def idp(
    tmp_path: Path, signing_keys: Path, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TimedServer]:
    """A server that may reach the key server, with a short floor between fetches."""
    monkeypatch.setattr("idp.startup.RemoteKeys", partial(RemoteKeys, floor=FLOOR_SECONDS))
    allowed = {"outbound_allowed_hosts": f"127.0.0.1:{key_server.port}"}
    with timed_server(tmp_path, keys_from=signing_keys, **allowed) as timed:
        yield timed


def add(server: ServerUnderTest, jwks_uri: str) -> RegisteredClient:
    changes = {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": jwks_uri}
    return server.add_client(public=True, **changes)


def authenticates(server: ServerUnderTest, client: RegisteredClient, key: PairedKey, header: dict[str, str]) -> bool:
    token = assertion(server, client.client_id, key, "ES256", header=header)
    answer = requests.post(server.url("/revoke"), data=assertion_form(token, token="rt_x"), timeout=TIMEOUT)
    assert answer.status_code == 200 or answer.json()["error"] == "invalid_client"
    return answer.status_code == 200


@pytest.mark.spec("OpenID Connect Core", "10.1", "SHOULD")
def test_keys_are_fetched_once_and_kept(idp: TimedServer, key_server: KeyServer) -> None:
    key = make_key("ES256")
    key_server.keys = [public_jwk(key, **OLD)]
    client = add(idp, key_server.uri)
    assert all(authenticates(idp, client, key, OLD) for _ in range(5))
    assert len(key_server.requests) == 1


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_a_rotated_key_works_at_once_because_its_kid_is_unknown(idp: TimedServer, key_server: KeyServer) -> None:
    old, new = make_key("ES256"), make_key("ES256")
    key_server.keys = [public_jwk(old, **OLD)]
    client = add(idp, key_server.uri)
    assert authenticates(idp, client, old, OLD)
    key_server.keys = [public_jwk(new, **NEW)]
    time.sleep(FLOOR_SECONDS + 0.1)
    assert authenticates(idp, client, new, NEW)
    assert not authenticates(idp, client, old, OLD)


def test_unknown_kids_do_not_make_us_fetch_more_often_than_the_floor(idp: TimedServer, key_server: KeyServer) -> None:
    key, stranger = make_key("ES256"), make_key("ES256")
    key_server.keys = [public_jwk(key, **OLD)]
    client = add(idp, key_server.uri)
    started = time.monotonic()
    assert not any(authenticates(idp, client, stranger, {"kid": f"made-up-{number}"}) for number in range(30))
    assert len(key_server.requests) <= 1 + (time.monotonic() - started) / FLOOR_SECONDS


def test_while_the_clients_server_is_down_the_copy_goes_on(idp: TimedServer, key_server: KeyServer) -> None:
    key = make_key("ES256")
    key_server.keys = [public_jwk(key, **OLD)]
    client = add(idp, key_server.uri)
    assert authenticates(idp, client, key, OLD)
    key_server.status = 500
    time.sleep(FLOOR_SECONDS + 0.1)
    assert not authenticates(idp, client, make_key("ES256"), NEW)
    assert authenticates(idp, client, key, OLD)


@pytest.mark.parametrize(
    ("status", "location"),
    [(500, ""), (404, ""), (301, "/moved"), (302, "/moved"), (307, "/moved"), (204, "")],
)
def test_anything_but_a_plain_answer_gives_no_keys(
    idp: TimedServer, key_server: KeyServer, status: int, location: str
) -> None:
    key = make_key("ES256")
    key_server.keys, key_server.status, key_server.location = [public_jwk(key, **OLD)], status, location
    assert not authenticates(idp, add(idp, key_server.uri), key, OLD)
    assert len(key_server.requests) == 1


def test_an_address_that_is_not_allowed_is_never_asked(server: ServerUnderTest, key_server: KeyServer) -> None:
    key = make_key("ES256")
    key_server.keys = [public_jwk(key, **OLD)]
    for uri in (
        key_server.uri,
        f"http://localhost:{key_server.port}/jwks",
        f"https://127.0.0.1:{key_server.port}/jwks",
    ):
        assert not authenticates(server, add(server, uri), key, OLD)
    assert key_server.requests == []


def test_nothing_of_ours_is_told_to_the_clients_server(idp: TimedServer, key_server: KeyServer) -> None:
    key = make_key("ES256")
    key_server.keys = [public_jwk(key, **OLD)]
    assert authenticates(idp, add(idp, key_server.uri), key, OLD)
    sent = {name.lower() for name in key_server.requests[0]}
    assert not sent & {"authorization", "cookie", "referer", "x-forwarded-for", "forwarded"}
