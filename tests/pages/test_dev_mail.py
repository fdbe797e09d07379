"""The mails that a development server keeps: found, read and followed in Chromium; production has no such page."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from idp import create_app
from idp.mail import MailParts, send_mail
from tests.mail.office import PRODUCTION
from tests.pages.visits import complaints_of, width
from tests.support.chromium import DESKTOP, PHONE, Pages
from tests.support.idp_server import ServerUnderTest, make_settings, prepare, timed_server
from tests.support.relying_party import Browser

SCREENS: list[dict[str, Any]] = [
    {"viewport": PHONE, "colour_scheme": "dark", "locale": "fr-FR"},
    {"viewport": DESKTOP, "javascript": False},
]


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    with timed_server(tmp_path_factory.mktemp("dev-mail"), keys_from=signing_keys) as running:
        yield running


def write(server: ServerUnderTest, recipient: str | None, template: str = "password_reset", **values: Any) -> int:
    values = values or {"name": "Ada", "url": server.url("/recover/reset?token=abc"), "minutes": 60}
    parts = MailParts(server.settings, server.store)
    return send_mail(parts, template, recipient, language="en", now=int(time.time()), **values)


@pytest.mark.parametrize("screen", SCREENS, ids=["phone, dark, French", "desktop, without JavaScript"])
def test_a_developer_finds_a_mail_reads_it_and_follows_its_link(
    browser_page: Pages, development: ServerUnderTest, screen: dict[str, Any]
) -> None:
    mail = write(development, "ada.with.a.rather.long.address.of.hers@mail.department.university.example.org")
    page = browser_page(**screen)
    complaints = complaints_of(page)
    page.goto(development.url("/dev/mail"))
    assert width(page) == screen["viewport"][0]
    page.click(f"#mail-{mail}")
    expect(page.locator("h1")).to_have_text("A new password for idp")
    expect(page.locator("#mail-text")).to_contain_text("Hello Ada,")
    expect(page.locator("#mail-html")).to_contain_text("<!doctype html>")
    assert width(page) == screen["viewport"][0]
    assert complaints == []
    page.click("#mail-link-1")
    page.wait_for_url("**/recover/reset*")


def test_the_newest_mail_is_the_first_and_one_to_nobody_is_not_listed(development: ServerUnderTest) -> None:
    browser = Browser(development)
    ids = [write(development, f"p{number}@example.com") for number in range(3)]
    nobody = write(development, None)
    page = browser.open("/dev/mail")
    listed = [str(link["id"]) for link in page.soup.select("#mails a")]
    assert listed[:3] == [f"mail-{mail}" for mail in reversed(ids)]
    assert f"mail-{nobody}" not in listed


def test_what_a_mail_says_is_text_on_the_page(development: ServerUnderTest) -> None:
    hostile = "<script>alert(1)</script>"
    values = {"provider": hostile, "name": hostile, "when": 1, "account_url": "javascript:alert(1)"}
    mail = write(development, "ada@example.com", "identity_linked", **values)
    page = Browser(development).open(f"/dev/mail/{mail}")
    assert page.status == 200
    assert hostile in page.text
    assert "alert" not in "".join(script.get_text() for script in page.soup.find_all("script"))
    assert [link["href"] for link in page.soup.select("a[href^=javascript]")] == []
    policy = page.response.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert page.response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["0", "999999", str(2**62), "9" * 40, "-1", "x", "%00"])
def test_a_mail_that_there_is_not_is_not_found(development: ServerUnderTest, path: str) -> None:
    assert Browser(development).get(f"/dev/mail/{path}").status_code == 404


def test_a_mail_that_cannot_be_opened_or_was_refused_is_listed_by_its_kind(development: ServerUnderTest) -> None:
    now = int(time.time())
    strange = development.store.mail_outbox.add(
        "test", "x@example.com", "strange", now=now, expires_at=now, is_kept=True
    )
    refused = write(development, "no address")
    browser = Browser(development)
    page = browser.open("/dev/mail")
    assert page.status == 200
    assert page.soup.select_one(f"#mail-{strange}").get_text() == "test"  # type: ignore[union-attr]
    assert page.soup.select(f"#mails a[href$='/dev/mail/{refused}']") == []
    assert "This is not one e-mail address." in page.text
    assert browser.get(f"/dev/mail/{strange}").status_code == 404
    assert browser.get(f"/dev/mail/{refused}").status_code == 404


def test_in_production_the_pages_do_not_exist(tmp_path: Path, signing_keys: Path) -> None:
    settings, _ = make_settings(tmp_path, **PRODUCTION)
    prepare(settings, signing_keys)
    app = create_app(settings)
    for path in ("/dev/mail", "/dev/mail/1"):
        assert app.test_client().get(path, base_url=settings.issuer).status_code == 404
    assert not [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/dev")]
    app.extensions["idp"].store.database.dispose()
