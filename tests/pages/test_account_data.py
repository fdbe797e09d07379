"""Downloading one's data: all of it, in one file, nothing that lets anybody in, and only after a fresh sign-in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.store.identities import Key, LinkedIdentity
from idp.store.users import NewUser
from tests.pages.people_elsewhere import later
from tests.support.accounts import FULL_PROFILE
from tests.support.authorize import signed_in, third_party
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser

TOKENS = "sealed-tokens-of-the-provider"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with timed_server(tmp_path_factory.mktemp("data"), keys_from=signing_keys) as server:
        yield server


def download(browser: Browser) -> dict[str, Any]:
    answer = browser.open("/account/data").submit("download-data")
    assert answer.status_code == 200, answer.text[:300]
    data: dict[str, Any] = answer.json()
    return data


def furnished(stage: TimedServer) -> NewUser:
    user = stage.add_user()
    key = Key("acme", "https://issuer.example", f"subject of {user.id}")
    row = LinkedIdentity(key, user.id, "sign_up", email="ada@acme.example", tokens=TOKENS, linked_at=1, last_used_at=2)
    assert stage.store.identities.add(row)
    return user


def test_the_file_has_everything_about_the_person(stage: TimedServer) -> None:
    user, party = furnished(stage), third_party(stage)
    browser = signed_in(stage, user.username)
    party.sign_in(browser, user.username, scope="openid email profile")
    data = download(browser)
    assert data["service"] == stage.issuer
    assert data["account"]["id"] == user.id
    assert data["account"]["claims"] == FULL_PROFILE | {
        "email": user.email,
        "email_verified": True,
        "phone_number": user.phone_number,
        "phone_number_verified": True,
        "roles": ["reader", "Admin"],
    }
    assert data["account"]["has_password"] is True
    assert data["identities"][0]["subject"] == f"subject of {user.id}"
    assert data["identities"][0]["linked_at"] == "1970-01-01T00:00:01Z"
    assert data["sessions"][0]["user_agent"] == "TestBrowser/1.0"
    assert data["sessions"][0]["amr"] == ["pwd"]
    consent = data["consents"][0]
    assert (consent["name"], consent["scopes"]) == ("Test application", ["email", "openid", "profile"])
    assert data["grants"][0]["client_id"] == party.client.client_id
    assert {event["event"] for event in data["events"]} >= {"sign_in.succeeded", "consent.given"}
    assert data["events"][0]["event"] == "user.data_downloaded"


def test_nothing_in_it_lets_anybody_in(stage: TimedServer) -> None:
    user, party = furnished(stage), third_party(stage)
    browser = signed_in(stage, user.username)
    callback = party.sign_in(browser, user.username, scope="openid offline_access", prompt="consent")
    tokens = party.redeem(callback).json()
    text = json.dumps(download(browser))
    secrets = [*browser.http.cookies.values(), tokens["access_token"], tokens["refresh_token"], callback.code, TOKENS]
    for secret in (*secrets, stage.password_hash, "$argon2", "sealed"):
        assert secret not in text
    for word in ("hash", "secret", "nonce", "challenge", "public_key", "credential_id", "sid"):
        assert f'"{word}' not in text


def test_it_is_a_file_that_no_cache_keeps_and_no_page_shows(stage: TimedServer) -> None:
    answer = signed_in(stage, stage.add_user().username).open("/account/data").submit("download-data")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="account-data.json"'
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_operators_name_is_not_in_it(stage: TimedServer) -> None:
    user = stage.add_user()
    detail = {"operator": "root-of-the-machine", "roles": ["x"]}
    stage.store.audit_events.append("user.roles_changed", at=stage.now, user_id=user.id, detail=detail)
    data = download(signed_in(stage, user.username))
    changed = next(event for event in data["events"] if event["event"] == "user.roles_changed")
    assert changed["detail"] == {"roles": ["x"], "by": "operator"}
    assert "root-of-the-machine" not in json.dumps(data)


def test_long_histories_are_complete(stage: TimedServer) -> None:
    user = stage.add_user()
    for number in range(1005):
        stage.store.audit_events.append("sign_in.failed", at=stage.now, user_id=user.id, detail={"tries": number})
    events = download(signed_in(stage, user.username))["events"]
    failed = [event["detail"]["tries"] for event in events if event["event"] == "sign_in.failed"]
    assert failed == list(reversed(range(1005)))


@pytest.mark.asvs("7.5.1")
def test_it_needs_a_sign_in_of_the_last_five_minutes(stage: TimedServer) -> None:
    browser = signed_in(stage, stage.add_user().username)
    form = browser.open("/account/data")
    with later(stage, 301):
        page = browser.page(form.submit("download-data"))
        assert page.id == "account-data-page"
        assert page.soup.find(id="download-data") is None
        assert page.soup.find(id="sign-in-again") is not None


def test_whoever_is_not_signed_in_comes_back_after_the_sign_in(stage: TimedServer) -> None:
    page = Browser(stage).open("/account/data")
    user = stage.add_user()
    page = page.browser.page(page.submit("login", username=user.username, password="correct horse battery staple"))
    assert page.id == "account-data-page"
