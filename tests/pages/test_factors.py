"""The pages on which people set up and take away their second factors, over HTTP."""

import pyotp
import pytest

from idp.accounts.passkeys import MAX_PASSKEYS
from idp.store.passkeys import Passkey, PasskeyStore
from idp.store.users import NewUser
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in
from tests.support.crowd import at_once
from tests.support.factors import App, add_passkey, give_app, give_codes, options_on, with_app
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.races import meet_before
from tests.support.relying_party import Browser, Page


def log_in(browser: Browser, username: str) -> Page:
    return browser.page(browser.open("/login").submit("login", username=username, password=PASSWORD))


def signed_in_with(app: App, user: NewUser, *, later: int = 0, **more: str) -> Browser:
    """A browser in which this person has given their code; `later`: that of so many half minutes later."""
    browser = Browser(app.server)
    assert log_in(browser, user.username).submit("verify", code=app.code(later), **more).status_code == 303
    return browser


def shown_codes(page: Page) -> list[str]:
    return [code.get_text() for code in page.soup.select("#codes code")]


def app_on(page: Page) -> pyotp.TOTP:
    """The app that has scanned this page."""
    secret = page.soup.find(id="secret")
    assert secret is not None, page.text[:300]
    return pyotp.TOTP(secret.get_text().replace(" ", ""))


def events_of(server: ServerUnderTest, user: NewUser) -> list[str]:
    return [row["event"] for row in reversed(server.store.audit_events.list(limit=500)) if row["user_id"] == user.id]


@pytest.mark.asvs("6.5.2", "6.3.7")
def test_a_first_app_brings_recovery_codes_that_are_shown_once(server: ServerUnderTest) -> None:
    user = server.add_user()
    browser = signed_in(server, user.username)
    page = browser.open("/account/totp")
    assert page.soup.select_one("#qr svg path") is not None
    assert str(page.soup.find(id="open-app")["href"]).startswith("otpauth://totp/")  # type: ignore[index]
    shown = Page(browser, page.submit("confirm", code=app_on(page).at(server.now)))
    codes = shown_codes(shown)
    assert len(codes) == 10
    assert all(code in str(shown.soup.find(id="download")["href"]) for code in codes)  # type: ignore[index]
    assert shown.response.headers["Cache-Control"] == "no-store"
    assert shown_codes(browser.open("/account/recovery-codes")) == []
    assert {"factor.added", "recovery_codes.made"} <= set(events_of(server, user))
    told = server.mails(f"{user.username}@example.com")
    assert len([mail for mail in told if mail.template == "factor_changed"]) == 2
    assert not any(code in mail.text for code in codes for mail in told)
    assert not any(code in server.log_text() for code in codes)


def test_another_app_takes_the_place_of_the_first_and_leaves_the_codes(server: ServerUnderTest) -> None:
    user, old = with_app(server)
    give_codes(server, user)
    browser = signed_in_with(old, user)
    page = browser.open("/account/totp")
    assert page.soup.find(id="replaces") is not None
    new = app_on(page)
    wrong = Page(browser, page.submit("confirm", code=old.code(1)))
    assert wrong.soup.find(id="code-error") is not None
    assert wrong.submit("confirm", code=new.at(server.now)).headers["Location"] == "/account/factors"
    assert server.store.recovery_codes.count_unused(user.id) == 10
    again = log_in(Browser(server), user.username)
    assert "idp_session" not in again.submit("verify", code=old.code(1)).cookies
    assert "idp_session" in again.submit("verify", code=new.at(server.now + 30)).cookies


def trusting(server: ServerUnderTest, user: NewUser, app: App) -> Browser:
    """Another browser of this person, in which they are signed in and not asked for their factor any more."""
    browser = Browser(server)
    page = log_in(browser, user.username)
    assert page.submit("verify", code=app.code(), trust="1").status_code == 303
    browser.http.cookies.set("idp_session", None)
    assert log_in(browser, user.username).id == "home-page"
    return browser


