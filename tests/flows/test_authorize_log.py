"""What the log says of a whole flow, and what it never says."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.accounts import PASSWORD
from tests.support.authorize import ask, third_party
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.relying_party import Browser

WRONG = "a wrong password that must not be logged"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Any:
    """The log lines of whole flows at the finest level, and every secret that passed."""
    changes = {"log_level": "DEBUG", "workers": "1"}
    with running_server(tmp_path_factory.mktemp("logged"), keys_from=signing_keys, **changes) as server:
        secrets = walk(server)
        lines = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
        yield server, lines, secrets


def walk(server: ServerUnderTest) -> set[str]:
    client, user, browser = third_party(server), server.add_user(), Browser(server)
    secrets = {PASSWORD, WRONG, str(client.client.secret), server.settings.secret_key}
    for mode in ("query", "fragment", "form_post"):
        asked = ask(client, browser, prompt="login consent", scope="openid email offline_access", response_mode=mode)
        secrets |= {asked.verifier}
        asked = asked.then(asked.page.submit("login", username=user.username, password=WRONG))
        asked = asked.log_in(user.username)
        asked = asked.then(asked.page.submit("allow"))
        tokens = client.redeem(asked.callback).json()
        client.redeem(asked.callback, code_verifier="x" * 43)
        client.redeem(asked.callback)
        secrets |= {asked.callback.code, tokens["access_token"], tokens["refresh_token"], tokens["id_token"]}
        secrets |= {value for cookie in browser.http.cookies if (value := cookie.value)}
        fresh = ask(client, browser, scope="openid email offline_access", prompt="consent")
        fresh = fresh.then(fresh.page.submit("allow"))
        tokens = client.redeem(fresh.callback).json()
        again = client.refresh(tokens["refresh_token"]).json()
        secrets |= {fresh.callback.code, tokens["refresh_token"], again["refresh_token"], again["access_token"]}
        client.userinfo(again["access_token"])
        requests.get(server.url("/userinfo"), params={"access_token": again["access_token"]}, timeout=15)
        client.introspect(again["refresh_token"])
        client.revoke(again["refresh_token"])
        client.refresh(again["refresh_token"])
        client.post(
            "/token", {"grant_type": "refresh_token", "refresh_token": "x"}, auth=(client.client.client_id, WRONG)
        )
        ask(client, browser, prompt="none", id_token_hint=tokens["id_token"])
        browser.open(f"/logout?id_token_hint={tokens['id_token']}")
    return secrets


@pytest.mark.asvs("16.2.5")
def test_no_token_code_password_secret_or_cookie_is_in_the_log_of_a_whole_flow(logged: Any) -> None:
    server, _, secrets = logged
    text = server.log_text()
    assert len(secrets) > 20
    for secret in secrets:
        assert secret not in text
        assert secret.split(".")[-1] not in text, "not even its signature"
        assert json.dumps(secret)[1:-1] not in text


@pytest.mark.asvs("16.2.5")
def test_no_token_code_password_or_secret_is_in_the_audit_table(logged: Any) -> None:
    server, _, secrets = logged
    events = json.dumps(server.store.audit_events.list(limit=1000), default=str)
    assert not [secret for secret in secrets if secret in events]


@pytest.mark.asvs("16.2.1", "16.2.4")
def test_every_line_of_a_request_is_json_with_its_id_time_and_address(logged: Any) -> None:
    server, lines, _ = logged
    raw = [line for line in server.log_text().splitlines() if line.strip()]
    noise = [line for line in raw if not line.startswith("{")]
    assert not [line for line in noise if "Traceback" in line or "rror" in line], noise
    ours = [line for line in lines if line["event"] not in {"startup"} and "request_id" in line]
    requests_seen = [line for line in ours if line["event"] == "request"]
    assert len(requests_seen) > 50
    for line in ours:
        assert {"event", "level", "timestamp", "request_id", "address"} <= line.keys()
        assert line["timestamp"].endswith("Z")
    for line in requests_seen:
        assert {"method", "path", "status", "ms"} <= line.keys()
        assert "?" not in line["path"]
    unexpected = [line for line in lines if line["level"] in {"error", "critical"}]
    assert unexpected == []


@pytest.mark.asvs("16.3.1")
def test_sign_ins_refusals_and_consents_are_events_of_the_request_that_caused_them(logged: Any) -> None:
    server, lines, _ = logged
    by_id: dict[str, set[str]] = {}
    for line in lines:
        by_id.setdefault(line.get("request_id", ""), set()).add(line["event"])
    for event in ("sign_in.succeeded", "sign_in.failed", "consent.given", "code.replayed"):
        assert any(event in events and "request" in events for events in by_id.values()), event
    stored = {event["event"]: event for event in server.store.audit_events.list(limit=1000)}
    assert {"sign_in.succeeded", "sign_in.failed", "consent.given", "code.replayed"} <= stored.keys()
    assert stored["sign_in.failed"]["request_id"] in by_id
    assert stored["sign_in.failed"]["address"] == "127.0.0.1"


@pytest.mark.asvs("16.4.1")
def test_what_a_stranger_sends_cannot_forge_a_line_of_the_log(logged: Any) -> None:
    server, _, _ = logged
    forged = 'x"}\n{"event": "forged", "level": "info"}'
    requests.get(server.url("/authorize"), params={"client_id": forged}, timeout=15)
    requests.get(server.url("/" + "%0A%7B%22event%22%3A%22forged%22%7D"), timeout=15)
    lines = [json.loads(line) for line in server.log_text().splitlines() if line.startswith("{")]
    assert "forged" not in {line["event"] for line in lines}
