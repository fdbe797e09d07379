"""The fields of a new password: what the browser says while one is typed, and what the server says of a weak one."""

import secrets

import pytest
from playwright.sync_api import expect

from tests.support.chromium import PHONE, Pages
from tests.support.idp_server import ServerUnderTest
from tests.support.mail import mails_to
from tests.support.relying_party import Browser, Page


def reset_page(server: ServerUnderTest, browser: Browser) -> Page:
    user = server.add_user(email=f"{secrets.token_hex(5)}@example.com")
    browser.open("/recover").submit("recover", email=user.email or "")
    return browser.open(mails_to(server, user.email or "")[-1].link)


@pytest.mark.asvs("6.2.4", "6.2.11")
@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("password", "one of those that are tried first"),
        ("Password1!", "would be guessed soon"),
        ("short", "Use at least 8 characters"),
        ("localhost-localhost", "made of the name of this service"),
        ("Lovelace-1815", "made of your own name"),
    ],
)
def test_a_password_that_would_be_guessed_is_refused_with_a_reason(
    server: ServerUnderTest, browser: Browser, password: str, sentence: str
) -> None:
    page = reset_page(server, browser)
    answer = Page(browser, page.submit("reset", password=password, password_again=password))
    assert answer.id == "reset-page"
    assert sentence in answer.text
    assert f'value="{password}"' not in answer.response.text


@pytest.mark.asvs("6.2.6", "6.2.7")
def test_the_browser_tells_how_far_the_length_goes(
    server: ServerUnderTest, browser: Browser, browser_page: Pages
) -> None:
    url = reset_page(server, browser).response.url
    page = browser_page(viewport=PHONE)
    page.goto(url)
    length = page.locator("#password-length")
    expect(length).to_be_hidden()
    said = []
    for typed in ("a few", "a few words", "a few words in a row", "🐢" * 8, ""):
        page.fill("#password", typed)
        said.append(length.text_content())
    assert said == [
        "Still a little short.",
        "Long enough. One more word would make it much harder to guess.",
        "A good length.",
        "Long enough. One more word would make it much harder to guess.",
        "",
    ]
    expect(length).to_be_hidden()
    assert page.locator("#password").get_attribute("autocomplete") == "new-password"
    for field in ("#password", "#password_again"):
        goes_on = "field => field.dispatchEvent(new ClipboardEvent('paste', {bubbles: true, cancelable: true}))"
        assert page.eval_on_selector(field, goes_on), "nothing keeps a password from being pasted"
    assert page.get_attribute("#password", "type") == "password"
