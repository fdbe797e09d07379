"""The password page: the present password first, a good new one, a mail, and the end of other sessions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages.account_visits import (
    FRESH_SECONDS,
    NEW_PASSWORD,
    can_sign_in,
    events,
    has,
    is_signed_in,
    mail,
    opened,
    person,
    says,
    sent,
    session_cookie,
    templates,
)
from tests.pages.people_elsewhere import later
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser, Page

PATH = "/account/password"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:  # type: ignore[override]
    with timed_server(tmp_path_factory.mktemp("password"), keys_from=signing_keys) as running:
        yield running


def changed(page: Page, present: str = PASSWORD, new: str = NEW_PASSWORD, **more: str) -> Page:
    return sent(
        page, "change-password", **({"current_password": present, "password": new, "password_again": new} | more)
    )


def without_box(page: Page) -> Page:
    """The same form with its box not ticked."""
    box = page.soup.find(id="end_others")
    assert box is not None
    box.extract()
    return page


@pytest.mark.asvs("6.2.2", "6.2.3", "6.3.7")
def test_the_present_password_and_a_new_one_change_it_and_a_mail_says_so(server: TimedServer) -> None:
    user, browser = person(server)
    page = changed(opened(browser, PATH))
    assert "changed" in says(page, "notice")
    assert "Last changed" in page.text
    assert (can_sign_in(server, user.username, NEW_PASSWORD), can_sign_in(server, user.username)) == (True, False)
    assert mail(server, user.email, "password_changed").link.endswith("/recover")
    assert events(server, user, "password.changed") == [{"by": "account"}]


@pytest.mark.parametrize("present", ["", "wrong", PASSWORD.upper(), PASSWORD + " ", "x" * 5000, "\x00"])
@pytest.mark.asvs("6.2.3")
def test_without_the_present_password_nothing_changes(server: TimedServer, present: str) -> None:
    user, browser = person(server)
    page = changed(opened(browser, PATH), present)
    assert (page.status, has(page, "current_password-error")) == (400, True)
    assert can_sign_in(server, user.username)
    assert "password_changed" not in templates(server, user.email)


@pytest.mark.parametrize("new", ["short", "password123", "aaaaaaaaaaaa", "x" * 257])
@pytest.mark.asvs("6.2.1", "6.2.4")
def test_a_new_password_that_is_easily_guessed_is_refused(server: TimedServer, new: str) -> None:
    user, browser = person(server)
    page = changed(opened(browser, PATH), new=new)
    assert (page.status, has(page, "password-error")) == (400, True)
    assert can_sign_in(server, user.username)


@pytest.mark.asvs("6.2.11")
def test_a_new_password_made_of_the_persons_own_name_is_refused(server: TimedServer) -> None:
    user, browser = person(server)
    assert has(changed(opened(browser, PATH), new=f"{user.username}2026"), "password-error")
    assert has(changed(opened(browser, PATH), password_again="another one altogether"), "password_again-error")


@pytest.mark.asvs("7.4.3")
def test_other_sessions_end_unless_the_box_is_emptied_and_this_one_goes_on(server: TimedServer) -> None:
    user, browser = person(server)
    other = signed_in(server, user.username)
    changed(without_box(opened(browser, PATH)))
    assert (is_signed_in(browser), is_signed_in(other)) == (True, True)
    page = opened(browser, PATH)
    box = page.soup.find(id="end_others")
    assert box is not None
    assert box.has_attr("checked")
    changed(page, NEW_PASSWORD, f"another {NEW_PASSWORD}")
    assert (is_signed_in(browser), is_signed_in(other)) == (True, False)


def test_trust_in_browsers_ends_with_the_password_even_if_other_sessions_stay(server: TimedServer) -> None:
    user, browser = person(server)
    until, now = server.now + 1000, server.now
    server.store.devices.trust(None, "a cookie", user.id, until=until, now=now, address=None, user_agent=None)
    assert server.store.devices.is_trusted("a cookie", user.id, now=now)
    changed(without_box(opened(browser, PATH)))
    assert not server.store.devices.is_trusted("a cookie", user.id, now=now)


@pytest.mark.asvs("7.2.4")
def test_the_session_goes_on_under_a_new_cookie(server: TimedServer) -> None:
    _, browser = person(server)
    old = session_cookie(browser)
    changed(opened(browser, PATH))
    assert session_cookie(browser) != old
    for cookie, expected in ((session_cookie(browser), True), (old, False)):
        thief = Browser(server)
        thief.http.cookies.set("idp_session", cookie)
        assert is_signed_in(thief) is expected


def test_guessing_the_present_password_in_a_found_browser_ends_soon(server: TimedServer) -> None:
    user, browser = person(server)
    page = opened(browser, PATH)
    for number in range(10):
        changed(page, f"guess {number}")
    assert "too many" in says(changed(page))
    assert can_sign_in(server, user.username), "nobody else is locked out by it"
    assert "changed" in says(changed(opened(signed_in(server, user.username), PATH)), "notice")


def test_the_present_password_is_proof_enough_long_after_the_sign_in(server: TimedServer) -> None:
    _, browser = person(server)
    with later(server, FRESH_SECONDS + 60):
        assert "changed" in says(changed(opened(browser, PATH)), "notice")


def test_a_first_password_needs_a_fresh_sign_in_and_no_present_one(server: TimedServer) -> None:
    user, browser = person(server)
    server.store.users.set_password_hash(user.id, None, now=server.now)
    form = opened(browser, PATH)
    assert not has(form, "current_password")
    with later(server, FRESH_SECONDS + 2):
        stale = opened(browser, PATH)
        assert (has(stale, "sign-in-again"), has(stale, "password")) == (True, False)
        changed(form)
        assert not server.store.users.has_password(user.id)
    assert "changed" in says(changed(form), "notice")
    assert can_sign_in(server, user.username, NEW_PASSWORD)


def test_of_two_changes_at_once_the_second_is_told(server: TimedServer) -> None:
    """The hash that was checked is the one that is replaced."""
    user, _ = person(server)
    known = server.store.users.find_for_sign_in(user.username)
    assert known is not None
    change = server.store.profiles.change_password
    assert change(user.id, "one", instead_of=known[1], now=server.now)
    assert not change(user.id, "two", instead_of=known[1], now=server.now)


def test_where_nobody_has_passwords_there_is_no_such_page(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys) as server:
        _, browser = person(server)
        object.__setattr__(server.settings, "local_passwords", False)
        assert browser.open(PATH).id == "account-page"
        assert not has(browser.open("/account"), "nav-password")
