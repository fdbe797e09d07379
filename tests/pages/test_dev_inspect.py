"""The flow inspector as a page of a development server, looked at in Chromium; production has none.

From the error page to what has to be changed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from idp import create_app
from idp.protocol.findings import load_finding
from tests.mail.office import PRODUCTION
from tests.pages.visits import authorize_url, complaints_of, width
from tests.support.accounts import make_client
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.idp_server import ServerUnderTest, make_settings, prepare, timed_server, wait_for_notes
from tests.support.relying_party import ABSENT, Browser, RelyingParty

HOSTILE = "<script>alert(1)</script>\u202egpj"
SCREENS: list[dict[str, Any]] = [
    {"viewport": PHONE, "colour_scheme": "dark", "locale": "fr-FR"},
    {"viewport": DESKTOP, "javascript": False},
]


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    with timed_server(tmp_path_factory.mktemp("dev-inspect"), keys_from=signing_keys) as running:
        yield running


@pytest.mark.parametrize("screen", SCREENS, ids=["phone, dark, French", "desktop, without JavaScript"])
def test_a_developer_goes_from_the_error_page_to_the_letter_that_is_wrong(
    browser_page: Pages, development: ServerUnderTest, screen: dict[str, Any]
) -> None:
    client = development.add_client(redirect_uris=("https://client.example.com/a/rather/long/path/to/the/callback",))
    page = browser_page(**screen)
    wrong = "https://client.example.com/a/rather/long/path/to/the/Callback"
    page.goto(authorize_url(development, client, redirect_uri=wrong))
    expect(page.locator("#error-code")).to_have_text("invalid_request")
    complaints = complaints_of(page)  # the console has already said that the first page is a 400
    reference = page.locator("#error-reference").inner_text()
    page.click("#inspect")
    expect(page.locator("#refusal-id")).to_have_text(reference)
    expect(page.locator("#refusal-client")).to_have_text(client.client_id)
    expect(page.locator("#finding-1 mark")).to_have_text(["c", "C"])
    expect(page.locator("#finding-1 .finding-hint")).to_contain_text("Capital and small letters differ.")
    expect(page.locator("#sent")).to_contain_text("code_challenge_method")
    assert width(page) == screen["viewport"][0]
    page.click("#all-refusals")
    expect(page.locator(f"#refusal-{reference}")).to_be_visible()
    assert width(page) == screen["viewport"][0]
    assert complaints == []


def test_the_newest_is_the_first_and_an_error_that_travels_is_listed_too(development: ServerUnderTest) -> None:
    browser, party = Browser(development), RelyingParty(development, development.add_client())
    ids = [
        party.start(browser, redirect_uri=ABSENT, client_id=ABSENT).headers["X-Request-Id"],
        party.start(browser, scope="unheard").headers["X-Request-Id"],
        party.refresh("rt_unknown").json()["request_id"],
    ]
    page = browser.open("/dev/inspect")
    listed = [str(link["id"]) for link in page.soup.select("#refusals a")]
    assert listed[:3] == [f"refusal-{request_id}" for request_id in reversed(ids)]
    for request_id in ids:
        assert browser.open(f"/dev/inspect/{request_id}").id == "dev-refusal-page"


def test_what_was_sent_is_text_on_the_page(development: ServerUnderTest) -> None:
    browser, party = Browser(development), RelyingParty(development, development.add_client())
    answer = party.start(browser, response_type=HOSTILE, prompt=HOSTILE, redirect_uri=HOSTILE)
    page = browser.open(f"/dev/inspect/{answer.headers['X-Request-Id']}")
    assert page.status == 200
    assert "<script>alert(1)" in page.text
    assert "\\u202e" in page.text, "a change of direction is shown, not done"
    assert "\u202e" not in page.response.text
    assert "alert" not in "".join(script.get_text() for script in page.soup.find_all("script"))
    assert "unsafe-inline" not in page.response.headers["Content-Security-Policy"]
    assert page.response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["0", "9" * 400, "x", "%00", "%ED%A0%80", "..%2f", "%F0%9F%92%A9"])
def test_a_refusal_that_there_is_not_is_not_found(development: ServerUnderTest, path: str) -> None:
    assert Browser(development).get(f"/dev/inspect/{path}").status_code == 404


@pytest.mark.asvs("13.4.2")
def test_in_production_there_is_no_page_no_link_to_it_and_no_word_of_other_clients(
    tmp_path: Path, signing_keys: Path
) -> None:
    settings, _ = make_settings(tmp_path, **PRODUCTION)
    prepare(settings, signing_keys)
    app = create_app(settings)
    store = app.extensions["idp"].store
    assert store.clients.add(make_client("client-one"), now=0)
    visitor = app.test_client()
    for path in ("/dev/inspect", "/dev/inspect/1"):
        assert visitor.get(path, base_url=settings.issuer).status_code == 404
    refused = visitor.get("/authorize?client_id=client-onf", base_url=settings.issuer)
    assert b'id="error-reference"' in refused.data
    assert b'id="inspect"' not in refused.data
    wait_for_notes(app)
    kept = store.refusals.find(refused.headers["X-Request-Id"])
    assert kept is not None, "and yet it is there for idp inspect"
    found = load_finding(kept.document["findings"][0])
    assert (found.expected, found.received) == ((), "client-onf")
    store.database.dispose()
