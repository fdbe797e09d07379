"""`examples/api-express` beside the real server; and beside a stand-in whose keys change and which goes away."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.examples.api_process import API, ExampleApi
from tests.examples.node_app import running_node_app
from tests.examples.promises import INVALID, ApiPromises
from tests.jose.tokens import forge, part
from tests.support.assertions import make_key, public_jwk, shared_key
from tests.support.forked import run_idp
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import header_of
from tests.verify.issuer import other_key

MOVED_CLOCK = Path(__file__).with_name("moved_clock.mjs")
UNTIL = 60  # seconds for what takes a moment


@contextmanager
def express(issuer: str, folder: Path, server: Any = None) -> Iterator[ExampleApi]:
    clock = folder / "clock"
    move(clock, 0)
    command = ("--import", str(MOVED_CLOCK), "app.js")
    environment: Any = {"ISSUER": issuer, "AUDIENCE": API, "CLOCK": str(clock)}
    with running_node_app("api-express", *command, log=folder / "api.log", path="/health", **environment) as app:
        yield ExampleApi(server, app.port, app.log)


def move(clock: Path, seconds: int) -> None:
    """Let the API's memory of the keys be older by so much. The file is never half written."""
    clock.with_suffix(".new").write_text(str(seconds))
    os.replace(clock.with_suffix(".new"), clock)


def rotate_keys(server: ServerUnderTest) -> None:
    """The operator's command, with the server's settings."""
    run_idp(server.environment, "keys", "rotate", "--now").check_returncode()


def until(is_so: Any) -> None:
    deadline = time.monotonic() + UNTIL
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    with express(server.issuer, tmp_path_factory.mktemp("express"), server) as running:
        yield running


class TestExpress(ApiPromises):
    """All of them hold, but that Node.js itself ends requests with more than 16 KiB of headers."""

    said_of_typ = 'access token refused: unexpected "typ" JWT header value'
    said_of_aud = 'access token refused: unexpected "aud" claim value'

    def test_a_token_of_a_megabyte_harms_nobody(self, api: ExampleApi) -> None:
        answer = api.get("/me", "a" * 12_000)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID)
        for size in (20_000, 1_000_000):
            with suppress(requests.RequestException):
                assert api.get("/me", "a" * size).status_code == 431
        assert api.get("/health").status_code == 200

    def test_a_service_is_let_in_by_its_scope_and_is_no_person(self, api: ExampleApi) -> None:
        service = api.server.add_client(
            grant_types=("client_credentials",), scope=("orders.read",), audience=(API,), redirect_uris=()
        )
        api.sign_in()  # registers the API
        answer = requests.post(
            api.server.url("/token"), data={"grant_type": "client_credentials"},
            auth=(service.client_id, str(service.secret)), timeout=UNTIL,
        )  # fmt: skip
        token = answer.json()["access_token"]
        assert api.get("/orders", token).json() == [{"id": "1", "owner": service.client_id}]
        assert api.get("/admin/orders", token).status_code == 403
        assert api.call("DELETE", "/me", token).status_code == 401


# --- A stand-in for the server ---------------------------------------------------------------------------------------


