"""`examples/authjs-v5`, built and run beside the real server and an API: Next.js with Auth.js 5."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from bs4 import BeautifulSoup
from playwright.sync_api import Page, expect

from tests.examples.api_process import ExampleApi, running_api
from tests.examples.authjs_front import (
    COOKIE,
    FrontEnd,
    add_front_end,
    aged,
    cookies_for,
    environment_of,
    pass_the_grace_time,
    read_session,
)
from tests.examples.node_app import NodeApp, build, running_node_app
from tests.pages.visits import complaints_of
from tests.pages.visits import sign_in as sign_in_there
from tests.support.chromium import Pages
from tests.support.idp_server import ServerUnderTest
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT, Browser, RelyingParty, claims_of

pytestmark = pytest.mark.interop

EXAMPLE = "authjs-v5"
NEXT = ("node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1")
PATIENCE = 60_000  # milliseconds, for a busy machine


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    with running_api(server, tmp_path_factory.mktemp("api"), "api-fastapi", "uvicorn", "app:app") as running:
        yield running


@pytest.fixture(scope="module")
def front(server: ServerUnderTest, api: ExampleApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    build(EXAMPLE)
    port = find_free_port()
    front = add_front_end(server, f"http://localhost:{port}", first_party=True)
    log = tmp_path_factory.mktemp("front") / "one.log"
    with running_node_app(EXAMPLE, *NEXT, log=log, port=port, **environment_of(front, api)):
        yield front


@pytest.fixture(scope="module")
def second_process(front: FrontEnd, api: ExampleApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeApp]:
    log = tmp_path_factory.mktemp("front") / "two.log"
    with running_node_app(EXAMPLE, *NEXT, log=log, **environment_of(front, api)) as running:
        yield running


# --- In Chromium


def walk_in(page: Page, front: FrontEnd, username: str) -> None:
    page.goto(front.url)
    page.click("#sign-in")
    expect(page.locator("#login-page")).to_be_visible(timeout=PATIENCE)
    sign_in_there(page, username)
    expect(page.locator("#signed-in")).to_be_visible(timeout=PATIENCE)


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "2", "RECOMMENDED")
@pytest.mark.asvs("10.1.1")
def test_a_person_signs_in_uses_the_api_and_signs_out_everywhere(front: FrontEnd, browser_page: Pages) -> None:
    page, person = browser_page(), front.server.add_user()
    page.set_default_timeout(PATIENCE)
    complaints, asked = complaints_of(page), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    walk_in(page, front, person.username)

    [request] = [parse_qs(urlsplit(url).query) for url in asked if url.startswith(front.server.url("/authorize?"))][:1]
    assert request["code_challenge_method"] == ["S256"]
    assert len(request["code_challenge"][0]) == 43
    assert len(request["state"][0]) > 20
    assert len(request["nonce"][0]) > 20
    assert request["scope"] == ["openid profile email offline_access orders.read"]

    expect(page.locator("#name")).to_have_text("Ada Marie Lovelace", timeout=PATIENCE)
    expect(page.locator("#subject")).to_have_text(person.id, timeout=PATIENCE)
    page.click("#orders")
    expect(page.locator("#orders .owner")).to_have_text(person.id, timeout=PATIENCE)
    shown = [page.content()]
    told = page.evaluate("fetch('/api/auth/session').then((answer) => answer.text())")
    page.goto(front.url)
    shown.append(page.content())

    cookies = {each["name"]: each for each in page.context.cookies(front.url)}
    assert all(each["httpOnly"] for each in cookies.values())
    session = read_session({name: each["value"] for name, each in cookies.items()})
    assert session is not None
    assert session["sub"] == person.id
    claims = claims_of(session["tokens"]["access_token"])
    assert claims["iat"] < session["tokens"]["renew_at"] < claims["exp"], "renewed before its end"
    tokens = [session["tokens"][name] for name in ("access_token", "refresh_token", "id_token")]
    kept = page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    seen = [*asked, *shown, kept, told]
    assert [text for text in seen for token in tokens if token in text] == []
    assert '"id":"' + person.id in told

    asked.clear()
    page.click("#sign-out")
    expect(page.locator("#signed-out")).to_be_visible(timeout=PATIENCE)
    assert [name for name in cookies_of(page, front) if name.startswith(COOKIE)] == []
    left = [parse_qs(urlsplit(url).query) for url in asked if url.startswith(front.server.url("/logout"))]
    assert left[0]["id_token_hint"] == [tokens[2]]
    assert [url for url in asked for token in tokens[:2] if token in url] == []
    refused = RelyingParty(front.server, front.client).refresh(tokens[1])
    assert refused.json()["error"] == "invalid_grant"
    page.click("#sign-in")
    expect(page.locator("#login-page")).to_be_visible(timeout=PATIENCE)
    assert complaints == []


def cookies_of(page: Page, front: FrontEnd) -> dict[str, str]:
    return {each["name"]: each["value"] for each in page.context.cookies(front.url)}


def make_due(page: Page, front: FrontEnd) -> str:
    """The access token in the browser's cookie is at its end, and no good any more; the refresh token in it."""
    session = read_session(cookies_of(page, front))
    assert session is not None
    for name in [each for each in cookies_of(page, front) if each.startswith(COOKIE)]:
        page.context.clear_cookies(name=name)
    sealed = cookies_for(aged(session))
    page.context.add_cookies(
        [{"name": name, "value": value, "url": front.url, "httpOnly": True} for name, value in sealed.items()]
    )
    return str(session["tokens"]["refresh_token"])


