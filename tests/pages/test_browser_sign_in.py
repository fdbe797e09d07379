"""Sign-in, consent, choice of account and sign-out in Chromium, against real worker processes."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.pages.visits import ClientSite, authorize_url, client_site, complaints_of, focused, sign_in, width
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import RelyingParty

SCREENS = [
    pytest.param({"viewport": PHONE, "colour_scheme": "light"}, id="phone, light"),
    pytest.param({"viewport": PHONE, "colour_scheme": "dark", "locale": "fr-FR"}, id="phone, dark, French"),
    pytest.param({"viewport": DESKTOP, "colour_scheme": "dark"}, id="desktop, dark"),
    pytest.param({"viewport": DESKTOP, "javascript": False}, id="desktop, without JavaScript"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[ClientSite]:
    with client_site() as running:
        yield running


@pytest.fixture
def client(server: ServerUnderTest, site: ClientSite) -> RegisteredClient:
    return server.add_client(
        client_name="Holiday Planner",
        redirect_uris=(site.callback,),
        post_logout_redirect_uris=(f"{site.origin}/signed-out",),
        policy_uri="https://client.example.com/privacy",
        tos_uri="https://client.example.com/terms",
    )


def at_client(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("Back at the client")


@pytest.mark.parametrize("screen", SCREENS)
def test_a_person_signs_in_consents_and_comes_back_on_any_screen(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite, screen: dict[str, object]
) -> None:
    page, user = browser_page(**screen), server.add_user()  # type: ignore[arg-type]
    complaints, screen_width = complaints_of(page), (screen["viewport"] or DESKTOP)[0]  # type: ignore[index]
    page.goto(authorize_url(server, client, scope="openid profile email", state="s & é"))
    expect(page.locator("#login-page")).to_be_visible()
    assert width(page) == screen_width
    sign_in(page, user.username)
    expect(page.locator("#consent-page")).to_be_visible()
    expect(page.locator("#scopes [data-scope=email]")).to_be_visible()
    assert width(page) == screen_width
    page.click("#allow")
    at_client(page)
    assert site.last["state"] == "s & é"
    assert site.last["iss"] == server.issuer
    assert "code" in site.last
    assert complaints == []


def test_a_wrong_password_shows_the_error_summary_with_the_focus_and_keeps_the_name(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient
) -> None:
    page, user = browser_page(), server.add_user()
    complaints = complaints_of(page)
    page.goto(authorize_url(server, client))
    expect(page.locator("#username")).to_be_focused()
    sign_in(page, user.username, "not the password")
    expect(page.locator("#error-summary")).to_be_focused()
    expect(page).to_have_title(re.compile("^Error:"))
    assert page.input_value("#username") == user.username
    assert page.input_value("#password") == ""
    page.fill("#password", "wrong again")
    with page.expect_navigation():
        page.press("#password", "Enter")
    sign_in(page, user.username)
    expect(page.locator("#consent-page")).to_be_visible()
    assert complaints == []


def test_the_language_comes_from_the_client_then_the_browser_and_the_person_has_the_last_word(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient
) -> None:
    page = browser_page(locale="fr-FR")
    page.goto(authorize_url(server, client))
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.goto(authorize_url(server, client, ui_locales="de en"))
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.click("a.language[lang=fr]")
    expect(page.locator("h1")).to_have_text("Se connecter")
    user = server.add_user()
    sign_in(page, user.username)
    expect(page.locator("#consent-page")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "fr")


def test_whoever_denies_goes_back_with_access_denied(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    page, user = browser_page(), server.add_user()
    page.goto(authorize_url(server, client, scope="openid email"))
    sign_in(page, user.username)
    page.click("#deny")
    at_client(page)
    assert site.last["error"] == "access_denied"
    assert "code" not in site.last


def test_whoever_cancels_the_sign_in_goes_back_with_access_denied(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    page = browser_page()
    page.goto(authorize_url(server, client))
    page.click("#cancel")
    at_client(page)
    assert site.last["error"] == "access_denied"


def test_another_account_can_be_chosen(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    page, first, second = browser_page(), server.add_user(), server.add_user()
    complaints = complaints_of(page)
    page.goto(authorize_url(server, client))
    sign_in(page, first.username)
    page.click("#allow")
    at_client(page)
    page.goto(authorize_url(server, client, prompt="select_account"))
    expect(page.locator("#select-account-page")).to_contain_text(first.email or "")
    page.click("#switch")
    sign_in(page, second.username)
    expect(page.locator("#consent-page")).to_contain_text(second.email or "")
    page.click("#allow")
    at_client(page)
    page.goto(authorize_url(server, client, prompt="select_account"))
    page.click("#continue")
    at_client(page)
    assert "code" in site.last
    assert complaints == []


def test_a_keyboard_alone_is_enough(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    page, user = browser_page(), server.add_user()
    page.goto(authorize_url(server, client, scope="openid email"))
    expect(page.locator("#username")).to_be_focused()
    page.keyboard.type(user.username)
    page.keyboard.press("Tab")
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type("correct horse battery staple")
    page.keyboard.press("Enter")
    expect(page.locator("#consent-page")).to_be_visible()
    page.wait_for_load_state()
    for _ in range(12):
        page.keyboard.press("Tab")
        if focused(page) == "allow":
            break
    assert focused(page) == "allow"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    at_client(page)
    assert "code" in site.last


def test_the_skip_link_is_the_first_stop_and_leads_to_the_content(browser_page: Pages, server: ServerUnderTest) -> None:
    page = browser_page()
    page.goto(server.url("/"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_going_back_after_the_end_shows_how_to_start_again_and_gives_no_second_code(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    page, user = browser_page(), server.add_user()
    page.goto(authorize_url(server, client, scope="openid email"))
    sign_in(page, user.username)
    page.click("#allow")
    at_client(page)
    arrived = len(site.received)
    page.go_back()
    expect(page.locator("#error-page")).to_be_visible()
    expect(page.locator("#error-advice")).to_be_visible()
    assert len(site.received) == arrived


def test_two_tabs_finish_their_own_requests_in_any_order(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    first, user = browser_page(), server.add_user()
    second = first.context.new_page()
    first.goto(authorize_url(server, client, state="first"))
    second.goto(authorize_url(server, client, state="second"))
    sign_in(second, user.username)
    second.click("#allow")
    at_client(second)
    assert site.last["state"] == "second"
    first.reload()  # signed in meanwhile, and consented: nothing is left to ask
    at_client(first)
    assert site.last["state"] == "first"


def test_signing_out_asks_first_and_then_the_session_is_gone(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient
) -> None:
    page, user = browser_page(), server.add_user()
    complaints = complaints_of(page)
    page.goto(server.url("/login"))
    sign_in(page, user.username)
    expect(page.locator("#home-page")).to_contain_text(user.email or "")
    page.click("#sign-out")
    expect(page.locator("#logout-page")).to_be_visible()
    page.click("#stay")
    expect(page.locator("#home-page")).to_contain_text(user.email or "")
    page.click("#sign-out")
    page.click("#logout")
    expect(page.locator("#logged-out-page")).to_be_visible()
    page.goto(authorize_url(server, client))
    expect(page.locator("#login-page")).to_be_visible()
    assert complaints == []


@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "2", "MUST")
def test_a_client_that_signs_out_without_a_hint_gets_the_person_back_after_the_question(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    page, user = browser_page(), server.add_user()
    complaints = complaints_of(page)
    page.goto(server.url("/login"))
    sign_in(page, user.username)
    expect(page.locator("#home-page")).to_be_visible()
    back = f"{site.origin}/signed-out"
    page.goto(server.url(f"/logout?client_id={client.client_id}&post_logout_redirect_uri={back}&state=x1"))
    expect(page.locator("#logout-page")).to_contain_text("Holiday Planner")
    page.click("#logout")
    at_client(page)
    assert urlsplit(page.url).path == "/signed-out"
    assert site.received[-1][2] == {"state": "x1"}
    assert complaints == []


def test_pages_that_refuse_fit_the_screen_and_break_no_rule_of_the_policy(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient
) -> None:
    page = browser_page(viewport=(320, 640))
    said = complaints_of(page)
    unregistered = authorize_url(server, client, redirect_uri="https://elsewhere.example.com/")
    for path, status in ((unregistered, 400), ("/nowhere", 404), ("/login?interaction=gone", 400), ("/", 200)):
        response = page.goto(path if path.startswith("http") else server.url(path))
        assert response is not None
        assert response.status == status
        assert width(page) == 320, path
    assert [line for line in said if "the server responded with a status of" not in line] == []


def test_a_reload_in_the_middle_loses_nothing(
    browser_page: Pages, server: ServerUnderTest, client: RegisteredClient, site: ClientSite
) -> None:
    page, user = browser_page(javascript=False), server.add_user()
    relying_party = RelyingParty(server, client)
    params, verifier = relying_party.request(scope="openid email")
    page.goto(authorize_url(server, client, **params))
    page.reload()
    sign_in(page, user.username, "wrong")
    page.wait_for_selector("#error-summary")
    page.wait_for_load_state("load")  # a reload while the page still comes would be told there is none
    page.reload()
    sign_in(page, user.username)
    page.wait_for_selector("#consent-page")
    page.wait_for_load_state("load")
    page.reload()
    page.click("#allow")
    at_client(page)
    answer = relying_party.post(
        "/token",
        {
            "grant_type": "authorization_code",
            "code": site.last["code"],
            "redirect_uri": site.callback,
            "code_verifier": verifier,
        },
    )
    assert answer.status_code == 200
