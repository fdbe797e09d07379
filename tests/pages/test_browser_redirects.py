"""How an answer leaves the browser: no form of ours may be stopped by our own policy on its way to a client.

Browsers apply `form-action` to every redirect that follows a form (CSP Level 3, section 6.4.1), so the sign-in form
must be allowed to end at whatever the client has registered, and to be sent on from there.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.visits import authorize_url, client_site, complaints_of, sign_in
from tests.support.chromium import Pages
from tests.support.idp_server import ServerUnderTest

VIOLATION = re.compile("Content Security Policy|form-action")


def walk_through(page: Page, server: ServerUnderTest, redirect_uri: str, **overrides: str) -> None:
    """Sign in and allow, to a client with this redirect URI. What follows is for the test to see."""
    client, user = server.add_client(redirect_uris=(redirect_uri,), client_name="Any client"), server.add_user()
    page.goto(authorize_url(server, client, **overrides))
    sign_in(page, user.username)
    expect(page.locator("#consent-page")).to_be_visible()
    page.click("#allow", no_wait_after=True)


def requests_of(page: Page) -> list[str]:
    """Every address that the browser sets out for, be anybody there or not; what the policy stops is not among them."""
    urls: list[str] = []
    page.context.on("request", lambda request: urls.append(request.url) if request.is_navigation_request() else None)
    return urls


def wait_until(page: Page, is_so: Callable[[], bool]) -> bool:
    for _ in range(1200):
        if is_so():
            return True
        page.wait_for_timeout(50)
    return False


@pytest.mark.spec("RFC 8252", "7.1", "MUST")
@pytest.mark.parametrize("redirect_uri", ["nextarget://callback", "com.example.app:/callback"])
def test_an_app_is_reached_by_its_private_use_scheme(
    browser_page: Pages, server: ServerUnderTest, redirect_uri: str
) -> None:
    page = browser_page()
    said, urls = complaints_of(page), requests_of(page)
    walk_through(page, server, redirect_uri)
    assert wait_until(page, lambda: any(url.startswith(f"{redirect_uri}?code=") for url in urls)), said
    assert [line for line in said if VIOLATION.search(line)] == []


def test_a_client_on_https_is_reached(browser_page: Pages, server: ServerUnderTest) -> None:
    page = browser_page()
    said, urls = complaints_of(page), requests_of(page)
    walk_through(page, server, "https://client.example.com/callback")
    assert wait_until(page, lambda: any(url.startswith("https://client.example.com/callback?code=") for url in urls))
    assert [line for line in said if VIOLATION.search(line)] == []


@pytest.mark.spec("RFC 8252", "7.3", "MUST")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_client_on_loopback_is_reached(browser_page: Pages, server: ServerUnderTest, host: str) -> None:
    page = browser_page()
    said = complaints_of(page)
    with client_site(host) as site:
        walk_through(page, server, site.callback)
        expect(page.locator("h1")).to_have_text("Back at the client")
        assert "code" in site.last
    assert said == []


@pytest.mark.parametrize("onward_host", ["127.0.0.1", "localhost"])
def test_a_client_may_send_the_browser_on_to_another_site_of_its_own(
    browser_page: Pages, server: ServerUnderTest, onward_host: str
) -> None:
    page = browser_page()
    said = complaints_of(page)
    with client_site(onward_host) as second, client_site(onward=f"{second.origin}/home") as first:
        walk_through(page, server, first.callback)
        expect(page).to_have_url(f"{second.origin}/home")
        expect(page.locator("h1")).to_have_text("Back at the client")
    assert said == []


def test_a_client_may_send_the_browser_on_to_https(browser_page: Pages, server: ServerUnderTest) -> None:
    page = browser_page()
    said, urls = complaints_of(page), requests_of(page)
    with client_site(onward="https://shop.example.com/home") as site:
        walk_through(page, server, site.callback)
        assert wait_until(page, lambda: "https://shop.example.com/home" in urls)
    assert [line for line in said if VIOLATION.search(line)] == []


@pytest.mark.spec("OAuth 2.0 Form Post Response Mode", "2", "MUST")
def test_form_post_sends_itself(browser_page: Pages, server: ServerUnderTest) -> None:
    page = browser_page()
    said = complaints_of(page)
    with client_site() as site:
        walk_through(page, server, site.callback, response_mode="form_post", state="a<b>&\"'é")
        expect(page.locator("h1")).to_have_text("Back at the client")
        method, path, params = site.received[-1]
    assert (method, path) == ("POST", "/callback")
    assert params["state"] == "a<b>&\"'é"
    assert params["iss"] == server.issuer
    assert said == []


def test_form_post_has_a_button_where_scripts_do_not_run(browser_page: Pages, server: ServerUnderTest) -> None:
    page = browser_page(javascript=False)
    with client_site() as site:
        walk_through(page, server, site.callback, response_mode="form_post")
        expect(page.locator("#form-post-page")).to_be_visible()
        assert site.received == []
        page.click("#continue")
        expect(page.locator("h1")).to_have_text("Back at the client")
        assert "code" in site.last


@pytest.mark.asvs("3.4.3")
def test_a_form_may_not_end_anywhere_else(browser_page: Pages, server: ServerUnderTest) -> None:
    """What the policy is for: markup that somebody smuggled in cannot send a password to their own machine."""
    page = browser_page()
    said = complaints_of(page)
    page.goto(server.url("/login"))
    with client_site() as site:
        page.evaluate("(url) => { document.querySelector('#login-page form').action = url; }", f"{site.origin}/steal")
        page.fill("#username", "ada")
        page.fill("#password", "secret")
        page.click("#login", no_wait_after=True)
        assert wait_until(page, lambda: any(VIOLATION.search(line) for line in said))
        assert site.received == []
