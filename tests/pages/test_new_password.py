"""The fields of a new password: what the browser says while one is typed, and what the server says of a weak one."""

import secrets

import pytest
from playwright.sync_api import expect

from idp.accounts.password_policy import check_new_password
from tests.pages.visits import complaints_of
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
    length = page.locator("#password-advice")
    expect(length).to_be_hidden()
    said = []
    for typed in ("a few", "a few words", "a few words in a row", "🐢🐇🦔🦉🐟🦀🐝🦋", ""):
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


@pytest.mark.asvs("6.2.4", "6.2.11")
def test_what_the_browser_warns_of_the_server_would_refuse(server: ServerUnderTest, browser_page: Pages) -> None:
    page = browser_page(viewport=PHONE, locale="fr-FR")
    complaints = complaints_of(page)
    page.goto(server.url("/sign-up"))
    about = {"given_name": "Zoë", "family_name": "Straße-Lovelace", "username": "zoe77", "email": "zoe.l@acme.example"}
    for field, value in about.items():
        page.fill(f"#{field}", value)

    def said(typed: str) -> str:
        page.fill("#password", typed)
        return page.locator("#password-advice").inner_text()

    own = ["Lovelace-1815", "zoelovelace", "ZOË lovelace 77", "straße2024", "lovelace.acme"]
    guessed = ["abababababab", "🐢" * 9, "abcd" * 18, "x" * 200, "abcdefgh", "987654321"]
    fine = ["tea for lovelace", "rererere otters", "wordwordy wordwordy", "acme-2024-juggle-otters", "example example"]
    assert {said(typed).partition(".")[0] for typed in own} == {
        "Ce mot de passe est fait de votre nom ou de votre adresse"
    }
    assert {said(typed).partition(".")[0] for typed in guessed} == {"Ce mot de passe serait vite deviné"}
    assert {said(typed) for typed in fine} == {"Une bonne longueur."}
    names = tuple(about.values())
    assert [typed for typed in own + guessed if not check_new_password(server.settings, typed, about=names)] == []
    assert complaints == []
