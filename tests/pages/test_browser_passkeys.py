"""Passkeys in Chromium, with its virtual authenticator: made, used beside a password, and used alone."""

from typing import Any

import pyotp
import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.pages.visits import authorize_url, client_site, complaints_of, sign_in, width
from tests.support.accounts import PASSWORD
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.factors import give_app
from tests.support.idp_server import ServerUnderTest


class Device:
    """A virtual authenticator of this page's browser (Chrome DevTools Protocol, domain WebAuthn)."""

    def __init__(self, page: Page, **how: Any) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options | how})
        self.id = added["authenticatorId"]

    def credentials(self) -> list[dict[str, Any]]:
        found = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})
        return list(found["credentials"])

    def give(self, credential: dict[str, Any]) -> None:
        """A copy of somebody's key, as a thief would make one."""
        self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential})

    def set_verified(self, is_verified: bool) -> None:
        """Whether the next finger is the right one."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": is_verified})

    def simulate_presence(self, is_present: bool) -> None:
        """Whether anybody touches it by itself."""
        values = {"authenticatorId": self.id, "enabled": is_present}
        self.session.send("WebAuthn.setAutomaticPresenceSimulation", values)


def register(page: Page, server: ServerUnderTest, username: str, name: str = "My laptop") -> None:
    """Sign in with the password and add a passkey, up to the recovery codes."""
    page.goto(server.url("/login?to=account-passkeys"))
    sign_in(page, username)
    page.fill("#name", name)
    page.click("#add-passkey")
    expect(page.locator("#recovery-codes-page")).to_be_visible()


def use_recovery_code(page: Page, code: str) -> None:
    page.click("#recovery summary")
    page.fill("#recovery_code", code)
    page.click("#use-recovery-code")


def forget_session(page: Page) -> None:
    page.context.clear_cookies()


@pytest.mark.asvs("6.3.3")
@pytest.mark.parametrize(
    "screen",
    [
        pytest.param({"viewport": PHONE, "colour_scheme": "dark", "locale": "fr-FR"}, id="phone, dark, French"),
        pytest.param({"viewport": DESKTOP}, id="desktop"),
    ],
)
def test_a_passkey_is_added_named_used_beside_a_password_and_removed(
    browser_page: Pages, server: ServerUnderTest, screen: dict[str, Any]
) -> None:
    page, user = browser_page(**screen), server.add_user()
    complaints, device = complaints_of(page), Device(page)
    device.simulate_presence(True)
    register(page, server, user.username)
    expect(page.locator("#codes li")).to_have_count(10)
    with page.expect_download() as download:
        page.click("#download")
    saved = download.value.path().read_text(encoding="utf-8")
    assert all(code.inner_text() in saved for code in page.locator("#codes code").all())
    page.click("#continue")
    expect(page.locator("#passkeys-page")).to_contain_text("My laptop")
    assert width(page) == screen["viewport"][0]
    forget_session(page)
    device.simulate_presence(False)
    page.goto(server.url("/login?to=account-passkeys"))
    sign_in(page, user.username)
    expect(page.locator("#second-factor-page")).to_be_visible()
    assert width(page) == screen["viewport"][0]
    device.simulate_presence(True)
    page.click("#use-passkey")
    expect(page.locator("#passkeys-page")).to_be_visible()
    page.click("#remove-passkey-1")
    page.click("#confirm-removal")
    expect(page.locator("#account-factors-page")).to_be_visible()
    assert server.store.passkeys.list_of(user.id) == []
    assert complaints == []


@pytest.mark.asvs("6.3.3")
def test_a_client_is_signed_in_to_by_a_passkey_from_the_list_of_the_browser_without_a_click(
    browser_page: Pages, server: ServerUnderTest
) -> None:
    page, user = browser_page(viewport=PHONE, locale="fr-FR"), server.add_user()
    complaints, device = complaints_of(page), Device(page)
    register(page, server, user.username)
    forget_session(page)
    with client_site() as site:
        client = server.add_client(first_party=True, redirect_uris=(site.callback,), require_second_factor=True)
        page.goto(authorize_url(server, client))
        expect(page.locator("h1")).to_have_text("Back at the client")
        assert "code" in site.last
    assert device.credentials()[0]["signCount"] >= 1
    assert complaints == []


def test_the_button_signs_in_as_well_and_a_wrong_finger_does_not(browser_page: Pages, server: ServerUnderTest) -> None:
    page, user = browser_page(), server.add_user()
    device = Device(page)
    register(page, server, user.username)
    forget_session(page)
    device.set_verified(False)
    device.simulate_presence(False)
    page.goto(server.url("/login"))
    expect(page.locator("#username")).to_have_attribute("autocomplete", "username webauthn")
    device.simulate_presence(True)
    page.click("#sign-in-with-passkey")
    expect(page.locator("#passkey-trouble")).to_be_visible()
    expect(page.locator("#login-page")).to_be_visible()
    device.set_verified(True)
    page.click("#sign-in-with-passkey")
    expect(page.locator("#home-page")).to_be_visible()


@pytest.mark.spec("WebAuthn", "7.2", "SHOULD")
def test_a_copied_key_is_refused_by_its_counter(browser_page: Pages, server: ServerUnderTest) -> None:
    page, user = browser_page(), server.add_user()
    device = Device(page)
    register(page, server, user.username)
    (original,) = device.credentials()
    forget_session(page)
    page.goto(server.url("/login"))  # the key's owner signs in, and its counter goes up
    expect(page.locator("#home-page")).to_be_visible()
    thief = browser_page()
    stolen = Device(thief)
    stolen.give(original)
    thief.goto(server.url("/login"))
    expect(thief.locator("#error-summary")).to_be_visible()
    assert any(mail.template == "factor_changed" and "copy" in mail.text for mail in server.mails(user.email or ""))


def test_without_scripts_the_pages_say_what_else_can_be_done(browser_page: Pages, server: ServerUnderTest) -> None:
    user = server.add_user()
    with_scripts = browser_page()
    Device(with_scripts)
    register(with_scripts, server, user.username)
    give_app(server, user)
    page = browser_page(javascript=False)
    page.goto(server.url("/login"))
    expect(page.locator("#sign-in-with-passkey")).to_be_hidden()
    sign_in(page, user.username, PASSWORD)
    expect(page.locator("#use-passkey")).to_be_hidden()
    expect(page.locator("#second-factor-page")).to_contain_text("A passkey needs a browser that knows them")
    expect(page.locator("#code")).to_be_visible()


@pytest.mark.parametrize(
    "screen",
    [
        pytest.param({"viewport": PHONE, "javascript": False}, id="phone, without JavaScript"),
        pytest.param({"viewport": DESKTOP, "locale": "fr-FR"}, id="desktop, French"),
    ],
)
def test_an_app_is_set_up_and_used_and_trusted_browsers_and_recovery_codes_stand_in_for_it_until_it_is_removed(
    browser_page: Pages, server: ServerUnderTest, screen: dict[str, Any]
) -> None:
    user, page = server.add_user(), browser_page(accept_downloads=True, **screen)
    complaints = complaints_of(page)
    page.goto(server.url("/login?to=account-totp"))
    sign_in(page, user.username)
    assert page.locator("#qr svg").bounding_box() is not None
    assert width(page) == screen["viewport"][0]
    app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
    page.fill("#code", app.at(server.now))
    page.click("#confirm")
    expect(page.locator("#codes li")).to_have_count(10)
    codes = page.locator("#codes code").all_inner_texts()
    with page.expect_download() as download:
        page.click("#download")
    assert user.username in download.value.path().read_text(encoding="utf-8")
    page.context.clear_cookies()
    page.goto(server.url("/login"))
    sign_in(page, user.username)
    expect(page.locator("#second-factor-page")).to_be_visible()
    assert width(page) == screen["viewport"][0]
    page.fill("#code", app.at(server.now + 30))
    page.check("#trust")
    page.click("#verify")
    expect(page.locator("#home-page")).to_be_visible()
    page.context.clear_cookies(name="idp_session")
    page.goto(server.url("/login"))
    sign_in(page, user.username)
    expect(page.locator("#home-page")).to_be_visible()

    page.goto(server.url("/account/sessions"))  # which wants the factor that the browser was not asked for
    page.click("#sign-in-again")
    use_recovery_code(page, codes[0])
    expect(page.locator("#trusted > li")).to_have_count(1)
    assert width(page) == screen["viewport"][0]
    page.click("#end-trust-1")
    expect(page.locator("#notice")).to_be_visible()
    expect(page.locator("#trusted")).to_have_count(0)
    page.context.clear_cookies(name="idp_session")
    page.goto(server.url("/login?to=account-factors"))
    sign_in(page, user.username)
    use_recovery_code(page, codes[1])
    expect(page.locator("#codes-left")).to_contain_text("8")
    assert width(page) == screen["viewport"][0]
    page.click("#remove-totp")
    page.click("#confirm-removal")
    expect(page.locator("#account-factors-page")).to_be_visible()
    assert server.store.totp.find(user.id) is None
    assert complaints == []
