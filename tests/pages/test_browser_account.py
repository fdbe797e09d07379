"""The account pages in Chromium, as one person walks through them: on a phone and a desktop, in both languages, and
without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.pages.account_visits import NEW_PASSWORD
from tests.pages.visits import authorize_url, client_site, complaints_of, sign_in, width
from tests.support.accounts import PASSWORD
from tests.support.authorize import signed_in
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.idp_server import ServerUnderTest

SCREENS = [
    pytest.param({"viewport": PHONE, "locale": "fr-FR", "colour_scheme": "dark"}, id="phone, French, dark"),
    pytest.param({"viewport": DESKTOP}, id="desktop"),
    pytest.param({"viewport": DESKTOP, "javascript": False}, id="desktop, without JavaScript"),
]


def go_to(page: Page, section: str) -> None:
    """By the links at the side, or by the menu on a small screen."""
    viewport = page.viewport_size
    assert viewport is not None
    if viewport["width"] == PHONE[0]:
        page.click("#account-menu")
        page.click(f"#menu-{section}")
    else:
        page.click(f"#nav-{section}")
    expect(page.locator(f"#account-{section}-page")).to_be_visible()
    assert width(page) == viewport["width"], section


@pytest.mark.parametrize("screen", SCREENS)
def test_a_person_looks_after_their_account(
    browser_page: Pages, server: ServerUnderTest, screen: dict[str, object]
) -> None:
    page, user = browser_page(**screen), server.add_user()  # type: ignore[arg-type]
    complaints = complaints_of(page)
    with client_site() as site:
        client = server.add_client(client_name="Holiday Planner", redirect_uris=(site.callback,))
        page.goto(authorize_url(server, client, scope="openid email"))
        sign_in(page, user.username)
        page.click("#allow")
        expect(page.locator("h1")).to_have_text("Back at the client")
    page.goto(server.url("/account"))
    _edit_profile(page)
    _change_email(page, server, f"new-{user.username}@example.org")
    elsewhere = signed_in(server, user.username)
    go_to(page, "sessions")
    expect(page.locator("#sessions > li")).to_have_count(2)
    page.click("#end-others")
    expect(page.locator("#sessions > li")).to_have_count(1)
    assert elsewhere.open("/account").id == "login-page"
    go_to(page, "apps")
    expect(page.locator("#apps")).to_contain_text("Holiday Planner")
    page.click("#withdraw-1")
    expect(page.locator("#no-apps")).to_be_visible()
    go_to(page, "factors")
    _change_password(page)
    assert [line for line in complaints if "status of 400" not in line] == []


def _edit_profile(page: Page) -> None:
    go_to(page, "profile")
    page.fill("#given_name", "Zoë")
    page.select_option("#locale", "fr")
    page.click("#save")
    expect(page.locator("#notice")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.locator("#given_name")).to_have_value("Zoë")


def _change_email(page: Page, server: ServerUnderTest, address: str) -> None:
    go_to(page, "email")
    page.fill("#email", address)
    page.click("#change-email")
    expect(page.locator("#account-email-confirm-page")).to_contain_text(address)
    page.fill("#code", next(mail.code for mail in server.mails(address) if mail.template == "email_change"))
    page.click("#confirm")
    expect(page.locator("#current-email")).to_contain_text(address)
    expect(page.locator("#notice")).to_be_visible()


def _change_password(page: Page) -> None:
    go_to(page, "password")
    page.fill("#current_password", "not this one")
    page.fill("#password", NEW_PASSWORD)
    page.fill("#password_again", NEW_PASSWORD)
    page.click("#change-password")
    expect(page.locator("#error-summary")).to_be_visible()
    expect(page).to_have_title(re.compile("^(Error|Erreur)"))
    page.fill("#current_password", PASSWORD)
    page.fill("#password", NEW_PASSWORD)
    page.fill("#password_again", NEW_PASSWORD)
    expect(page.locator("#end_others")).to_be_checked()
    page.click("#change-password")
    expect(page.locator("#notice")).to_be_visible()
