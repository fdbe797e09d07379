"""Cross-origin requests: exactly where browsers need them, exactly for the origins that clients have registered."""

from dataclasses import replace
from typing import Any

import pytest
import requests

from tests.support.assertions import wait_for_client_caches
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import TIMEOUT, RelyingParty
from tests.support.scene import Scene, open_scene

REDIRECT_URIS = ("https://spa.example.com/callback", "http://localhost:5173/cb", "com.example.app:/cb")
ORIGINS = ("https://spa.example.com", "http://localhost:5173")
READS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks", "/userinfo")
WRITES = ("/token", "/revoke", "/userinfo")
STRANGERS = (
    ("https://evil.example.com", "null", "http://spa.example.com", "https://spa.example.com:8443")
    + ("https://spa.example.com.evil.example", "https://SPA.example.com", "https://sub.spa.example.com", "*", "")
    + ("https://spa.example.com/", "com.example.app", "com.example.app://cb", "https://spa.example.com, https://x.y")
)  # fmt: skip


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture(scope="module")
def spa(scene: Scene) -> RelyingParty:
    return scene.client(public=True, redirect_uris=REDIRECT_URIS)


def ask(server: ServerUnderTest, method: str, path: str, origin: str, **options: Any) -> requests.Response:
    headers = {"Origin": origin} | options.pop("headers", {})
    return requests.request(
        method, server.url(path), headers=headers, timeout=TIMEOUT, allow_redirects=False, **options
    )


def preflight(server: ServerUnderTest, path: str, origin: str, method: str = "POST") -> requests.Response:
    wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    return ask(server, "OPTIONS", path, origin, headers=wanted)


def allows(answer: requests.Response, origin: str) -> bool:
    """Whether a browser would hand the answer to the page. A wildcard or credentials would be wrong in any case."""
    value = answer.headers.get("Access-Control-Allow-Origin")
    assert value in (None, origin)
    assert value != "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    return value == origin


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize("origin", ORIGINS)
def test_a_registered_origin_reads_every_endpoint_that_browsers_need(
    server: ServerUnderTest, spa: RelyingParty, origin: str
) -> None:
    for method, paths in (("GET", READS), ("POST", WRITES)):
        for path in paths:
            answer = ask(server, method, path, origin)
            assert allows(answer, origin), path
            assert "Origin" in answer.headers["Vary"]
            assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.asvs("3.4.2", "3.5.2")
@pytest.mark.parametrize("path", WRITES)
def test_a_preflight_of_a_registered_origin_allows_what_the_endpoint_needs(
    server: ServerUnderTest, spa: RelyingParty, path: str
) -> None:
    answer = preflight(server, path, ORIGINS[0])
    assert answer.status_code == 204
    assert allows(answer, ORIGINS[0])
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type"} <= allowed
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize("origin", STRANGERS)
def test_no_other_origin_is_allowed_anywhere(server: ServerUnderTest, spa: RelyingParty, origin: str) -> None:
    for path in ("/jwks", "/userinfo"):
        assert not allows(ask(server, "GET", path, origin), origin)
    assert not allows(ask(server, "POST", "/token", origin), origin)
    assert not allows(preflight(server, "/token", origin), origin)


@pytest.mark.spec("RFC 6750", "3", "MUST")
def test_refusals_carry_the_headers_too(server: ServerUnderTest, spa: RelyingParty) -> None:
    """Otherwise a browser reports a network error and the page never learns why."""
    origin, bad = ORIGINS[0], {"Authorization": "Bearer bad"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answers = {
        400: ask(server, "POST", "/token", origin, data={"client_id": spa.client.client_id, "grant_type": "x"}),
        401: ask(server, "GET", "/userinfo", origin, headers=bad),
        413: ask(server, "POST", "/token", origin, data=b"x" * 100_000, headers=form),
        405: ask(server, "GET", "/token", origin),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert allows(answer, origin), status
    assert allows(ask(server, "POST", "/token", origin, data={"client_id": "nobody"}), origin)


def test_a_refusal_for_want_of_scope_carries_the_headers(scene: Scene, spa: RelyingParty) -> None:
    token = scene.tokens(spa, scope="email")["access_token"]
    answer = ask(scene.server, "GET", "/userinfo", ORIGINS[0], headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert allows(answer, ORIGINS[0])


def test_a_whole_exchange_works_across_origins(scene: Scene, spa: RelyingParty) -> None:
    callback = spa.sign_in(scene.browser)
    tokens = spa.redeem(callback).json()
    answer = requests.get(
        scene.server.url("/userinfo"),
        headers={"Origin": ORIGINS[0], "Authorization": f"Bearer {tokens['access_token']}"},
        timeout=TIMEOUT,
    )
    assert answer.json()["sub"] == scene.user.id
    assert allows(answer, ORIGINS[0])
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize(
    "path", ["/authorize", "/login", "/logout", "/consent", "/", "/no-such-page", "/static/idp.css"]
)
def test_pages_and_the_authorization_endpoint_are_never_shared(
    server: ServerUnderTest, spa: RelyingParty, path: str
) -> None:
    for answer in (ask(server, "GET", path, ORIGINS[0]), preflight(server, path, ORIGINS[0], "GET")):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.asvs("3.4.2")
@pytest.mark.parametrize("path", ["/introspect", "/health"])
def test_what_no_page_needs_is_not_shared(server: ServerUnderTest, spa: RelyingParty, path: str) -> None:
    for method in ("GET", "POST"):
        assert not allows(ask(server, method, path, ORIGINS[0]), ORIGINS[0])
    assert not allows(preflight(server, path, ORIGINS[0]), ORIGINS[0])


def test_origins_registered_by_name_replace_those_of_the_redirect_uris(scene: Scene) -> None:
    scene.client(
        public=True,
        redirect_uris=("https://callback.example.net/cb",),
        web_origins=("https://app.example.net",),
    )
    assert allows(ask(scene.server, "GET", "/jwks", "https://app.example.net"), "https://app.example.net")
    assert not allows(ask(scene.server, "GET", "/jwks", "https://callback.example.net"), "https://callback.example.net")


def test_an_origin_goes_with_its_client(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(public=True, redirect_uris=("https://gone.example.org/cb",))
    assert allows(ask(timed, "GET", "/jwks", "https://gone.example.org"), "https://gone.example.org")
    moved = replace(party.client.metadata, redirect_uris=("https://moved.example.org/cb",))
    timed.store.clients.save(moved, now=timed.now)
    wait_for_client_caches()
    assert not allows(ask(timed, "GET", "/jwks", "https://gone.example.org"), "https://gone.example.org")
    assert allows(ask(timed, "GET", "/jwks", "https://moved.example.org"), "https://moved.example.org")
    timed.store.clients.remove(party.client.client_id, now=timed.now)
    wait_for_client_caches()
    assert not allows(ask(timed, "GET", "/jwks", "https://moved.example.org"), "https://moved.example.org")


def test_without_an_origin_nothing_is_said_about_origins(server: ServerUnderTest) -> None:
    answer = requests.get(server.url("/jwks"), timeout=TIMEOUT)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert "Origin" in answer.headers["Vary"]
