"""The e-mail page: a new address counts once it is proved, and the old one is told and can take it back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.store.identities import Key
from idp.store.passkeys import Passkey
from idp.store.users import NewUser
from tests.pages.account_visits import (
    FRESH_SECONDS,
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
from tests.pages.people_elsewhere import add_link, later
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in, trusted_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser, Page

PATH = "/account/email"
DAY = 86_400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:  # type: ignore[override]
    with timed_server(tmp_path_factory.mktemp("email"), keys_from=signing_keys) as running:
        yield running


def address_of(server: TimedServer, user: NewUser) -> tuple[str | None, bool]:
    found = server.store.users.find(user.id)
    assert found is not None
    return found.email, bool(found.claims.get("email_verified"))


def new_address(user: NewUser) -> str:
    return f"new-{user.username}@example.org"


def begun(server: TimedServer, browser: Browser, address: str) -> Page:
    page = sent(opened(browser, PATH), "change-email", email=address)
    assert page.id == "account-email-confirm-page", page.text[:300]
    return page


def changed(server: TimedServer, browser: Browser, address: str) -> Page:
    page = begun(server, browser, address)
    page = sent(page, "confirm", code=mail(server, address, "email_change").code)
    assert "confirmed" in says(page, "notice"), page.text[:300]
    return page


@pytest.mark.asvs("6.3.7")
def test_the_code_of_the_mail_makes_the_new_address_count_and_the_old_one_is_told(server: TimedServer) -> None:
    user, browser = person(server)
    page = begun(server, browser, new_address(user))
    assert address_of(server, user) == (user.email, True), "not before it is proved"
    assert "email_changed" not in templates(server, user.email)
    page = sent(page, "confirm", code=mail(server, new_address(user), "email_change").code)
    assert page.id == "account-email-page"
    assert address_of(server, user) == (new_address(user), True)
    told = mail(server, user.email, "email_changed")
    assert new_address(user) not in told.text
    assert "n…@example.org" in told.text
    assert (can_sign_in(server, new_address(user)), can_sign_in(server, str(user.email))) == (True, False)
    assert len(events(server, user, "email.changed")) == 1


def test_the_link_does_it_in_any_browser_in_which_the_person_is_signed_in_and_not_by_being_opened(
    server: TimedServer,
) -> None:
    user, browser = person(server)
    begun(server, browser, new_address(user))
    link = mail(server, new_address(user), "email_change").link
    other = signed_in(server, user.username)
    page = other.open(link)
    assert page.id == "account-email-confirm-page"
    assert other.open(link).id == "account-email-confirm-page", "looking uses nothing up"
    assert address_of(server, user)[0] == user.email
    assert "confirmed" in says(sent(page, "confirm"), "notice")
    assert address_of(server, user) == (new_address(user), True)
    assert other.open(link).status == 400


@pytest.mark.asvs("7.2.4")
def test_the_session_goes_on_under_a_new_cookie_and_ends_when_it_would_have(server: TimedServer) -> None:
    user, browser = person(server)
    (before,) = server.store.sessions.list_live(user.id, now=server.now)
    old = session_cookie(browser)
    limits = {"now": server.now, "idle_lifetime": 28_800}
    had = server.store.sessions.find(old, **limits)
    assert had is not None
    changed(server, browser, new_address(user))
    assert session_cookie(browser) != old
    assert server.store.sessions.find(old, **limits) is None
    has_now = server.store.sessions.find(session_cookie(browser), **limits)
    assert has_now is not None
    assert (has_now[0].sid, has_now[0].auth_time) == (before.sid, before.auth_time)
    assert abs(has_now[0].expires_at - had[0].expires_at) <= 1


@pytest.mark.asvs("6.3.8")
def test_an_address_of_somebody_else_gets_another_mail_and_the_same_page(server: TimedServer) -> None:
    other = server.add_user()
    user, browser = person(server)
    known, unknown = (
        sent(opened(browser, PATH), "change-email", email=address) for address in (str(other.email), new_address(user))
    )
    assert known.response.status_code == unknown.response.status_code
    assert known.text.replace(str(other.email), "") == unknown.text.replace(new_address(user), "")
    assert templates(server, other.email) == ["account_exists"]
    page = begun(server, browser, str(other.email))
    assert sent(page, "confirm", code="000000").status == 400
    assert address_of(server, user)[0] == user.email


def test_the_mail_to_an_address_that_is_not_proved_has_no_name_that_somebody_chose(server: TimedServer) -> None:
    user, browser = person(server, profile={"name": "Your parcel waits, call us"})
    begun(server, browser, new_address(user))
    assert "parcel" not in mail(server, new_address(user), "email_change").text
    changed(server, browser, new_address(user))
    assert "parcel" in mail(server, user.email, "email_changed").text


def test_another_spelling_of_somebody_elses_address_gets_nothing_and_they_are_told_in_their_language(
    server: TimedServer,
) -> None:
    other = server.add_user(profile={"name": "Renée", "locale": "fr"})
    _, browser = person(server)
    begun(server, browser, str(other.email).upper())
    local, _at, domain = str(other.email).partition("@")
    assert templates(server, f"{local.upper()}@{domain}") == []
    told = mail(server, other.email, "account_exists")
    assert "Renée" in told.text
    assert "Quelqu’un" in told.text


def test_the_own_address_can_be_confirmed_when_it_is_not_and_is_refused_when_it_is(server: TimedServer) -> None:
    user, browser = person(server, email_verified=False)
    changed(server, browser, str(user.email))
    assert address_of(server, user) == (user.email, True)
    assert "email_changed" not in templates(server, user.email)
    page = sent(opened(browser, PATH), "change-email", email=str(user.email).upper())
    assert "already" in says(page)


@pytest.mark.asvs("7.5.1")
def test_it_needs_a_sign_in_of_the_last_minutes(server: TimedServer) -> None:
    user, browser = person(server)
    form = opened(browser, PATH)
    with later(server, FRESH_SECONDS + 2):
        page = opened(browser, PATH)
        assert (has(page, "sign-in-again"), has(page, "change-email")) == (True, False)
        assert sent(form, "change-email", email=new_address(user)).id == "account-email-page"
        assert templates(server, new_address(user)) == []
        again = browser.open(str(page.soup.find(id="sign-in-again")["href"]))  # type: ignore[index]
        page = sent(again, "login", username=user.username, password=PASSWORD)
        assert (page.id, has(page, "change-email")) == ("account-email-page", True)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "nobody",
        "a@b",
        "a@b.ch\nBcc: c@d.ch",
        "a@b.ch\r\nx: y",
        "a b@c.ch",
        "x" * 400 + "@b.ch",
        "a@b.ch\x00",
        "\u202ea@b.ch",
        "a..b@example.com",
        "a@-b.example",
    ],
)
def test_what_is_no_address_is_refused(server: TimedServer, typed: str) -> None:
    _, browser = person(server)
    page = sent(opened(browser, PATH), "change-email", email=typed)
    assert (page.status, has(page, "email-error")) == (400, True)


def test_the_code_has_five_tries(server: TimedServer) -> None:
    user, browser = person(server)
    page = begun(server, browser, new_address(user))
    code = mail(server, new_address(user), "email_change").code
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for _ in range(5):
        assert sent(page, "confirm", code=wrong).status == 400
    assert sent(page, "confirm", code=code).status == 400
    assert address_of(server, user)[0] == user.email


def test_after_five_addresses_within_the_hour_it_waits(server: TimedServer) -> None:
    user, browser = person(server)
    for number in range(5):
        begun(server, browser, f"{number}{new_address(user)}")
    assert "Wait a while" in says(sent(opened(browser, PATH), "change-email", email=new_address(user)))
    assert templates(server, new_address(user)) == []


def test_a_proof_that_is_under_way_ends_with_the_password_and_with_another_change(server: TimedServer) -> None:
    for what in ("password", "address"):
        user, browser = person(server)
        page = begun(server, browser, new_address(user))
        code = mail(server, new_address(user), "email_change").code
        if what == "password":
            server.store.users.set_password_hash(user.id, server.password_hash + "=", now=server.now)
        else:
            assert server.store.profiles.change_email(user.id, f"z{user.email}", instead_of=user.email, now=server.now)
        assert sent(page, "confirm", code=code).status == 400
        assert address_of(server, user)[0] != new_address(user)


# --- Taking it back


def undo_link(server: TimedServer, address: str | None) -> str:
    return mail(server, address, "email_changed").link


def test_the_old_address_takes_the_change_back_and_everybody_is_out(server: TimedServer) -> None:
    user, browser = person(server)
    party = trusted_party(server)
    tokens = party.tokens(browser, scope="openid offline_access")
    changed(server, browser, new_address(user))
    intruders = Passkey(user.id, "c", "k", 0, "Intruder")
    assert server.store.passkeys.add(intruders, now=server.now)
    add_link(server, user, "google")
    stranger = Browser(server)
    page = stranger.open(undo_link(server, user.email))
    assert page.id == "account-email-undo-page"
    assert address_of(server, user)[0] == new_address(user), "not by being opened"
    page = sent(page, "undo")
    assert (page.id, page.status) == ("message-page", 200)
    assert str(page.soup.find(id="next")["href"]).endswith("/recover")  # type: ignore[index]
    assert address_of(server, user) == (user.email, True)
    assert not is_signed_in(browser)
    assert not is_signed_in(stranger)
    assert party.refresh(tokens["refresh_token"]).status_code == 400
    assert server.store.passkeys.list_of(user.id) == []
    assert server.store.identities.list_of(user.id) == []
    assert len(events(server, user, "email.change_undone")) == 1


def test_links_and_passkeys_from_before_the_change_stay(server: TimedServer) -> None:
    user, browser = person(server)
    key: Key = add_link(server, user, "google")
    with later(server, 60):
        changed(server, browser, new_address(user))
        sent(Browser(server).open(undo_link(server, user.email)), "undo")
    assert [each.key for each in server.store.identities.list_of(user.id)] == [key]


def test_it_is_taken_back_once_and_for_seven_days(server: TimedServer) -> None:
    user, browser = person(server)
    changed(server, browser, new_address(user))
    link = undo_link(server, user.email)
    with later(server, 7 * DAY - 60):
        assert Browser(server).open(link).id == "account-email-undo-page"
    with later(server, 7 * DAY + 60):
        assert Browser(server).open(link).status == 400
    page = Browser(server).open(link)
    assert sent(page, "undo").status == 200
    assert sent(page, "undo").status == 400
    assert Browser(server).open(link).status == 400


def test_an_intruder_who_changed_it_twice_cannot_take_the_undoing_back(server: TimedServer) -> None:
    """Their first address has an undo link too, which would put it back into the account."""
    user, browser = person(server)
    changed(server, browser, f"1{new_address(user)}")
    changed(server, browser, f"2{new_address(user)}")
    theirs = undo_link(server, f"1{new_address(user)}")
    assert sent(Browser(server).open(undo_link(server, user.email)), "undo").status == 200
    assert Browser(server).open(theirs).status == 400
    assert address_of(server, user) == (user.email, True)


def test_an_address_that_was_never_proved_gets_no_such_link(server: TimedServer) -> None:
    user, browser = person(server, email_verified=False)
    changed(server, browser, new_address(user))
    assert templates(server, user.email).count("email_changed") == 0


def test_what_somebody_else_has_by_now_is_not_taken_from_them(server: TimedServer) -> None:
    user, browser = person(server)
    changed(server, browser, new_address(user))
    heir = server.add_user(email=user.email)
    link = undo_link(server, user.email)
    assert sent(Browser(server).open(link), "undo").status == 400
    assert address_of(server, heir)[0] == user.email
    assert is_signed_in(browser)
    assert server.store.removal.remove(heir.id)
    assert sent(Browser(server).open(link), "undo").status == 200, "it is the only link there is"
    assert address_of(server, user) == (user.email, True)


def test_whoever_entered_the_old_address_and_never_confirmed_it_loses_it(server: TimedServer) -> None:
    user, browser = person(server)
    changed(server, browser, new_address(user))
    squatter = server.add_user(email=user.email, email_verified=False)
    assert sent(Browser(server).open(undo_link(server, user.email)), "undo").status == 200
    assert address_of(server, user) == (user.email, True)
    assert address_of(server, squatter) == (None, False)
    assert len(events(server, squatter, "email.lost")) == 1


def test_taking_it_back_ends_the_deletion_that_an_intruder_has_asked_for(server: TimedServer) -> None:
    user, browser = person(server)
    changed(server, browser, new_address(user))
    page = opened(browser, "/account/delete")
    sent(page, "delete-account", understood="1")
    assert not is_signed_in(browser)
    assert sent(Browser(server).open(undo_link(server, user.email)), "undo").status == 200
    found = server.store.users.find(user.id)
    assert found is not None
    assert found.deletes_at is None
    assert events(server, user, "user.deletion_undone") == [{"by": "email undo"}]
