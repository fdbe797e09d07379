"""Leaving, in Chromium: a person reads what happened, takes their data along, deletes the account and thinks again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.visits import complaints_of, sign_in, width
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.idp_server import ServerUnderTest, timed_server

SCREENS = [
    pytest.param({"viewport": PHONE, "locale": "fr-FR", "colour_scheme": "dark"}, id="phone, dark, French"),
    pytest.param({"viewport": DESKTOP, "javascript": False}, id="desktop, without JavaScript"),
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    with timed_server(tmp_path_factory.mktemp("leaving"), keys_from=signing_keys) as running:
        yield running


@pytest.mark.parametrize("screen", SCREENS)
def test_the_whole_way_out_and_back(browser_page: Pages, stage: ServerUnderTest, screen: dict[str, object]) -> None:
    page, user = browser_page(**screen, accept_downloads=True), stage.add_user()  # type: ignore[arg-type]
    complaints = complaints_of(page)
    page.goto(stage.url("/account/history"))
    sign_in(page, user.username)
    expect(page.locator("#events > li")).to_have_count(1)
    assert width(page) == screen["viewport"][0]  # type: ignore[index]

    page.goto(stage.url("/account/data"))
    with page.expect_download() as download:
        page.click("#download-data")
    assert download.value.suggested_filename == "account-data.json"
    assert json.loads(Path(download.value.path()).read_text())["account"]["username"] == user.username

    page.goto(stage.url("/account/delete"))
    page.click("#delete-account")
    expect(page.locator("#account-delete-page")).to_be_visible()  # the browser wants the tick first
    page.check("#understood")
    page.click("#delete-account")
    expect(page.locator("#message-page")).to_be_visible()
    assert width(page) == screen["viewport"][0]  # type: ignore[index]

    page.goto(next(link for link in stage.mails(str(user.email))[-1].links if "/keep-account" in link))
    page.click("#keep")
    expect(page.locator("#message-page")).to_be_visible()
    page.click("#next")
    sign_in(page, user.username)
    expect(page.locator("#home-page")).to_be_visible()
    expect(page.locator("#leaving")).to_have_count(0)
    assert complaints == []
