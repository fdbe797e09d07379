"""One person, several tabs, and moments at which nobody should be thrown out."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from idp.accounts.passwords import Passwords
from idp.protocol.errors import TemporarilyUnavailable
from idp.store.sessions import SessionStore
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.races import meet_before
from tests.support.relying_party import Browser, RelyingParty


def same_cookies(browser: Browser) -> Browser:
    """Another tab at the same moment: it sends what the browser has now."""
    tab = Browser(browser.server)
    tab.http.cookies.update(browser.http.cookies)
    return tab


@pytest.mark.asvs("7.2.4")
def test_two_tabs_that_sign_in_at_once_with_one_old_cookie_are_both_signed_in(
    timed: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, user = trusted_party(timed), timed.add_user()
    browser = signed_in(timed, user.username)
    pages = [ask(client, browser, prompt="login") for _ in range(2)]
    tabs = [same_cookies(browser) for _ in range(2)]
    old = browser.http.cookies["idp_session"]
    meet_before(monkeypatch, SessionStore, "renew", callers=2)

    def sign_in(index: int) -> str | None:
        url, fields = pages[index].page.fields("login")
        answer = tabs[index].post(url, data=fields | {"username": user.username, "password": PASSWORD})
        assert answer.status_code == 303, answer.text[:300]
        return answer.cookies.get("idp_session")

    with ThreadPoolExecutor(2) as pool:
        cookies = list(pool.map(sign_in, range(2)))
    assert None not in cookies
    assert len({old, *cookies}) == 3
    for tab, asked in zip(tabs, pages, strict=True):
        assert tab.open("/").soup.find(id="logout") is not None or user.username in tab.open("/").text
        answer = tab.follow(tab.get(f"/authorize/{asked.page.fields('login')[1]['interaction']}"))
        assert "code=" in answer.headers.get("Location", ""), answer.text[:300]
    stale = Browser(timed)
    stale.http.cookies.set("idp_session", old)
    assert stale.open("/login").id == "login-page", "the old cookie is dead"


@pytest.mark.asvs("7.2.4")
def test_another_person_who_signs_in_ends_the_first_ones_session(server: ServerUnderTest) -> None:
    client, first, second = trusted_party(server), server.add_user(), server.add_user()
    browser = signed_in(server, first.username)
    old = same_cookies(browser)
    asked = ask(client, browser, prompt="login").log_in(second.username)
    assert asked.callback.code
    assert old.open("/login").id == "login-page"


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
def test_back_to_the_sign_in_page_after_somebody_else_signed_in_goes_on_to_the_answer(server: ServerUnderTest) -> None:
    """The hint names one person, another one signed in: the client's error, not a page about a bad request."""
    client, hinted, other = trusted_party(server), server.add_user(), server.add_user()
    hint = client.tokens(Browser(server), hinted.username)["id_token"]
    browser = Browser(server)
    asked = ask(client, browser, id_token_hint=hint)
    login_url = asked.response.url
    answer = asked.page.submit("login", username=other.username, password=PASSWORD)
    assert answer.status_code == 303
    back = browser.get(login_url)
    assert (back.status_code, back.headers.get("Location")) == (303, answer.headers["Location"])
    assert asked.then(back).callback.error == "login_required"


@pytest.mark.asvs("11.4.2")
def test_the_right_password_signs_in_also_when_its_old_hash_cannot_be_renewed_now(
    timed: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = timed.add_user()
    before = timed.store.users.find_for_sign_in(user.username)

    def busy(self: Passwords, password: str) -> str:
        raise TemporarilyUnavailable("busy", retry_after=5)

    monkeypatch.setattr(Passwords, "needs_rehash", lambda self, password_hash: True)
    with monkeypatch.context() as storm:
        storm.setattr(Passwords, "hash", busy)
        assert signed_in(timed, user.username).http.cookies["idp_session"]
    after = timed.store.users.find_for_sign_in(user.username)
    assert before is not None
    assert after is not None
    assert after[1] == before[1], "renewed another time"
    assert signed_in(timed, user.username)
    renewed = timed.store.users.find_for_sign_in(user.username)
    assert renewed is not None
    assert renewed[1] != before[1]


def test_a_busy_queue_still_turns_a_first_check_away(timed: TimedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    user = timed.add_user()

    def busy(self: Passwords, password: str, password_hash: str | None) -> bool:
        raise TemporarilyUnavailable("busy", retry_after=5)

    monkeypatch.setattr(Passwords, "is_right", busy)
    browser = Browser(timed)
    answer = browser.open("/login").submit("login", username=user.username, password=PASSWORD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "idp_session" not in answer.cookies


def test_a_request_of_another_client_does_not_end_with_the_first(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    first = RelyingParty(server, server.add_client(first_party=True))
    one, two = ask(first, browser), ask(trusted_party(server), browser)
    assert one.log_in(user.username).callback.code
    assert two.then(browser.get(two.response.url)).callback.code, "the other tab need not sign in again"
