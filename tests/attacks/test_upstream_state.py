"""The way back from a provider: only the browser that began, at the provider that it began with, once, and in time."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from tests.concurrency.conftest import check_no_fault
from tests.support.authorize import Asked, ask
from tests.support.crowd import at_once
from tests.support.forger import check_nobody
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import TIMEOUT, Browser
from tests.support.upstream import (
    CONNECTIONS,
    Elsewhere,
    Person,
    WayBack,
    first_party,
    press,
    sandboxed_server,
    sandboxed_timed_server,
    somebody,
)

BOUND_CODES = [name for name in CONNECTIONS if name != "facebook"]  # which takes neither PKCE nor a nonce


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """Two worker processes."""
    with sandboxed_server(tmp_path_factory.mktemp("state"), keys_from=signing_keys) as (running, _):
        yield running
        check_no_fault(running)


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with sandboxed_timed_server(tmp_path_factory.mktemp("timed"), keys_from=signing_keys) as (running, _):
        assert isinstance(running, TimedServer)
        yield running


def begin(server: ServerUnderTest, name: str, browser: Browser | None = None) -> tuple[Asked, Elsewhere]:
    """A browser of its own on the provider's page, for a client's request."""
    asked = ask(first_party(server), browser or Browser(server))
    return asked, press(asked.page, name)


def walk_back(server: ServerUnderTest, name: str, person: Person | None = None) -> tuple[Asked, WayBack]:
    """The same, with the provider's answer in hand and not yet delivered."""
    asked, away = begin(server, name)
    chosen = person or somebody(name)
    return asked, away.leave({"person": "new", **chosen.fields})


def changed(back: WayBack, **params: str | None) -> WayBack:
    """The answer with other parameters; None leaves one out."""
    values = {name: value for name, value in (back.params | params).items() if value is not None}
    if back.form is not None:
        return WayBack(back.url, values)
    return WayBack(f"{back.url.partition('?')[0]}?{urlencode(values)}", None)


def is_signed_in(browser: Browser) -> bool:
    return browser.open("/account").id == "account-page"


# --- Whose state it is


@pytest.mark.spec("RFC 6749", "10.12", "MUST")
@pytest.mark.asvs("10.2.1")
@pytest.mark.parametrize("name", CONNECTIONS)
@pytest.mark.parametrize("state", [None, "", "guessed", "x" * 43, "%00", "\u2028", "x" * 3000])
def test_an_answer_without_the_state_of_a_sign_in_is_refused(
    server: ServerUnderTest, name: str, state: str | None
) -> None:
    asked, back = walk_back(server, name)
    page = check_nobody(asked.browser, changed(back, state=state).go(asked.browser), 400)
    assert "cannot be continued" in page.text
    assert asked.then(back.go(asked.browser)).callback.code, "the true one is still good"


@pytest.mark.asvs("10.2.1")
def test_a_state_cannot_be_guessed(server: ServerUnderTest) -> None:
    states = {begin(server, name)[1].asked["state"] for name in ("google", "github") for _ in range(5)}
    assert len(states) == 10
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", state) for state in states), "256 random bits"


@pytest.mark.spec("RFC 6749", "10.12", "MUST")
@pytest.mark.asvs("10.2.1")
@pytest.mark.parametrize("name", CONNECTIONS)
def test_an_answer_is_taken_once(server: ServerUnderTest, name: str) -> None:
    asked, back = walk_back(server, name)
    assert asked.then(back.go(asked.browser)).callback.code
    asked.browser.http.cookies.pop("idp_session")
    check_nobody(asked.browser, back.go(asked.browser), 400)
    fresh = begin(server, name, asked.browser)[1].leave({"person": "new", **somebody(name).fields})
    check_nobody(asked.browser, changed(fresh, state=back.params["state"]).go(asked.browser), 400)


@pytest.mark.asvs("10.2.1")
def test_of_twenty_requests_with_one_state_at_two_processes_one_wins(server: ServerUnderTest) -> None:
    asked, back = walk_back(server, "google")
    cookies = asked.browser.http.cookies.get_dict()

    def go(_: int) -> requests.Response:
        tab = Browser(server, Connection="close")
        tab.http.cookies.update(cookies)
        return back.go(tab)

    answers = at_once(20, go)
    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 19
    assert sum("idp_session" in answer.cookies for answer in answers) == 1
    lost = [answer.text for answer in answers if answer.status_code == 400]
    assert all("cannot be continued" in text for text in lost), "they did not get as far as the provider"


