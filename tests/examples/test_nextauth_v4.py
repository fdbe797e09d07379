"""`examples/nextauth-v4`, built and started as its README says, beside the real server and an API.

The access tokens of its client live for less than the time in which the front end renews them early, so that each page
load of these tests is one at expiry.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any

import pytest
import requests
from dotenv import dotenv_values
from playwright.sync_api import BrowserContext, Page
from sqlalchemy import update

from idp.protocol.client import Client, ClientSecret
from idp.protocol.scopes import Api
from idp.recipes import RECIPES, Answers, make_facts, render
from idp.store.tables import refresh_tokens
from idp.store.users import NewUser
from tests.examples.api_process import API, ExampleApi, running_api
from tests.examples.front_end import JWT, SessionCookie, Visitor, request_sent, text_of
from tests.examples.node_app import build, running_node_app
from tests.support.accounts import FULL_PROFILE, PASSWORD
from tests.support.assertions import wait_for_client_caches
from tests.support.chromium import Pages
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT

pytestmark = pytest.mark.interop

NEXT = ("node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1")
ALWAYS_DUE = 9  # seconds; proxy.ts renews 10 seconds before the end
LOADS = 20
PATIENCE = 60_000  # milliseconds
ORDERS = Api(API, "Orders", {"orders.read": "See your orders"})


@dataclass(frozen=True)
class FrontEnd:
    """Two processes of one front end, as behind a load balancer, and its client."""

    server: ServerUnderTest
    client: RegisteredClient
    urls: tuple[str, str]
    cookie: SessionCookie

    def visit(self) -> Visitor:
        return Visitor(self.server, self.cookie, self.urls)

    def signed_in(self, **person: Any) -> tuple[NewUser, Visitor]:
        user = self.server.add_user(**person)
        return user, self.visit().sign_in(user.username)

    @contextmanager
    def registered_with(self, **changes: Any) -> Iterator[None]:
        """The registration of the client is another for as long as the block."""
        self._register(replace(self.client.metadata, **changes))
        try:
            yield
        finally:
            self._register(self.client.metadata)

    def _register(self, metadata: Client) -> None:
        assert self.server.store.clients.save(metadata, now=self.server.now)
        wait_for_client_caches()

    def let_grace_time_pass(self) -> None:
        """Every refresh token was used a minute earlier than it was."""
        with self.server.store.database.writing() as connection:
            connection.execute(update(refresh_tokens).values(used_at=refresh_tokens.c.used_at - 60))


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    with running_api(server, tmp_path_factory.mktemp("api"), "api-fastapi", "uvicorn", "app:app") as running:
        yield running


@pytest.fixture(scope="module")
def front_end(server: ServerUnderTest, api: ExampleApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    """Registered and configured by the recipe that `idp clients add --for nextauth` follows."""
    build("nextauth-v4")
    server.store.apis.save(ORDERS, now=server.now)
    ports = find_free_port(), find_free_port()
    urls = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"
    recipe = RECIPES["nextauth"]
    assert recipe.settings is not None
    settings = recipe.settings(Answers("Shop", urls=(urls[0],), apis=(ORDERS,)))
    client = server.add_client(secret="s" * 43, access_token_lifetime=ALWAYS_DUE, **settings)
    facts = make_facts(recipe, server.issuer, client=client.metadata, api=ORDERS, secret=client.secret)
    values = dotenv_values(stream=StringIO(render(recipe, facts)[0].content))
    environment = {name: value or "" for name, value in values.items()}
    environment["API_URL"] = f"http://127.0.0.1:{api.port}"
    folder = tmp_path_factory.mktemp("nextauth")
    with ExitStack() as stack:
        for number, port in enumerate(ports):
            log = folder / f"{number}.log"
            stack.enter_context(running_node_app("nextauth-v4", *NEXT, log=log, port=port, **environment))
        yield FrontEnd(server, client, urls, SessionCookie(environment["NEXTAUTH_SECRET"]))


# --- In the browser


@pytest.mark.asvs("10.1.1")
def test_a_person_signs_in_and_no_token_reaches_the_browser(front_end: FrontEnd, browser_page: Pages) -> None:
    user, page = front_end.server.add_user(), browser_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    sign_in(page, front_end, user)
    assert page.text_content("#who") == "Ada Marie Lovelace"
    page.click("text=Your orders")
    assert page.text_content("#orders") == f"Order 1 of {user.id}"
    session = front_end.cookie.open(cookies_of(page.context))
    tokens = [session["access_token"], session["refresh_token"], session["id_token"]]
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    known = page.evaluate("fetch('/api/auth/session').then((answer) => answer.text())")
    assert user.id in known
    for told in (stored, known, page.content(), *seen):
        assert not JWT.search(told)
        assert not any(token in told for token in tokens)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "2", "REQUIRED")
def test_signing_out_ends_both_sessions(front_end: FrontEnd, browser_page: Pages) -> None:
    user, page = front_end.server.add_user(), browser_page()
    sign_in(page, front_end, user)
    session = front_end.cookie.open(cookies_of(page.context))
    page.click("#sign-out")
    page.wait_for_selector("#signed-out")
    assert page.url in {front_end.urls[0], front_end.urls[0] + "/"}
    assert not any(front_end.cookie.is_part(name) for name, _ in cookies_of(page.context))
    press_sign_in(page)
    page.wait_for_selector("#password")
    answer = refresh(front_end, session["refresh_token"])
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_twenty_loads_in_one_browser_at_expiry_sign_nobody_out(front_end: FrontEnd, browser_page: Pages) -> None:
    user, page = front_end.server.add_user(), browser_page()
    sign_in(page, front_end, user)
    loads = "Promise.all([...Array(20).keys()].map((n) => fetch(`/orders?${n}`).then((answer) => answer.text())))"
    with front_end.registered_with(access_token_lifetime=900):  # one renewal for all that the browser sends in turn
        for _ in range(2):
            make_due(page.context, front_end)
            assert [user.id in text for text in page.evaluate(loads)] == [True] * LOADS
            front_end.let_grace_time_pass()
    page.reload()
    page.wait_for_selector("#who")


# --- Over HTTP


def test_the_request_is_bound_by_pkce_state_and_nonce(front_end: FrontEnd) -> None:
    sent = request_sent(front_end.visit().begin())
    assert sent["response_type"] == "code"
    assert sent["code_challenge_method"] == "S256"
    assert all(len(sent[name]) >= 43 for name in ("code_challenge", "state", "nonce"))
    assert sent["scope"].split() == ["openid", "profile", "email", "offline_access", "orders.read"]


@pytest.mark.spec("RFC 6749", "10.12", "MUST")
@pytest.mark.asvs("10.2.1")
@pytest.mark.parametrize("lost", ["state", "pkce.code_verifier", "nonce"])
def test_a_code_that_another_browser_began_signs_nobody_in(front_end: FrontEnd, lost: str) -> None:
    visitor, other = front_end.visit(), front_end.visit()
    other.begin()
    back = visitor.come_back(front_end.server.add_user().username)
    name = f"next-auth.{lost}"
    visitor.browser.http.cookies.set(name, other.browser.http.cookies[name], domain="127.0.0.1")
    assert "error=OAuthCallback" in visitor.browser.get(back).headers["Location"]
    assert not visitor.session_cookies


def test_a_tampered_state_signs_nobody_in(front_end: FrontEnd) -> None:
    visitor = front_end.visit()
    back = visitor.come_back(front_end.server.add_user().username)
    assert "error=OAuthCallback" in visitor.browser.get(back.replace("state=", "state=x")).headers["Location"]
    assert not visitor.session_cookies


def test_the_access_token_is_renewed_by_rotation_before_the_page_needs_it(front_end: FrontEnd) -> None:
    user, visitor = front_end.signed_in()
    before = visitor.session
    assert user.id in visitor.get("/orders").text
    after = visitor.session
    assert after["refresh_token"] != before["refresh_token"]
    assert after["access_token"] != before["access_token"]
    assert (after["sub"], after["name"]) == (user.id, "Ada Marie Lovelace")


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_twenty_loads_at_expiry_on_two_processes_sign_nobody_out(front_end: FrontEnd) -> None:
    user, visitor = front_end.signed_in()
    for _ in range(2):
        with ThreadPoolExecutor(LOADS) as threads:
            answers = list(threads.map(visitor.load_with_these_cookies, range(LOADS)))
        assert [(answer.status_code, user.id in answer.text) for answer in answers] == [(200, True)] * LOADS
        renewed = {front_end.cookie.open(answer.cookies.items())["refresh_token"] for answer in answers}
        assert len(renewed) == 1
        visitor.keep_cookies_of(answers[-1])
        front_end.let_grace_time_pass()
    assert text_of(visitor.get(), "who") == "Ada Marie Lovelace"


def test_a_session_longer_than_a_cookie_is_renewed_whole(front_end: FrontEnd) -> None:
    user, visitor = front_end.signed_in(profile=FULL_PROFILE | {"picture": "https://example.com/" + "a" * 900})
    for _ in range(2):
        assert sorted(visitor.session_cookies) == [f"{front_end.cookie.name}.0", f"{front_end.cookie.name}.1"]
        assert max(map(len, visitor.session_cookies.values())) < 4000
        before = visitor.session
        assert user.id in visitor.get("/orders").text
        assert visitor.session["refresh_token"] != before["refresh_token"]


def test_only_the_proxy_writes_the_session(front_end: FrontEnd) -> None:
    """An answer of NextAuth that puts an old refresh token back would end the session at the next renewal."""
    _, visitor = front_end.signed_in()
    answer = visitor.get("/api/auth/session")
    written = [header for header in answer.raw.headers.getlist("set-cookie") if "session-token" in header]
    assert len(written) == 1
    assert all(word in written[0] for word in ("HttpOnly", "SameSite=lax", "Path=/"))
    assert sorted(answer.json()) == ["expires", "user"]
    fresh = visitor.session | {"expires_at": front_end.server.now + 900}
    visitor.browser.http.cookies.set(front_end.cookie.name, front_end.cookie.seal(fresh), domain="127.0.0.1", path="/")
    answer = visitor.get("/api/auth/session")
    assert answer.json()["user"]["id"] == fresh["sub"]
    assert "session-token" not in answer.headers.get("Set-Cookie", "")


def test_who_signed_out_at_the_server_is_signed_out_here_at_the_next_renewal(front_end: FrontEnd) -> None:
    _, visitor = front_end.signed_in()
    assert text_of(visitor.get(), "who")
    visitor.browser.open("/logout").submit("sign-out")
    answer = visitor.get("/orders")
    assert answer.status_code == 307
    assert "/api/auth/signin" in answer.headers["Location"]
    assert not visitor.session_cookies
    assert text_of(visitor.get(), "signed-out")


def test_a_session_that_cannot_be_renewed_ends_with_its_access_token(front_end: FrontEnd) -> None:
    """As of a client that gets no refresh tokens, or of the sign-in that was there before."""
    _, visitor = front_end.signed_in()
    bare = {name: value for name, value in visitor.session.items() if name != "refresh_token"}
    visitor.browser.http.cookies.set(front_end.cookie.name, front_end.cookie.seal(bare), domain="127.0.0.1", path="/")
    assert text_of(visitor.get(), "signed-out")
    assert not visitor.session_cookies


def test_a_server_that_does_not_answer_as_it_should_signs_nobody_out(front_end: FrontEnd) -> None:
    user, visitor = front_end.signed_in()
    with front_end.registered_with(secrets=(ClientSecret(hash="0" * 64),)):
        before = visitor.session
        assert text_of(visitor.get(), "who")
        assert visitor.session == before
    assert user.id in visitor.get("/orders").text
    assert visitor.session != before


def test_another_site_cannot_sign_the_person_out(front_end: FrontEnd) -> None:
    _, visitor = front_end.signed_in()
    assert visitor.post("/sign-out", {}, Origin="https://evil.example.com").status_code == 403
    assert text_of(visitor.get(), "who")


# ---


def press_sign_in(page: Page) -> None:
    """As soon as React has taken the page over; before, the button does nothing."""
    page.wait_for_function("Object.keys(document.getElementById('sign-in')).some((key) => key.startsWith('__react'))")
    page.click("#sign-in")


def sign_in(page: Page, front_end: FrontEnd, user: NewUser) -> None:
    page.set_default_timeout(PATIENCE)
    page.goto(front_end.urls[0])
    press_sign_in(page)
    page.fill("#username", user.username)
    page.fill("#password", PASSWORD)
    page.click("#login")
    page.click("#allow")
    page.wait_for_selector("#who")


def cookies_of(context: BrowserContext) -> list[tuple[str, str | None]]:
    return [(cookie["name"], cookie.get("value")) for cookie in context.cookies()]


def make_due(context: BrowserContext, front_end: FrontEnd) -> None:
    """The access token of this browser is at its end, and no good to the API any more."""
    session = front_end.cookie.open(cookies_of(context))
    sealed = front_end.cookie.seal(session | {"expires_at": front_end.server.now, "access_token": "ended"})
    context.add_cookies([{"name": front_end.cookie.name, "value": sealed, "url": front_end.urls[0], "httpOnly": True}])


def refresh(front_end: FrontEnd, token: str) -> requests.Response:
    """What the front end asks of the server."""
    assert front_end.client.secret is not None
    return requests.post(
        front_end.server.url("/token"),
        data={"grant_type": "refresh_token", "refresh_token": token},
        auth=(front_end.client.client_id, front_end.client.secret),
        timeout=TIMEOUT,
    )