class Issuer:
    """Publishes `keys` on loopback. `is_down`: its answers are 503; `fetches`: how often it was asked."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"key-1": make_key("RS256")}
        self.is_down, self.fetches = False, 0
        issuer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches += 1
                self.send_response(503 if issuer.is_down else 200)
                self.end_headers()
                self.wfile.write(json.dumps(issuer.jwks()).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def jwks(self) -> dict[str, Any]:
        """Without `alg`, so that the choice of the algorithm is the API's alone."""
        return {"keys": [public_jwk(key, kid=kid, use="sig") for kid, key in self.keys.items()]}

    def token(self, *, kid: str = "key-1", key: Any = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good one, with changes; what is None is left out."""
        now = int(time.time())
        head = {"alg": "RS256", "typ": "at+jwt", "kid": kid} | (header or {})
        honest = {"iss": self.url, "sub": "u_ada", "aud": API, "exp": now + 900, "iat": now, "jti": "g.x"}
        payload = honest | {"client_id": "shop", "scope": "openid orders.read", "roles": ["Admin"]} | claims
        return forge(_without_none(head), _without_none(payload), key or self.keys[kid])


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


@contextmanager
def published() -> Iterator[Issuer]:
    issuer = Issuer()
    thread = threading.Thread(target=issuer.http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.http.shutdown()
        issuer.http.server_close()
        thread.join()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Issuer, ExampleApi]]:
    with published() as issuer, express(issuer.url, tmp_path_factory.mktemp("stand-in")) as running:
        yield issuer, running


def with_public_key(issuer: Issuer) -> str:
    pem = issuer.keys["key-1"].as_pem(private=False)
    head = {"alg": "HS256", "typ": "at+jwt", "kid": "key-1"}
    return forge(head, {"iss": issuer.url, "aud": API, "sub": "u_ada", "exp": int(time.time()) + 900}, shared_key(pem))


def unsigned(issuer: Issuer) -> str:
    return f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{issuer.token().split('.')[1]}."


FORGERIES = [
    pytest.param(unsigned, id="none"),
    pytest.param(with_public_key, id="HS256 with the public key"),
    pytest.param(lambda i: i.token(header={"alg": "PS256"}), id="another algorithm of the same key"),
    pytest.param(lambda i: i.token(key=other_key), id="another key"),
    pytest.param(lambda i: i.token(key=other_key, header={"jwk": public_jwk(other_key)}), id="jwk"),
    pytest.param(lambda i: i.token(key=other_key, header={"jku": "http://127.0.0.1:9/jwks"}), id="jku"),
    pytest.param(lambda i: i.token(key=other_key, header={"x5u": "http://127.0.0.1:9/cert"}), id="x5u"),
    pytest.param(lambda i: i.token(key=other_key, header={"x5c": ["MIIB"]}), id="x5c"),
    pytest.param(lambda i: i.token(key=other_key, header={"kid": "../../dev/null"}), id="kid is a path"),
    pytest.param(lambda i: i.token(key=other_key, header={"kid": None}), id="no kid"),
    pytest.param(lambda i: i.token(header={"crit": ["exp"]}), id="crit"),
    pytest.param(lambda i: i.token(header={"typ": "JWT"}), id="an ID token's typ"),
    pytest.param(lambda i: i.token(header={"typ": None}), id="no typ"),
    pytest.param(lambda i: i.token(iss="https://evil.example"), id="wrong iss"),
    pytest.param(lambda i: i.token(iss=f"{i.url}/"), id="iss with a slash more"),
    pytest.param(lambda i: i.token(iss=None), id="no iss"),
    pytest.param(lambda i: i.token(aud="https://other.example"), id="wrong aud"),
    pytest.param(lambda i: i.token(aud=f"{API}.evil.example"), id="aud begins like ours"),
    pytest.param(lambda i: i.token(aud=[]), id="empty aud"),
    pytest.param(lambda i: i.token(aud=None), id="no aud"),
    pytest.param(lambda i: i.token(exp=int(time.time()) - 60), id="expired"),
    pytest.param(lambda i: i.token(exp=None), id="no exp"),
    pytest.param(lambda i: i.token(exp="9999999999"), id="exp is text"),
    pytest.param(lambda i: i.token(nbf=int(time.time()) + 300), id="nbf"),
    pytest.param(lambda i: i.token(sub=None), id="no sub"),
    pytest.param(lambda i: i.token(client_id=None), id="no client_id"),
    pytest.param(lambda i: i.token(scope=["orders.read"]), id="scope is a list"),
    pytest.param(lambda i: i.token(roles=7), id="roles is a number"),
    pytest.param(lambda i: i.token()[:-10], id="cut short"),
    pytest.param(lambda i: i.token() + ".AAAA", id="four parts"),
    pytest.param(lambda i: f"{i.token()}, {i.token()}", id="two tokens"),
    pytest.param(lambda i: "..", id="two dots"),
    pytest.param(lambda i: "rt_" + "a" * 43, id="a refresh token"),
]


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.spec("RFC 8725", "3", "MUST")
@pytest.mark.asvs("9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "10.3.1")
@pytest.mark.parametrize("make", FORGERIES)
def test_a_forged_token_is_refused_and_only_the_log_says_why(stand_in: tuple[Issuer, ExampleApi], make: Any) -> None:
    issuer, api = stand_in
    assert api.get("/admin/orders", issuer.token()).status_code == 200
    said, token = len(api.log.read_text()), make(issuer)
    answer = api.get("/admin/orders", token)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID)
    assert answer.json() == {"detail": "The access token is not valid."}
    until(lambda: "access token refused: " in api.log.read_text()[said:])
    assert len(token) < 60 or token[-40:] not in api.log.read_text()[said:]


def test_a_key_that_nobody_has_seen_is_fetched_and_a_flood_of_made_up_ones_is_not(tmp_path: Path) -> None:
    with published() as issuer, express(issuer.url, tmp_path) as api:
        first = issuer.token()
        assert api.get("/me", first).status_code == 200
        for number in range(50):
            assert api.get("/me", issuer.token(key=other_key, header={"kid": f"made-up-{number}"})).status_code == 401
        assert issuer.fetches == 1
        issuer.keys["key-2"] = make_key("RS256")
        move(tmp_path / "clock", 31)
        assert api.get("/me", issuer.token(kid="key-2")).status_code == 200
        assert api.get("/me", first).status_code == 200
        assert issuer.fetches == 2
        del issuer.keys["key-1"]  # withdrawn: known everywhere within five minutes
        move(tmp_path / "clock", 340)
        until(lambda: api.get("/me", first).status_code == 401)


def test_while_the_server_is_down_the_last_known_keys_do_for_a_day(tmp_path: Path) -> None:
    with published() as issuer, express(issuer.url, tmp_path) as api:
        issuer.is_down = True
        token = issuer.token()
        never = api.get("/me", token)
        assert (never.status_code, never.headers["Retry-After"]) == (503, "5")
        assert api.get("/me", "x").headers["WWW-Authenticate"] == INVALID
        issuer.is_down = False
        assert api.get("/me", token).status_code == 200
        issuer.is_down = True
        move(tmp_path / "clock", 86_000)
        assert api.get("/me", token).status_code == 200
        assert api.get("/me", issuer.token(key=other_key, header={"kid": "made-up"})).status_code == 401
        move(tmp_path / "clock", 90_000)
        assert api.get("/me", token).status_code == 503
        assert api.get("/health").status_code == 200
        issuer.is_down = False
        assert api.get("/me", token).status_code == 200


def test_a_rotation_by_the_operator_is_followed_without_a_restart(api: ExampleApi) -> None:
    before = api.sign_in()[1]["access_token"]
    assert api.get("/me", before).status_code == 200
    rotate_keys(api.server)
    found = [before]

    def is_by_another_key() -> bool:
        found.append(api.sign_in()[1]["access_token"])
        return bool(header_of(found[-1])["kid"] != header_of(before)["kid"])

    until(is_by_another_key)
    move(api.log.with_name("clock"), 31)
    for token in (found[-1], before):
        assert api.get("/me", token).status_code == 200
