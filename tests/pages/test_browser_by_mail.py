"""What begins with a mail, in Chromium: an invitation, a reset that an operator starts, a new address and its end."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.pages.account_visits import NEW_PASSWORD
from tests.pages.visits import complaints_of, sign_in, width
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.forked import run_idp
from tests.support.idp_server import ServerUnderTest
from tests.support.newcomers import new_email

SCREENS = [
    pytest.param({"viewport": PHONE, "locale": "fr-FR", "colour_scheme": "dark"}, id="phone, dark, French"),
    pytest.param({"viewport": DESKTOP, "javascript": False}, id="desktop, without JavaScript"),
]
LINKS = {"invite": "invitation", "start-reset": "password_reset"}


def sent_by_operator(server: ServerUnderTest, what: str, email: str) -> str:
    """The link of the mail that an operator's command sends."""
    answer = run_idp(server.environment, "users", what, email)
    assert answer.returncode == 0, answer.stderr
    return next(mail.link for mail in server.mails(email) if mail.template == LINKS[what])


def show(page: Page, url: str, card: str) -> None:
    """Open it; the page is the one wanted, and does not scroll sideways."""
    page.goto(url)
    fits(page, card)


def fits(page: Page, card: str) -> None:
    expect(page.locator(f"#{card}-page")).to_be_visible()
    assert page.viewport_size is not None
    assert width(page) == page.viewport_size["width"], card


def choose_password(page: Page, password: str) -> None:
    page.fill("#password", password)
    page.fill("#password_again", password)


@pytest.mark.parametrize("screen", SCREENS)
def test_an_invited_person_makes_an_account_and_later_takes_the_reset_that_an_operator_started(
    browser_page: Pages, server: ServerUnderTest, screen: dict[str, Any]
) -> None:
    page, email = browser_page(**screen), new_email()
    complaints = complaints_of(page)
    show(page, sent_by_operator(server, "invite", email), "sign-up")
    language = page.get_attribute("html", "lang")
    page.click("a.language")
    expect(page.locator("html")).not_to_have_attribute("lang", str(language))
    page.click("a.language")
    expect(page.locator("html")).to_have_attribute("lang", str(language))
    expect(page.locator("#email")).to_have_value(email)
    expect(page.locator("#email")).to_be_disabled()
    username = email.partition("@")[0]
    page.fill("#given_name", "Grace")
    page.fill("#family_name", "Hopper")
    page.fill("#username", username)
    choose_password(page, NEW_PASSWORD)
    page.click("#sign-up")
    fits(page, "home")
    expect(page.locator("#home-page")).to_contain_text(email)

    show(page, sent_by_operator(server, "start-reset", email), "reset")
    choose_password(page, "nine purple herons argue")
    page.click("#reset")
    fits(page, "login")
    sign_in(page, username, "nine purple herons argue")
    fits(page, "home")
    assert complaints == []


@pytest.mark.asvs("6.3.7")
@pytest.mark.parametrize("screen", SCREENS)
def test_a_new_address_is_confirmed_by_its_link_and_taken_back_by_the_old_one_which_then_recovers_the_account(
    browser_page: Pages, server: ServerUnderTest, screen: dict[str, Any]
) -> None:
    user, intruder, owner = server.add_user(), browser_page(**screen), browser_page(**screen)
    old, new = str(user.email), new_email()
    said = complaints_of(intruder), complaints_of(owner)
    intruder.goto(server.url("/account/email"))
    sign_in(intruder, user.username)
    intruder.fill("#email", new)
    intruder.click("#change-email")
    fits(intruder, "account-email-confirm")
    show(intruder, server.mails(new)[-1].link, "account-email-confirm")
    intruder.click("#confirm")
    expect(intruder.locator("#current-email")).to_contain_text(new)

    show(owner, next(mail.link for mail in server.mails(old) if mail.template == "email_changed"), "account-email-undo")
    owner.click("#undo")
    fits(owner, "message")
    intruder.reload()
    fits(intruder, "login")
    owner.click("#next")
    fits(owner, "recover")
    owner.fill("#email", old)
    owner.click("#recover")
    expect(owner.locator("#sent")).to_be_visible()
    show(owner, next(mail.link for mail in server.mails(old) if mail.template == "password_reset"), "reset")
    choose_password(owner, NEW_PASSWORD)
    owner.click("#reset")
    fits(owner, "login")
    sign_in(owner, user.username, NEW_PASSWORD)
    fits(owner, "home")
    assert said == ([], [])
