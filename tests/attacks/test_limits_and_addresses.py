"""Whom the limits count, what they count, and what they leave in the audit trail."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from idp.web.proxy import client_address, load_networks
from tests.support.idp_server import ServerUnderTest, TimedServer, running_server
from tests.support.relying_party import Browser, RelyingParty


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """One process that limits, behind a trusted proxy, so that every test can come from addresses of its own."""
    changes = {"ratelimit_enabled": "true", "workers": "1", "trusted_proxies": "127.0.0.1"}
    with running_server(tmp_path_factory.mktemp("limited"), keys_from=signing_keys, **changes) as server:
        yield server


def come_from(server: ServerUnderTest, address: str) -> Browser:
    return Browser(server, **{"X-Forwarded-For": address})


def guess(server: ServerUnderTest, address: str) -> int:
    """At a name that nobody else tries, so that the limit of the address alone decides."""
    page, name = come_from(server, address).open("/login"), f"nobody{secrets.token_hex(5)}"
    return page.submit("login", username=name, password="wrong").status_code if page.status == 200 else page.status


# --- Whom a limit counts


@pytest.mark.asvs("6.3.1")
def test_a_household_of_ipv6_addresses_is_counted_as_one(limited: ServerUnderTest) -> None:
    for last in range(1, 6):
        assert guess(limited, f"2001:db8:1:1:{last:x}::{last}") == 200
    assert guess(limited, "2001:db8:1:1:ffff:ffff:ffff:ffff") == 429
    assert guess(limited, "2001:db8:1:2::1") == 200, "the next household"


@pytest.mark.asvs("6.3.1")
def test_an_ipv4_address_is_the_same_in_its_ipv6_clothes(limited: ServerUnderTest) -> None:
    forms = ["192.0.2.50", "::ffff:192.0.2.50", "::ffff:c000:0232", "0:0:0:0:0:ffff:192.0.2.50", "::FFFF:192.0.2.50"]
    assert [guess(limited, form) for form in forms] == [200] * 5
    assert guess(limited, "192.0.2.50") == 429
    assert guess(limited, "::ffff:192.0.2.51") == 200, "mapped addresses are not one network"


@pytest.mark.asvs("4.1.3")
@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1", id="a mapped peer is the trusted proxy"),
        pytest.param("::ffff:198.51.100.7", "192.0.2.1", "198.51.100.7", id="a mapped peer that nobody trusts"),
        pytest.param("10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1", id="a mapped entry"),
        pytest.param("10.0.0.1", "192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1", id="a mapped second proxy"),
        pytest.param("10.0.0.1", "fe80::1%eth0", "10.0.0.1", id="a zone id"),
        pytest.param("10.0.0.1", "192.0.2.9, 2001:db8::1%1", "10.0.0.1", id="a zone id in front of another entry"),
        pytest.param("10.0.0.1", "fd00::1%x", "10.0.0.1", id="a zone id on a trusted network"),
        pytest.param("10.0.0.1", "192.0.2.1:1234", "10.0.0.1", id="a port"),
        pytest.param("10.0.0.1", "010.0.0.9", "10.0.0.1", id="octal"),
        pytest.param("10.0.0.1", "2130706433", "10.0.0.1", id="a bare number"),
        pytest.param("fe80::1%eth0", "192.0.2.1", "fe80::1%eth0", id="a peer with a zone id"),
        pytest.param("", "192.0.2.1", "unknown", id="no peer"),
    ],
)
def test_the_address_of_a_request_in_odd_clothes(peer: str, forwarded: str, expected: str) -> None:
    trusted = load_networks(("10.0.0.0/8", "fd00::/8"))
    assert client_address({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}, trusted) == expected


@pytest.mark.parametrize("address", ["fe80::1%eth0", "unknown", "2001:db8::1", "::ffff:192.0.2.1", "192.0.2.1"])
def test_whatever_the_address_looks_like_somebody_is_counted(address: str) -> None:
    from flask import Flask, g

    from idp.web.limits import limited_network

    with Flask("nothing").app_context():
        g.address = address
        assert limited_network()


# --- What is counted


@pytest.mark.asvs("2.4.1")
def test_the_sign_in_page_is_limited_like_any_page_and_the_sign_in_itself_more_narrowly(
    limited: ServerUnderTest,
) -> None:
    browser = come_from(limited, "192.0.2.60")
    page = browser.open("/login")
    guesses = [page.submit("login", username=f"nobody{n}", password="wrong").status_code for n in range(6)]
    assert guesses == [200] * 5 + [429]
    seen = [browser.get("/login").status_code for _ in range(60)]
    assert set(seen) == {200, 429}
    refused_from = seen.index(429)
    assert 50 <= refused_from < 60, "sixty a minute, of which the tries were some"
    assert set(seen[refused_from:]) == {429}


@pytest.mark.asvs("6.3.1")
def test_asking_with_another_method_is_no_way_around_the_limit(limited: ServerUnderTest) -> None:
    browser = come_from(limited, "192.0.2.61")
    url, fields = browser.open("/login").fields("login")
    form = fields | {"username": "nobody by any method", "password": "wrong"}
    for method in ("HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "post"):
        answer = browser.http.request(method, url, data=form, allow_redirects=False, timeout=15)
        assert answer.status_code in {200, 405}
        assert "do not go together" not in answer.text or method == "post"
    overridden = {"X-HTTP-Method-Override": "GET", "X-Method-Override": "GET"}
    answers = [browser.post(url, data=form, headers=overridden).status_code for _ in range(6)]
    assert answers[-1] == 429


# --- What is left in the audit trail


@pytest.mark.asvs("16.3.1", "2.4.1")
def test_a_limited_sign_in_is_an_event_once_a_minute_for_each_network(limited: ServerUnderTest) -> None:
    for address in ["2001:db8:9:9::1"] * 5 + ["2001:db8:9:9::2"] * 5 + ["192.0.2.70"] * 9:
        guess(limited, address)
    events = [event for event in limited.store.audit_events.list(limit=1000) if event["event"] == "sign_in.limited"]
    ours = [str(event["address"]) for event in events if str(event["address"]) in {"192.0.2.70", "2001:db8:9:9::2"}]
    assert sorted(ours) == ["192.0.2.70", "2001:db8:9:9::2"]


@pytest.mark.asvs("16.3.1", "2.4.1")
def test_failed_client_authentication_is_an_event_once_a_minute_for_each_client(timed: TimedServer) -> None:
    first, second = RelyingParty(timed, timed.add_client()), RelyingParty(timed, timed.add_client())

    def fail(party: RelyingParty, times: int) -> None:
        for path in ["/token", "/introspect", "/revoke"] * times:
            auth = (party.client.client_id, "wrong secret")
            answer = requests.post(timed.url(path), data={"token": "x"}, auth=auth, timeout=15)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    def events() -> list[str]:
        found = timed.store.audit_events.list(limit=1000)
        return [str(e["client_id"]) for e in found if e["event"] == "client.authentication_failed"]

    fail(first, 3)
    assert events() == [first.client.client_id]
    fail(second, 1)
    fail(first, 1)
    assert sorted(events()) == sorted([first.client.client_id, second.client.client_id])
    timed.forward(61)
    fail(first, 2)
    assert events().count(first.client.client_id) == 2
    assert "wrong secret" not in str(timed.store.audit_events.list(limit=1000))


def test_clients_that_do_not_exist_fill_no_table(timed: TimedServer) -> None:
    for number in range(20):
        requests.post(timed.url("/token"), data={"grant_type": "x"}, auth=(f"nobody-{number}", "x"), timeout=15)
    assert timed.store.audit_events.list() == []