@pytest.mark.asvs("10.2.1")
def test_a_state_lives_for_ten_minutes(timed: TimedServer) -> None:
    asked, back = walk_back(timed, "google")
    timed.forward(595)
    assert asked.then(back.go(asked.browser)).callback.code
    for name in ("google", "apple", "github"):
        asked, back = walk_back(timed, name)
        timed.forward(601)
        check_nobody(asked.browser, back.go(asked.browser), 400)


@pytest.mark.spec("RFC 6749", "10.12", "MUST")
@pytest.mark.asvs("10.2.1")
@pytest.mark.parametrize("name", CONNECTIONS)
def test_another_browser_cannot_finish_a_sign_in_nor_use_it_up(server: ServerUnderTest, name: str) -> None:
    asked, back = walk_back(server, name)
    stranger, newcomer = begin(server, name)[0].browser, Browser(server)
    check_nobody(stranger, back.go(stranger), 400)
    check_nobody(newcomer, back.go(newcomer), 400)
    assert not is_signed_in(stranger)
    assert asked.then(back.go(asked.browser)).callback.code


@pytest.mark.spec("RFC 9700", "4.4.2.2", "MUST")
@pytest.mark.asvs("10.2.2")
@pytest.mark.parametrize("name", CONNECTIONS)
def test_an_answer_at_another_providers_address_is_refused_and_not_used_up(server: ServerUnderTest, name: str) -> None:
    asked, back = walk_back(server, name)
    for other in CONNECTIONS:
        if other != name:
            swapped = WayBack(back.url.replace(f"/upstream/{name}/", f"/upstream/{other}/"), back.form)
            check_nobody(asked.browser, swapped.go(asked.browser), 400)
    assert asked.then(back.go(asked.browser)).callback.code


# --- Login CSRF, fixation, injection


@pytest.mark.spec("RFC 9700", "4.7", "MUST")
@pytest.mark.asvs("10.2.1")
@pytest.mark.parametrize("name", CONNECTIONS)
def test_nobody_is_signed_in_by_the_answer_that_an_attacker_prepared(server: ServerUnderTest, name: str) -> None:
    """The attacker begins, signs in over there, and lets the victim's browser open the answer."""
    attacker, back = walk_back(server, name)
    victim, own = begin(server, name)
    check_nobody(victim.browser, back.go(victim.browser), 400)
    assert not is_signed_in(victim.browser)
    answer = own.choose(somebody(name))
    assert victim.then(answer).callback.code, "the victim's own sign-in has not suffered"
    assert attacker.browser.http.cookies.get("idp_session") is None


@pytest.mark.spec("RFC 9700", "4.7", "MUST")
@pytest.mark.asvs("10.2.1")
def test_an_answer_posted_across_sites_is_only_taken_up_by_the_browser_that_began(server: ServerUnderTest) -> None:
    """Apple's way: the POST comes without our cookies, and the GET after it is what counts."""
    asked, back = walk_back(server, "apple")
    posted = back.go(Browser(server, **{"Sec-Fetch-Site": "cross-site"}))
    assert posted.status_code == 303
    assert "idp_session" not in posted.cookies
    location = posted.headers["Location"]
    assert re.fullmatch(r"/upstream/apple/posted/[\w-]{32}", urlsplit(location).path)
    assert "code" not in location
    victim = begin(server, "apple")[0].browser
    check_nobody(victim, victim.get(location), 400)
    check_nobody(asked.browser, asked.browser.get(location.replace("/apple/", "/google/")), 400)
    assert asked.then(asked.browser.get(location)).callback.code
    asked.browser.http.cookies.pop("idp_session")
    check_nobody(asked.browser, asked.browser.get(location), 400)
    check_nobody(asked.browser, asked.browser.get("/upstream/apple/posted/unknown"), 400)


