"""What `idp clients add --for` registers really works: a person signs in to it with what was printed, it refreshes once
by rotation, and signs out at the provider. Through the real command and the running server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.forked import run_idp
from tests.support.idp_server import RegisteredClient, ServerUnderTest, running_server
from tests.support.relying_party import TIMEOUT, Browser, Page, RelyingParty, claims_of

API = "https://api.example.com"
FRONT_ENDS: dict[str, tuple[str, ...]] = {
    "nextauth": ("--url", "http://localhost:3000"),
    "authjs": ("--url", "https://shop.example.com"),
    "spa": ("--url", "http://localhost:5173"),
    "mobile": ("--scheme", "com.example.shop", "--link", "https://shop.example.com/app"),
    "cli": (),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    with running_server(tmp_path_factory.mktemp("recipes"), keys_from=signing_keys) as running:
        yield running


def idp(server: ServerUnderTest, *arguments: str) -> Any:
    """The command in a process of its own, with the settings of the server; its answer in JSON."""
    done = run_idp(server.environment, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def api(server: ServerUnderTest) -> str:
    """Registered as an API in Flask."""
    idp(server, "clients", "add", "Orders", "--for", "flask", "--api", API, "--api-scope", "orders.see=See orders")
    return API


def registered(server: ServerUnderTest, data: Any) -> RegisteredClient:
    client = server.store.clients.find(data["client_id"])
    assert client is not None
    return RegisteredClient(client, data.get("client_secret"))


@pytest.mark.spec("RFC 6749", "4.1", "MUST")
@pytest.mark.spec("RFC 6749", "6", "MUST")
@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "2", "MUST")
@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_a_person_signs_in_stays_signed_in_and_signs_out(server: ServerUnderTest, api: str, kind: str) -> None:
    data = idp(server, "clients", "add", "Shop", "--for", kind, *FRONT_ENDS[kind], "--api", api)
    person = server.add_user()
    for uri in data["redirect_uris"]:
        browser = Browser(server)
        party = RelyingParty(server, registered(server, data), redirect_uri=uri)
        first = party.tokens(browser, person.username, scope=data["scope"], nonce="n-1")
        assert claims_of(first["id_token"])["nonce"] == "n-1"
        assert claims_of(first["access_token"])["aud"] == [api, server.issuer]
        assert "orders.see" in first["scope"].split()

        second = party.refresh(first["refresh_token"]).json()
        assert second["refresh_token"] != first["refresh_token"]
        assert party.userinfo(second["access_token"]).json()["sub"] == person.id

        leaving = {"id_token_hint": first["id_token"], "client_id": data["client_id"], "state": "s"}
        leaving["post_logout_redirect_uri"] = data["post_logout_redirect_uris"][0]
        left = browser.follow(browser.get("/logout", params=leaving))
        assert left.headers["Location"].startswith(leaving["post_logout_redirect_uri"])
        assert party.sign_in(browser, prompt="none").error == "login_required"

        without_pkce = {"code_challenge": None, "code_challenge_method": None}
        assert party.sign_in(browser, person.username, **without_pkce).error == "invalid_request"


@pytest.mark.spec("RFC 8252", "7.3", "MUST")
def test_a_loopback_redirect_may_take_any_port(server: ServerUnderTest) -> None:
    data = idp(server, "clients", "add", "Shop", "--for", "cli")
    for uri in ("http://127.0.0.1:51004/callback", "http://[::1]:61023/callback"):
        party = RelyingParty(server, registered(server, data), redirect_uri=uri)
        assert party.tokens(Browser(server), server.add_user().username)["access_token"]
    elsewhere = RelyingParty(server, registered(server, data), redirect_uri="http://127.0.0.1:51004/other")
    refused = Browser(server).get("/authorize", params=elsewhere.request()[0])
    assert refused.status_code == 400
    assert Page(Browser(server), refused).id == "error-page"


@pytest.mark.spec("RFC 6749", "4.4", "MUST")
def test_a_service_gets_a_token_for_its_api_and_for_nobody(server: ServerUnderTest, api: str) -> None:
    data = idp(server, "clients", "add", "Nightly report", "--for", "service", "--api", api)
    party = RelyingParty(server, registered(server, data), redirect_uri="https://unused.example.com")
    answer = party.post("/token", {"grant_type": "client_credentials", "scope": data["scope"]})
    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["aud"] == api
    assert "refresh_token" not in answer.json()


@pytest.mark.spec("RFC 7662", "2.1", "MUST")
def test_an_api_that_introspects_may_ask_about_tokens_for_it_and_get_none(server: ServerUnderTest, api: str) -> None:
    data = idp(server, "clients", "add", "--for", "fastapi", "--api", api, "--introspection")
    asking = RelyingParty(server, registered(server, data), redirect_uri="https://unused.example.com")
    shop = idp(server, "clients", "add", "Shop", "--for", "cli", "--api", api)
    token = RelyingParty(server, registered(server, shop)).tokens(
        Browser(server), server.add_user().username, scope=shop["scope"]
    )
    assert asking.introspect(token["access_token"]).json()["active"] is True
    for grant_type in ("client_credentials", "authorization_code"):
        assert asking.post("/token", {"grant_type": grant_type, "code": "c"}).json()["error"] == "unauthorized_client"


def test_only_its_own_origin_may_call_from_a_browser(server: ServerUnderTest) -> None:
    url = "https://only-here.example.com"
    idp(server, "clients", "add", "Shop", "--for", "spa", "--url", url)
    for origin, allowed in ((url, url), ("https://elsewhere.example.com", None)):
        answer = requests.options(
            server.url("/token"),
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
            timeout=TIMEOUT,
        )
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