@pytest.mark.asvs("7.4.3")
@pytest.mark.parametrize("change", ["another app", "a passkey", "new codes"])
def test_who_was_trusted_with_a_factor_before_a_change_is_asked_again(server: ServerUnderTest, change: str) -> None:
    user, app = with_app(server)
    give_codes(server, user)
    other, browser = trusting(server, user, app), signed_in_with(app, user, later=1)
    if change == "another app":
        page = browser.open("/account/totp")
        assert page.submit("confirm", code=app_on(page).at(server.now)).status_code == 303
    elif change == "a passkey":
        add_passkey(browser)
    else:
        assert len(shown_codes(Page(browser, browser.open("/account/recovery-codes").submit("make-codes")))) == 10
    assert server.store.devices.list_trusted(user.id, now=server.now) == []
    other.http.cookies.set("idp_session", None)
    assert log_in(other, user.username).id == "second-factor-page"


def test_a_sign_in_that_somebody_left_half_done_does_not_come_up_on_the_next_persons_pages(
    server: ServerUnderTest,
) -> None:
    (first, _app), second, browser = with_app(server), server.add_user(), Browser(server)
    assert log_in(browser, first.username).id == "second-factor-page"
    assert log_in(browser, second.username).id == "home-page"
    give_app(server, second)
    page = browser.open("/account/totp")
    assert page.id == "second-factor-page"
    assert second.username in page.text
    assert first.username not in page.text