@pytest.mark.spec("RFC 7636", "4.6", "MUST")
@pytest.mark.spec("RFC 9700", "4.5.3", "MUST")
@pytest.mark.asvs("10.5.1")
@pytest.mark.parametrize("name", BOUND_CODES)
def test_a_code_of_another_sign_in_is_refused_under_the_right_state(server: ServerUnderTest, name: str) -> None:
    """Code injection: PKCE stops it at the provider, and the nonce here where there is an ID token."""
    other = somebody(name)
    _, theirs = walk_back(server, name, other)
    asked, own = walk_back(server, name)
    check_nobody(asked.browser, changed(own, code=theirs.params["code"]).go(asked.browser), 400, 502)


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
@pytest.mark.asvs("10.5.1")
def test_where_there_is_no_pkce_the_nonce_alone_stops_an_injected_code(server: ServerUnderTest) -> None:
    _, theirs = walk_back(server, "apple")
    asked, own = walk_back(server, "apple")
    check_nobody(asked.browser, changed(own, code=theirs.params["code"]).go(asked.browser), 502)


# --- The start


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("name", ["google", "acme"])
def test_a_sign_in_is_begun_by_a_form_of_ours_and_by_nothing_else(server: ServerUnderTest, name: str) -> None:
    asked = ask(first_party(server), Browser(server))
    url, fields = asked.page.fields(f"continue-with-{name}")
    stranger = ask(first_party(server), Browser(server)).page.fields(f"continue-with-{name}")[1]
    http = asked.browser.http
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        answer = http.request(method, url, params=fields, allow_redirects=False, timeout=TIMEOUT)
        assert (answer.status_code, answer.headers.get("Location")) == (405, None)
    refused = [
        asked.browser.post(url, data={}),
        asked.browser.post(url, data={name: value for name, value in fields.items() if name != "csrf_token"}),
        asked.browser.post(url, data=fields | {"csrf_token": "wrong"}),
        asked.browser.post(url, data=fields | {"csrf_token": stranger["csrf_token"]}),
        asked.browser.post(url, data=fields, headers={"Sec-Fetch-Site": "cross-site"}),
        asked.browser.post(url, data=fields, headers={"Sec-Fetch-Site": "same-site"}),
        asked.browser.post(url, json=fields),
    ]
    for answer in refused:
        assert (answer.status_code, answer.headers.get("Location")) == (400, None)
    assert asked.browser.post(url, data=fields).status_code == 303


@pytest.mark.spec("RFC 9110", "9.2.1", "MUST")
def test_a_head_uses_no_answer_up(server: ServerUnderTest) -> None:
    for name in ("google", "discord"):
        asked, back = walk_back(server, name)
        head = asked.browser.http.head(back.url, allow_redirects=False, timeout=TIMEOUT)
        assert (head.status_code, head.headers.get("Location")) == (405, None)
        assert asked.then(back.go(asked.browser)).callback.code
    asked, back = walk_back(server, "apple")
    location = server.issuer + back.go(Browser(server)).headers["Location"]
    assert asked.browser.http.head(location, timeout=TIMEOUT).status_code == 405
    assert asked.then(asked.browser.get(location)).callback.code


@pytest.mark.spec("RFC 9110", "9.2.1", "MUST")
def test_a_head_begins_no_sign_in_that_a_client_hinted_at(server: ServerUnderTest) -> None:
    party = first_party(server)
    browser = Browser(server)
    first = party.start(browser, idp_hint="google")
    login = server.issuer + first.headers["Location"] if first.headers["Location"].startswith("/") else ""
    assert login
    head = browser.http.head(login, allow_redirects=False, timeout=TIMEOUT)
    assert "127.0.0.1" not in head.headers.get("Location", "")
    assert "accounts.google.com" in browser.get(login).headers["Location"], "the hint was not used up"


def test_an_answer_for_a_request_that_is_over_signs_nobody_in(server: ServerUnderTest) -> None:
    """Two tabs with one request: one finishes it, and the other comes back from the provider later."""
    asked, away = begin(server, "google")
    other = press(asked.page, "github")
    assert asked.then(away.choose(somebody("google"))).callback.code
    session = asked.browser.http.cookies["idp_session"]
    late = other.choose(somebody("github"))
    page = asked.browser.page(late)
    assert (page.status, page.id) == (400, "error-page")
    assert "expired" in page.text
    assert asked.browser.http.cookies["idp_session"] == session


def test_another_browsers_request_is_not_taken_along(server: ServerUnderTest) -> None:
    """The button's form with the interaction of somebody else."""
    victim, attacker = (ask(first_party(server), Browser(server)) for _ in range(2))
    theirs = victim.page.fields("continue-with-google")[1]["interaction"]
    answer = attacker.page.submit("continue-with-google", interaction=theirs)
    page = attacker.browser.page(answer)
    assert (page.status, page.id) == (400, "error-page")
    assert "expired" in page.text