def refresh_token_of(page: Page, front: FrontEnd) -> str:
    session = read_session(cookies_of(page, front))
    assert session is not None
    return str(session["tokens"]["refresh_token"])


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_twenty_page_loads_at_expiry_leave_the_person_signed_in(front: FrontEnd, browser_page: Pages) -> None:
    page, person = browser_page(), front.server.add_user()
    page.set_default_timeout(PATIENCE)
    walk_in(page, front, person.username)
    used = make_due(page, front)
    loads = """Promise.all(Array.from({length: 20}, async () => {
        const answer = await fetch("/orders", {redirect: "error"});
        return [answer.status, await answer.text()];
    }))"""
    for status, text in page.evaluate(loads):
        assert (status, person.id in text) == (200, True)
    renewed = make_due(page, front)
    assert renewed != used
    pass_the_grace_time(front)
    page.goto(f"{front.url}/orders")
    expect(page.locator("#orders .owner")).to_have_text(person.id, timeout=PATIENCE)
    assert refresh_token_of(page, front) != renewed


# --- Over HTTP


def test_parallel_loads_over_two_processes_end_with_one_refresh_token(
    front: FrontEnd, second_process: NodeApp, browser: Browser
) -> None:
    person = front.server.add_user()
    front.sign_in(browser, person.username)
    used = front.make_due(browser)
    cookies = dict(browser.http.cookies)

    def _load(number: int) -> requests.Response:
        base = front.url if number % 2 else second_process.url
        return requests.get(f"{base}/orders", cookies=cookies, allow_redirects=False, timeout=TIMEOUT)

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(_load, range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert all(person.id in answer.text for answer in answers)
    sessions = [read_session(dict(answer.cookies)) for answer in answers]
    successors = {each["tokens"]["refresh_token"] for each in sessions if each is not None}
    assert len(successors) == 1
    assert successors != {used}

    browser.http.cookies.update(answers[-1].cookies)
    pass_the_grace_time(front)
    front.make_due(browser)
    for path in ("/", "/orders"):
        answer = front.get(browser, path)
        assert (answer.status_code, person.id in answer.text) == (200, True)


def test_a_page_that_renews_nothing_sets_no_cookie(front: FrontEnd, browser: Browser) -> None:
    """A slow answer that set the cookie again could bring back one whose refresh token has been used since."""
    front.sign_in(browser, front.server.add_user().username)
    front.make_due(browser, front.server.now + 600)
    for path in ("/", "/orders", "/api/auth/session"):
        answer = front.get(browser, path)
        assert (answer.status_code, answer.headers.get("Set-Cookie")) == (200, None)


def test_when_the_server_refuses_to_renew_the_person_signs_in_again(front: FrontEnd, browser: Browser) -> None:
    person = front.server.add_user()
    front.sign_in(browser, person.username)
    front.server.store.grants.revoke_for(person.id, now=front.server.now, why="a test")
    front.make_due(browser)
    answer = front.get(browser, "/")
    assert answer.status_code == 200
    assert BeautifulSoup(answer.text, "html.parser").find(id="signed-out")
    assert [each.name for each in browser.http.cookies if each.name.startswith(COOKIE)] == []
    assert front.get(browser, "/orders").status_code == 307
    front.sign_in(browser, person.username)
    assert person.id in front.get(browser, "/orders").text


def test_while_the_server_cannot_be_reached_nobody_is_signed_out(
    front: FrontEnd, api: ExampleApi, browser: Browser, tmp_path: Path
) -> None:
    person = front.server.add_user()
    front.sign_in(browser, person.username)
    token = front.make_due(browser)
    nowhere = environment_of(front, api) | {"AUTH_IDP_ISSUER": f"http://localhost:{find_free_port()}"}
    with running_node_app(EXAMPLE, *NEXT, log=tmp_path / "log", **nowhere) as cut_off:
        answer = browser.http.get(f"http://localhost:{cut_off.port}", allow_redirects=False, timeout=TIMEOUT)
        left = front.leave(browser, f"http://localhost:{cut_off.port}")
    assert left.headers["Location"].rstrip("/") == front.url, "who wants to leave is signed out here all the same"
    assert f"{COOKIE}.0=;" in left.headers["Set-Cookie"]
    assert (answer.status_code, person.id in answer.text) == (200, True)
    assert "Set-Cookie" not in answer.headers
    assert "The tokens were not renewed" in cut_off.log_text()
    assert token not in cut_off.log_text()
    assert front.get(browser, "/orders").status_code == 200


@pytest.mark.spec("RFC 6749", "10.12", "MUST")
@pytest.mark.spec("RFC 9207", "2.4", "MUST")
def test_an_answer_with_another_state_or_issuer_signs_nobody_in(front: FrontEnd, browser: Browser) -> None:
    person = front.server.add_user()
    for name, value in (("state", "another"), ("iss", "https://evil.example.com")):
        callback = front.callback(browser, person.username)
        given = parse_qs(urlsplit(callback).query)[name][0]
        forged = requests.Request("GET", callback.partition("?")[0], params={
            each: value if each == name else values[0] for each, values in parse_qs(urlsplit(callback).query).items()
        }).prepare().url  # fmt: skip
        assert given != value
        answer = browser.http.get(str(forged), allow_redirects=False, timeout=TIMEOUT)
        assert "/api/auth/error" in answer.headers["Location"]
        assert front.session(browser) is None


def test_signing_out_at_expiry_renews_nothing_and_ends_both_sessions(front: FrontEnd, browser: Browser) -> None:
    front.sign_in(browser, front.server.add_user().username)
    token = front.make_due(browser)
    answer = browser.http.post(f"{front.url}/sign-out", allow_redirects=False, timeout=TIMEOUT)
    assert answer.status_code == 303
    assert front.session(browser) is None
    assert RelyingParty(front.server, front.client).refresh(token).json()["error"] == "invalid_grant"
    back = browser.get(answer.headers["Location"])
    assert back.headers["Location"].rstrip("/") == front.url
    assert browser.page(browser.get(front.begin(browser).headers["Location"])).id == "login-page"