@pytest.mark.asvs("6.5.1")
def test_new_codes_end_the_old_ones(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    (old, *_) = give_codes(server, user)
    browser = signed_in_with(app, user)
    page = browser.open("/account/recovery-codes")
    assert "10 unused recovery codes" in page.text
    (new, *_) = shown_codes(Page(browser, page.submit("make-codes")))
    again = log_in(Browser(server), user.username)
    assert "idp_session" not in again.submit("use-recovery-code", recovery_code=old).cookies
    assert "idp_session" in again.submit("use-recovery-code", recovery_code=new).cookies


def test_codes_are_for_who_has_a_factor(server: ServerUnderTest) -> None:
    browser = signed_in(server, server.add_user().username)
    assert browser.get("/account/recovery-codes").headers["Location"] == "/account/factors"


@pytest.mark.asvs("6.5.6", "7.4.3")
def test_the_last_factor_goes_after_a_question_and_takes_codes_trust_and_other_sessions_along(
    server: ServerUnderTest,
) -> None:
    user, app = with_app(server)
    give_codes(server, user)
    browser = signed_in_with(app, user, trust="1")
    trusting = Browser(server)
    trusting.http.cookies.set("idp_device", browser.http.cookies["idp_device"])
    assert log_in(trusting, user.username).id == "home-page"
    asked = Page(browser, browser.open("/account/factors").submit("remove-totp"))
    assert asked.id == "remove-factor-page"
    assert server.store.totp.find(user.id) is not None
    assert asked.submit("confirm-removal").headers["Location"] == "/account/factors"
    assert server.store.totp.find(user.id) is None
    assert server.store.recovery_codes.count_unused(user.id) == 0
    assert server.store.devices.list_trusted(user.id, now=server.now) == []
    assert trusting.open("/account").id == "login-page"
    assert browser.open("/account").id == "account-page"
    assert "factor.removed" in events_of(server, user)


def test_one_of_two_factors_goes_without_a_question(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    give_codes(server, user)
    browser = signed_in_with(app, user)
    add_passkey(browser, name="  Blue \t key ")
    page = browser.open("/account/passkeys")
    assert [name.get_text() for name in page.soup.select("#passkeys h2")] == ["Blue key"]
    assert page.submit("remove-passkey-1").status_code == 303
    assert server.store.passkeys.list_of(user.id) == []
    assert server.store.recovery_codes.count_unused(user.id) == 10


def test_a_passkey_that_is_the_only_way_in_stays(server: ServerUnderTest) -> None:
    user = server.add_user(email=None)
    browser = signed_in(server, user.username)
    add_passkey(browser)
    assert server.store.users.set_password_hash(user.id, None, now=server.now)
    page = browser.open("/account/passkeys")
    kept = Page(browser, page.submit("remove-passkey-1", confirm="1"))
    assert (kept.status, kept.id) == (409, "message-page")
    add_passkey(browser)
    assert page.submit("remove-passkey-1", confirm="1").status_code == 303
    assert len(server.store.passkeys.list_of(user.id)) == 1


def test_of_the_two_passkeys_that_alone_open_an_account_one_stays_when_two_tabs_take_both(
    timed: TimedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, app = with_app(timed, email=None)
    browser = signed_in_with(app, user)
    assert timed.store.users.set_password_hash(user.id, None, now=timed.now)
    for number in range(2):
        assert timed.store.passkeys.add(Passkey(user.id, f"{user.id}-{number}", "key", 0, "Key"), now=timed.now)
    page, cookies = browser.open("/account/passkeys"), browser.http.cookies.get_dict()
    forms = [page.fields(f"remove-passkey-{number}") for number in (1, 2)]
    meet_before(monkeypatch, PasskeyStore, "remove", callers=2)

    def press_remove(index: int) -> int:
        tab = Browser(timed)
        tab.http.cookies.update(cookies)
        return tab.post(forms[index][0], data=forms[index][1]).status_code

    assert sorted(at_once(2, press_remove)) == [303, 409]
    assert len(timed.store.passkeys.list_of(user.id)) == 1


@pytest.mark.parametrize("name", ["", "\0", "x" * 5000, "\u202e", "👩‍👩‍👧 é"])
def test_a_passkey_has_a_name_whatever_is_typed(server: ServerUnderTest, name: str) -> None:
    user = server.add_user()
    add_passkey(signed_in(server, user.username), name=name)
    (passkey,) = server.store.passkeys.list_of(user.id)
    assert 1 <= len(passkey.name) <= 100
    assert passkey.name.isprintable() or "👩" in passkey.name


def test_passkeys_are_bounded(server: ServerUnderTest) -> None:
    user, app = with_app(server)
    for number in range(MAX_PASSKEYS):
        assert server.store.passkeys.add(Passkey(user.id, f"{user.id}-{number}", "key", 0, "Key"), now=server.now)
    browser = signed_in_with(app, user)
    page = browser.open("/account/passkeys")
    assert page.soup.find(id="add-passkey") is None
    fields = page.fields("remove-passkey-1")[1]
    assert browser.post("/account/passkeys", data=fields | {"credential": "{}"}).status_code == 303


def test_a_refused_passkey_says_so_and_stores_nothing(server: ServerUnderTest) -> None:
    user = server.add_user()
    browser = signed_in(server, user.username)
    page = browser.open("/account/passkeys")
    assert options_on(page)["rp"] == {"id": "localhost", "name": "idp"}
    answer = Page(browser, page.submit("add-passkey", credential="{}"))
    assert answer.soup.find(id="error-summary") is not None
    assert server.store.passkeys.list_of(user.id) == []


def test_a_form_shown_to_somebody_else_changes_nothing(server: ServerUnderTest) -> None:
    first, second = server.add_user(), server.add_user()
    browser = signed_in(server, first.username)
    page = browser.open("/account/totp")
    app = app_on(page)
    signed_in(server, second.username, browser.__class__(server))
    other = browser.open("/login?to=account&again=1").submit("login", username=second.username, password=PASSWORD)
    assert other.status_code == 303
    page.submit("confirm", code=app.at(server.now))
    assert [server.store.totp.find(user.id) for user in (first, second)] == [None, None]


@pytest.mark.parametrize("path", ["/account/totp", "/account/passkeys", "/account/recovery-codes", "/account/factors"])
def test_whoever_is_not_signed_in_signs_in_and_comes_back(server: ServerUnderTest, path: str) -> None:
    user, browser = server.add_user(), Browser(server)
    page = browser.open(path)
    assert page.id == "login-page"
    answer = page.submit("login", username=user.username, password=PASSWORD)
    assert answer.headers["Location"] == path
