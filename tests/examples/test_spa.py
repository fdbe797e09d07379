"""`examples/spa` in Chromium, beside the real server and a real API: its tokens are in the memory of its tabs alone."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, Route, expect

from idp.protocol.scopes import Api
from idp.store.users import NewUser
from tests.examples.api_process import API, ExampleApi, running_api
from tests.examples.node_app import NodeApp, running_node_app
from tests.support.accounts import PASSWORD
from tests.support.chromium import Pages
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT

pytestmark = pytest.mark.interop
SCOPE = ("openid", "profile", "email", "orders.read")
PATIENT = 30_000  # milliseconds, on a machine that does much else
LIFETIME = 60  # seconds of an access token
LATER = f"const now = Date.now; Date.now = () => now() + {(LIFETIME - 5) * 1000}"  # it is renewed ten seconds early
STORED = """async () => JSON.stringify([
  Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, history.state, location.href,
  await indexedDB.databases(), await caches.keys(), document.documentElement.outerHTML])"""


@dataclass
class Spa:
    """The page at its origin, its client, and what the browser has sent on its behalf."""

    server: ServerUnderTest
    app: NodeApp
    client: RegisteredClient
    origin: str


@pytest.fixture(scope="module")
def port() -> int:
    return find_free_port()


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    server.store.apis.save(Api(API, "Orders", {"orders.read": "See your orders"}), now=server.now)
    folder = tmp_path_factory.mktemp("api")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORIGINS", f"http://localhost:{port}")
        with running_api(server, folder, "api-fastapi", "uvicorn", "app:app") as running:
            yield running


@pytest.fixture(scope="module")
def spa(server: ServerUnderTest, api: ExampleApi, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spa]:
    """Registered as `idp clients add --for spa` does it."""
    folder, origin = tmp_path_factory.mktemp("spa"), f"http://localhost:{port}"
    client = server.add_client(
        public=True,
        client_name="Orders",
        redirect_uris=(f"{origin}/callback",),
        post_logout_redirect_uris=(origin,),
        scope=SCOPE,
        audience=(API,),
        always_issue_refresh_token=True,
        access_token_lifetime=LIFETIME,
        claims_in_id_token=True,
    )
    template = (Path(__file__).parent.parent.parent / "idp/recipes/files/spa/config.js").read_text()
    values = {"issuer": server.issuer, "client_id": client.client_id, "redirect_uri": f"{origin}/callback"}
    for name, value in (values | {"post_logout_redirect_uri": origin, "scope": " ".join(SCOPE)}).items():
        template = template.replace(f"«{name}»", value)
    (folder / "config.js").write_text(template)
    command = ("serve.mjs", str(folder / "config.js"))
    where = f"http://localhost:{api.port}"
    with running_node_app("spa", *command, log=folder / "spa.log", port=port, API=where) as app:
        yield Spa(server, app, client, origin)


@dataclass
class Visit:
    """A person at the page, in a browser whose every request is kept: (method, URL, headers, body)."""

    spa: Spa
    page: Page
    person: NewUser
    requests: list[tuple[str, str, dict[str, str], str]]
    tokens: set[str]
    complaints: list[str]

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    def posts_to(self, path: str) -> list[str]:
        url = self.spa.server.url(path)
        return [body for method, where, _, body in self.requests if method == "POST" and where == url]

    def sign_in(self) -> None:
        self.page.goto(self.spa.origin)
        self.page.click("#sign-in")
        self.page.fill("#username", self.person.username)
        self.page.fill("#password", PASSWORD)
        self.page.click("#login")
        self.page.click("#allow")
        self.is_signed_in(self.page)

    def is_signed_in(self, page: Page) -> None:
        expect(page.locator("#who")).to_have_text("Signed in as Ada Marie Lovelace", timeout=PATIENT)

    def new_tab(self) -> Page:
        return self.context.new_page()


def visit(spa: Spa, page: Page) -> Visit:
    visited = Visit(spa, page, spa.server.add_user(), [], set(), [])

    def keep_tokens(response: Any) -> None:
        if response.url == spa.server.url("/token") and response.request.method == "POST":
            answer = response.json()
            visited.tokens.update(answer[name] for name in answer if name.endswith("_token"))

    page.context.on(
        "request",
        lambda request: visited.requests.append(
            (request.method, request.url, request.headers, request.post_data or "")
        ),
    )
    page.context.on("response", keep_tokens)
    page.context.set_default_timeout(PATIENT)
    page.context.on(
        "console", lambda message: visited.complaints.append(message.text) if message.type == "error" else None
    )
    return visited


@pytest.fixture
def visited(spa: Spa, browser_page: Pages) -> Visit:
    return visit(spa, browser_page())


def posts_of(page: Page) -> list[str]:
    """Where this one tab posts to, from now on."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url) if request.method == "POST" else None)
    return urls


