"""A forgotten password: the link, the new password, and what ends with the old one."""

import pytest
from sqlalchemy import update

from idp.store.identities import Key, LinkedIdentity
from idp.store.tables import users
from idp.store.users import lookup_key
from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, signed_in, trusted_party
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.newcomers import NEW_PASSWORD, is_signed_in, new_email, path_of
from tests.support.relying_party import Browser, Page, claims_of


def recover(browser: Browser, email: str, page: Page | None = None) -> Page:
    """Ask for the link; the page that follows."""
    page = page or browser.open("/recover")
    assert page.id == "recover-page", page.text[:300]
    return browser.page(page.submit("recover", email=email))


def link_of(server: ServerUnderTest, email: str) -> str:
    mail = server.mails(email)[-1]
    assert mail.template == "password_reset"
    return path_of(mail.link)


def choose(page: Page, password: str = NEW_PASSWORD) -> Page:
    assert page.id == "reset-page", page.text[:300]
    return page.browser.page(page.submit("reset", password=password, password_again=password))


def test_a_new_password_is_chosen_by_the_link_and_only_it_works_then(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    page = browser.open(str(browser.open("/login").soup.select_one("#to-recover")["href"]))  # type: ignore[index]
    sent = recover(browser, user.email or "", page)
    assert sent.soup.find(id="sent") is not None
    login = choose(browser.open(link_of(server, user.email or "")))
    assert login.id == "login-page"
    assert "Your password is changed" in login.text
    assert login.submit("login", username=user.username, password=PASSWORD).status_code == 200
    assert login.submit("login", username=user.username, password=NEW_PASSWORD).status_code == 303
    templates = [mail.template for mail in server.mails(user.email or "")]
    assert templates[:2] == ["password_reset", "password_changed"]


def test_the_clients_request_goes_on_after_it(server: ServerUnderTest, browser: Browser) -> None:
    client, user = trusted_party(server), server.add_user()
    asked = ask(client, browser)
    page = browser.open(str(asked.page.soup.select_one("#to-recover")["href"]))  # type: ignore[index]
    recover(browser, user.email or "", page)
    login = choose(browser.open(link_of(server, user.email or "")))
    answer = asked.then(login.submit("login", username=user.username, password=NEW_PASSWORD))
    assert claims_of(client.redeem(answer.callback).json()["id_token"])["sub"] == user.id


@pytest.mark.asvs("6.4.3")
def test_the_link_signs_nobody_in(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    recover(browser, user.email or "")
    choose(browser.open(link_of(server, user.email or "")))
    assert "idp_session" not in browser.http.cookies
    assert not is_signed_in(browser, "Ada Marie Lovelace")


@pytest.mark.asvs("7.4.3")
def test_every_session_refresh_token_and_remembered_browser_ends(server: ServerUnderTest, browser: Browser) -> None:
    client, user = trusted_party(server, scope=("openid", "offline_access")), server.add_user()
    elsewhere = signed_in(server, user.username)
    tokens = client.tokens(elsewhere, user.username, scope="openid offline_access", prompt="consent")
    server.store.devices.trust(None, "a cookie", user.id, until=server.now + 1000, now=server.now)
    recover(browser, user.email or "")
    choose(browser.open(link_of(server, user.email or "")))
    assert elsewhere.open("/account").id == "login-page"
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert client.introspect(tokens["access_token"]).json() == {"active": False}
    assert not server.store.devices.is_trusted("a cookie", user.id, now=server.now)
    assert not server.store.devices.is_known("a cookie", user.id, now=server.now)


@pytest.mark.asvs("6.4.3")
def test_a_second_factor_is_still_asked_for(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    server.store.totp.save(user.id, "sealed", step=0, now=server.now)
    recover(browser, user.email or "")
    login = choose(browser.open(link_of(server, user.email or "")))
    page = browser.page(login.submit("login", username=user.username, password=NEW_PASSWORD))
    assert page.id == "second-factor-page"
    assert "idp_session" not in browser.http.cookies


@pytest.mark.asvs("6.4.3")
def test_a_link_works_once_and_for_an_hour(timed: TimedServer) -> None:
    user, browser = timed.add_user(), Browser(timed)
    email = user.email or ""
    recover(browser, email)
    link = link_of(timed, email)
    page = browser.open(link)
    choose(page)
    assert browser.open(link).status == 400
    assert browser.page(page.submit("reset", password="another glacial otter", password_again="x")).status == 400
    timed.forward(61)
    recover(browser, email)
    late = link_of(timed, email)
    timed.forward(3601)
    assert browser.open(late).status == 400


@pytest.mark.asvs("6.4.3")
def test_only_the_newest_link_works(timed: TimedServer) -> None:
    user, browser = timed.add_user(), Browser(timed)
    recover(browser, user.email or "")
    old = link_of(timed, user.email or "")
    timed.forward(61)
    recover(browser, user.email or "")
    new = link_of(timed, user.email or "")
    assert old != new
    assert [browser.open(old).status, browser.open(new).status] == [400, 200]


def test_a_link_dies_with_the_password_or_the_address_it_was_sent_for(server: ServerUnderTest) -> None:
    changed, moved, browser = server.add_user(), server.add_user(), Browser(server)
    for user in (changed, moved):
        recover(browser, user.email or "")
    server.store.users.set_password_hash(changed.id, server.password_hash + "x", now=server.now)
    assert browser.open(link_of(server, changed.email or "")).status == 400
    old_link = link_of(server, moved.email or "")
    give_address(server, moved.id, new_email())
    assert browser.open(old_link).status == 400


def test_a_bad_new_password_is_said_and_uses_nothing_up(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    recover(browser, user.email or "")
    page = browser.open(link_of(server, user.email or ""))
    for password, says in (("short", "at least 8"), ("Lovelace-Ada-1", "your own name"), ("", "Choose a password")):
        refused = choose(page, password)
        assert (refused.status, refused.id) == (400, "reset-page")
        assert says in refused.text
    assert choose(page).id == "login-page"


def test_an_account_whose_address_was_never_confirmed_is_the_mailbox_owners_alone(server: ServerUnderTest) -> None:
    """Pre-hijacking: whoever entered the address first keeps no way in."""
    user, browser = server.add_user(email_verified=False), Browser(server)
    key = Key("google", "https://accounts.google.com", f"s-{user.id}")
    server.store.identities.add(LinkedIdentity(key, user.id, "sign_up"))
    recover(browser, user.email or "")
    choose(browser.open(link_of(server, user.email or "")))
    assert server.store.identities.find(key) is None
    found = server.store.users.find(user.id)
    assert found is not None
    assert found.claims["email_verified"] is True


def test_a_confirmed_account_keeps_its_links(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    key = Key("google", "https://accounts.google.com", f"s-{user.id}")
    server.store.identities.add(LinkedIdentity(key, user.id, "sign_up"))
    recover(browser, user.email or "")
    choose(browser.open(link_of(server, user.email or "")))
    assert server.store.identities.find(key) is not None


def test_an_unconfirmed_mailbox_is_not_enough_where_there_is_a_second_factor(
    server: ServerUnderTest, browser: Browser
) -> None:
    user = server.add_user(email_verified=False)
    server.store.totp.save(user.id, "sealed", step=0, now=server.now)
    recover(browser, user.email or "")
    assert server.mails(user.email or "") == []


def test_a_disabled_person_gets_no_link(server: ServerUnderTest, browser: Browser) -> None:
    user = server.add_user()
    server.store.users.set_disabled(user.id, True, now=server.now)
    assert recover(browser, user.email or "").soup.find(id="sent") is not None
    assert server.mails(user.email or "") == []


def test_one_address_gets_one_mail_a_minute_and_five_an_hour(timed: TimedServer) -> None:
    user, browser = timed.add_user(), Browser(timed)
    for _ in range(3):
        assert recover(browser, user.email or "").soup.find(id="sent") is not None
    assert len(timed.mails(user.email or "")) == 1
    for _ in range(8):
        timed.forward(61)
        recover(browser, (user.email or "").upper())
    assert len(timed.mails(user.email or "")) == 5
    assert browser.open(link_of(timed, user.email or "")).status == 200, "the newest link that was sent stays good"


def give_address(server: ServerUnderTest, user_id: str, email: str) -> None:
    with server.store.database.writing() as connection:
        row = update(users).where(users.c.id == user_id)
        connection.execute(row.values(email=email, email_key=lookup_key(email)))
