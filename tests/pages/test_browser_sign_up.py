"""Making and recovering an account in Chromium, against real worker processes."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.pages.visits import ClientSite, authorize_url, client_site, complaints_of, sign_in, width
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.newcomers import NEW_PASSWORD, new_email
from tests.support.relying_party import RelyingParty, claims_of

SCREENS = [
    pytest.param({"viewport": PHONE, "colour_scheme": "dark", "locale": "fr-FR"}, id="phone, French"),
    pytest.param({"viewport": DESKTOP}, id="desktop"),
    pytest.param({"viewport": PHONE, "javascript": False}, id="phone, without JavaScript"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[ClientSite]:
    with client_site() as running:
        yield running


@pytest.fixture
def client(server: ServerUnderTest, site: ClientSite) -> RegisteredClient:
    return server.add_client(client_name="Holiday Planner", first_party=True, redirect_uris=(site.callback,))


def fill_in(page: Page, email: str) -> None:
    page.fill("#given_name", "Grace")
    page.fill("#family_name", "Hopper")
    page.fill("#username", email.partition("@")[0])
    page.fill("#email", email)
    choose_password(page)
    page.click("#sign-up")


def choose_password(page: Page) -> None:
    page.fill("#password", NEW_PASSWORD)
    page.fill("#password_again", NEW_PASSWORD)


def start(page: Page, server: ServerUnderTest, client: RegisteredClient, **overrides: str) -> tuple[RelyingParty, str]:
    """Open a client's request; the client, and the verifier that goes with it."""
    party = RelyingParty(server, client)
    params, verifier = party.request(**overrides)
    page.goto(f"{server.url('/authorize')}?{urlencode(params)}")
    return party, verifier


def subject_of(party: RelyingParty, verifier: str, site: ClientSite) -> str:
    """Whom the tokens are for that the code at the client buys."""
    form = {"grant_type": "authorization_code", "code": site.last["code"], "code_verifier": verifier}
    answer = party.post("/token", form | {"redirect_uri": party.redirect_uri})
    assert answer.status_code == 200, answer.text
    return str(claims_of(answer.json()["id_token"])["sub"])


def user_id_of(server: ServerUnderTest, email: str) -> str | None:
    found = server.store.users.find_by_email(email)
    return None if found is None else found[0].id


@pytest.mark.parametrize("screen", SCREENS)
def test_from_the_clients_request_to_tokens_by_the_code(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite, screen: dict[str, object]
) -> None:
    page, email = browser_page(**screen), new_email()  # type: ignore[arg-type]
    complaints, screen_width = complaints_of(page), screen["viewport"][0]  # type: ignore[index]
    party, verifier = start(page, server, client)
    page.click("#to-sign-up")
    expect(page.locator("#sign-up-page")).to_be_visible()
    assert width(page) == screen_width
    fill_in(page, email)
    expect(page.locator("#confirm-page")).to_contain_text(email)
    assert width(page) == screen_width
    page.click("#check")
    expect(page.locator("#not-yet")).to_be_visible()
    page.fill("#code", "12 34")
    page.click("#confirm")
    expect(page.locator("#code-error")).to_be_visible()
    page.fill("#code", server.mails(email)[-1].code)
    page.press("#code", "Enter")
    expect(page.locator("h1")).to_have_text("Back at the client")
    assert subject_of(party, verifier, site) == user_id_of(server, email)
    assert [each for each in complaints if "400" not in each] == []


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_link_is_followed_on_a_phone_and_the_desk_goes_on(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite, javascript: bool
) -> None:
    desk, email = browser_page(javascript=javascript), new_email()
    phone = browser_page(viewport=PHONE, locale="fr-FR", javascript=javascript)
    complaints = complaints_of(phone), complaints_of(desk)
    party, verifier = start(desk, server, client, prompt="create")
    fill_in(desk, email)
    expect(desk.locator("#confirm-page")).to_be_visible()
    phone.goto(server.mails(email)[-1].link)
    expect(phone.locator("#other-browser")).to_be_visible()
    assert width(phone) == PHONE[0]
    phone.fill("#password", NEW_PASSWORD)
    phone.click("#confirm")
    expect(phone.locator("#message-page")).to_be_visible()
    desk.click("#check")
    expect(desk.locator("h1")).to_have_text("Back at the client")
    assert subject_of(party, verifier, site) == user_id_of(server, email)
    assert complaints == ([], [])


@pytest.mark.parametrize("screen", SCREENS)
def test_a_forgotten_password_is_chosen_anew_and_the_request_goes_on(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite, screen: dict[str, object]
) -> None:
    page, user = browser_page(**screen), server.add_user()  # type: ignore[arg-type]
    complaints, screen_width = complaints_of(page), screen["viewport"][0]  # type: ignore[index]
    page.goto(authorize_url(server, client))
    page.click("#to-recover")
    page.fill("#email", user.email or "")
    page.press("#email", "Enter")
    expect(page.locator("#sent")).to_be_visible()
    assert width(page) == screen_width
    page.goto(server.mails(user.email or "")[-1].link)
    expect(page.locator("#username")).to_have_value(user.username)
    assert width(page) == screen_width
    choose_password(page)
    page.click("#reset")
    expect(page.locator("#login-page")).to_be_visible()
    sign_in(page, user.username, NEW_PASSWORD)
    expect(page.locator("h1")).to_have_text("Back at the client")
    assert "code" in site.last
    assert complaints == []


def test_the_mistakes_of_the_form_get_the_focus_and_keep_what_was_typed(
    browser_page: Pages, server: ServerUnderTest
) -> None:
    page, email = browser_page(), new_email()
    page.goto(server.url("/sign-up"))
    page.fill("#given_name", "Grace")
    page.fill("#username", "grace")
    page.fill("#email", email)
    page.fill("#password", "password1234")
    page.fill("#password_again", "password123")
    page.click("#sign-up")
    expect(page.locator("#error-summary")).to_be_focused()
    expect(page.locator("#password-error")).to_be_visible()
    expect(page.locator("#password_again-error")).to_be_visible()
    assert page.input_value("#given_name") == "Grace"
    assert page.input_value("#password") == ""
    page.click("#show-password")
    expect(page.locator("#password")).to_have_attribute("type", "text")