def see_orders(page: Page, person: NewUser) -> None:
    page.click("#see-orders")
    expect(page.locator("#answer")).to_contain_text(f'"owner": "{person.id}"', timeout=PATIENT)


@pytest.mark.spec("RFC 7636", "4.3", "MUST")
@pytest.mark.asvs("3.4.2", "10.1.1", "14.3.3")
def test_a_person_signs_in_and_no_token_is_left_anywhere(visited: Visit) -> None:
    visited.sign_in()
    page, spa = visited.page, visited.spa
    assert page.url == spa.origin + "/"  # neither code nor state
    [asked] = [where for _, where, _, _ in visited.requests if where.startswith(spa.server.url("/authorize?"))][:1]
    for wanted in ("code_challenge_method=S256", "code_challenge=", "state=", "nonce=", "response_type=code"):
        assert wanted in asked
    see_orders(page, visited.person)
    page.click("#see-profile")
    expect(page.locator("#answer")).to_contain_text(str(visited.person.email), timeout=PATIENT)

    assert len(visited.tokens) == 3
    stored = page.evaluate(STORED)
    addresses = [where for _, where, _, _ in visited.requests]
    referers = [headers.get("referer", "") for _, _, headers, _ in visited.requests]
    cookies = json.dumps(visited.context.cookies())
    for token in visited.tokens:
        assert not [text for text in (stored, cookies, *addresses, *referers) if token in text]
    assert json.loads(stored)[0] == []
    assert json.loads(stored)[1] == [["signed-in", "yes"]]
    assert not [text for text in referers if "code=" in text]
    assert visited.complaints == []
    page.go_back()  # the answer with the code is not in the history
    assert "code=" not in page.url


def test_a_stale_token_is_renewed_by_rotation_and_two_tabs_do_not_race(visited: Visit) -> None:
    visited.sign_in()
    first = visited.page
    second = visited.new_tab()
    second.goto(visited.spa.origin)
    visited.is_signed_in(second)
    assert len(visited.posts_to("/token")) == 1  # the new tab has its tokens from the other
    stranger = visited.new_tab()  # another application at the same origin is given none

    def with_another_id(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace(visited.spa.client.client_id, "another"))

    stranger.route("**/config.js", with_another_id)
    stranger.goto(visited.spa.origin)
    expect(stranger.locator("#who")).to_have_text("Nobody is signed in.", timeout=PATIENT)
    stranger.close()
    renewed = {first: posts_of(first), second: posts_of(second)}
    for page in renewed:
        page.evaluate(LATER)
    first.evaluate("document.getElementById('see-orders').click(); document.getElementById('see-profile').click()")
    second.evaluate("document.getElementById('see-orders').click()")
    for page in renewed:
        expect(page.locator("#answer")).to_contain_text("200", timeout=PATIENT)
    counts = [urls.count(visited.spa.server.url("/token")) for urls in renewed.values()]
    assert sum(counts) >= 1
    assert max(counts) == 1  # two wanted it in the first tab; and the second may have heard of it too late
    assert len(visited.tokens) > 3
    see_orders(first, visited.person)
    see_orders(second, visited.person)
    assert visited.complaints == []


def test_a_reload_and_a_new_visit_cost_no_password(visited: Visit) -> None:
    visited.sign_in()
    see_orders(visited.page, visited.person)
    visited.page.reload()
    visited.is_signed_in(visited.page)
    see_orders(visited.page, visited.person)
    assert [where for _, where, _, _ in visited.requests if "prompt=none" in where]
    assert visited.page.url == visited.spa.origin + "/"


def test_a_reload_after_the_session_has_ended_elsewhere_shows_nobody(visited: Visit) -> None:
    visited.sign_in()
    visited.context.clear_cookies()
    visited.page.reload()
    expect(visited.page.locator("#who")).to_have_text("Nobody is signed in.", timeout=PATIENT)
    expect(visited.page.locator("#trouble")).to_be_hidden(timeout=PATIENT)
    visited.page.reload()  # and it is not tried again and again
    expect(visited.page.locator("#sign-in")).to_be_visible(timeout=PATIENT)
    assert len([where for _, where, _, _ in visited.requests if "prompt=none" in where]) == 1


@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "2", "MUST")
@pytest.mark.asvs("7.4.1")
def test_signing_out_ends_it_in_every_tab_and_at_the_server(visited: Visit) -> None:
    visited.sign_in()
    second = visited.new_tab()
    second.goto(visited.spa.origin)
    visited.is_signed_in(second)
    visited.page.click("#sign-out")
    expect(visited.page.locator("#who")).to_have_text("Nobody is signed in.", timeout=PATIENT)
    expect(second.locator("#who")).to_have_text("Nobody is signed in.", timeout=PATIENT)
    assert visited.page.url == visited.spa.origin + "/"
    assert len(visited.posts_to("/revoke")) == 1
    for token in visited.tokens:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": visited.spa.client.client_id}
        assert requests.post(visited.spa.server.url("/token"), data=form, timeout=TIMEOUT).status_code == 400
        assert not [where for _, where, _, _ in visited.requests if token in where]
    second.click("#sign-in")
    expect(second.locator("#login-page")).to_be_visible(timeout=PATIENT)  # the session of the browser is over too
    assert visited.complaints == []


def test_being_signed_out_at_the_server_is_said_in_words(visited: Visit) -> None:
    visited.sign_in()
    elsewhere = visited.new_tab()
    elsewhere.goto(visited.spa.server.url("/logout"))
    elsewhere.click("#logout")
    expect(elsewhere.locator("#logout")).to_have_count(0, timeout=PATIENT)
    visited.page.evaluate(LATER)
    visited.page.click("#see-orders")
    expect(visited.page.locator("#trouble")).to_have_text(
        "You have been signed out. Please sign in again.", timeout=PATIENT
    )
    expect(visited.page.locator("#sign-in")).to_be_visible(timeout=PATIENT)


def test_troubles_are_said_in_words(visited: Visit) -> None:
    page, spa = visited.page, visited.spa
    trouble = page.locator("#trouble")
    page.goto(spa.origin)
    page.click("#sign-in")
    page.fill("#username", visited.person.username)
    page.fill("#password", PASSWORD)
    page.click("#login")
    page.click("#deny")
    expect(trouble).to_have_text("You did not allow it, so nobody is signed in.", timeout=PATIENT)
    for answer in ("?code=x&state=y", "?error=access_denied&state=y"):  # somebody else's answer
        page.goto(f"{spa.origin}/callback{answer}")
        expect(trouble).to_have_text("This sign-in was not begun in this tab. Please sign in again.", timeout=PATIENT)
        assert page.url == spa.origin + "/"
    page.route(spa.server.url("/.well-known/openid-configuration"), lambda route: route.abort())
    page.click("#sign-in")
    expect(trouble).to_have_text("The server cannot be reached. Try again in a moment.", timeout=PATIENT)
    page.unroute_all()
    page.click("#sign-in")  # it asks again
    expect(page.locator("#consent-page")).to_be_visible(timeout=PATIENT)


@pytest.mark.spec("RFC 9700", "4.7.1", "MUST")
@pytest.mark.spec("RFC 9207", "2.4", "MUST")
def test_an_answer_that_was_tampered_with_is_refused(visited: Visit) -> None:
    page, spa = visited.page, visited.spa
    visited.sign_in()
    page.evaluate("sessionStorage.clear()")
    page.reload()
    before = visited.posts_to("/token")

    def tamper(route: Route, spoilt: str) -> None:
        """The person is signed in, so the answer comes at once."""
        location = route.fetch(max_redirects=0).headers["location"]
        url = re.sub(rf"([?&]{spoilt}=)[^&]*", r"\1http%3A%2F%2Fx", location)
        assert url != location
        route.fulfill(status=303, headers={"Location": url})

    for spoilt in ("state", "iss"):
        page.route(spa.server.url("/authorize?*"), partial(tamper, spoilt=spoilt))
        page.click("#sign-in")
        expect(page.locator("#trouble")).to_contain_text(f'"{spoilt}"', timeout=PATIENT)
        expect(page.locator("#who")).to_have_text("Nobody is signed in.", timeout=PATIENT)
        assert visited.posts_to("/token") == before
        page.unroute_all()


@pytest.mark.asvs("3.4.2", "3.5.2")
def test_the_same_page_at_another_origin_gets_nothing(spa: Spa, visited: Visit) -> None:
    """A copy at another port: neither the server nor the API lets its scripts read an answer."""
    copy = visited.page  # nobody needs to be signed in: such requests go without cookies
    copy.route("http://localhost:1/*", lambda route: route.fulfill(body="<h1>copy</h1>", content_type="text/html"))
    copy.goto("http://localhost:1/")
    ask = "url => fetch(url, {headers: {Authorization: 'Bearer x'}}).then(r => r.status, e => e.name)"
    send = "url => fetch(url, {method: 'POST', body: new URLSearchParams({a: 'b'})}).then(r => r.status, e => e.name)"
    assert copy.evaluate(ask, spa.server.url("/userinfo")) == "TypeError"
    assert copy.evaluate(send, spa.server.url("/token")) == "TypeError"


@pytest.mark.asvs("3.4.3", "3.4.6")
def test_the_page_is_served_with_a_strict_policy(spa: Spa) -> None:
    for path in ("/", "/callback?code=x&state=y", "/app.js", "/any/path"):
        answer = requests.get(spa.app.url + path, timeout=TIMEOUT)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    for path in ("/package.json", "/serve.mjs", "/../../README.md", "/node_modules/oauth4webapi/package.json"):
        assert "<title>Orders</title>" in requests.get(spa.app.url + path, timeout=TIMEOUT).text
