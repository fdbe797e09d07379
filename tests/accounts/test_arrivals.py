"""An arrival that waits for the person's answer: for one browser, a quarter of an hour, taken up once, and sealed."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from idp.accounts.arrivals import KIND, LIFETIME_SECONDS, claim_arrival, find_arrival, keep_arrival
from idp.accounts.linking import Arrival
from idp.jose.encryption import SecretBox
from idp.server import Server
from idp.store.tables import ephemeral
from tests.accounts.arrivals import NOW, arrival, connection, with_settings
from tests.accounts.conftest import SECRET_KEY
from tests.support.crowd import at_once

BROWSER = "the secret value of this browser"


@pytest.fixture
def ready(house: Server) -> Server:
    return with_settings(house, upstream=(connection("google"), connection("acme")))


def kept(server: Server, guest: Arrival, browser: str = BROWSER) -> str:
    return keep_arrival(server, guest, browser, now=NOW)


def test_an_arrival_comes_back_whole_and_looking_does_not_use_it_up(ready: Server) -> None:
    guest = arrival(
        tokens="sealed",
        names=("Zoë", "李小龍"),
        profile={"name": '👩‍👩‍👧‍👦 " \\ \n'},
        auth_time=NOW - 5,
        email="Zoë@example.com",
    )
    key = kept(ready, guest)
    for _ in range(3):
        assert find_arrival(ready, key, BROWSER, now=NOW) == guest
    assert claim_arrival(ready, key, BROWSER, now=NOW) == guest
    bare = arrival(email=None, email_verified=False, owns_email=False, profile={}, names=())
    assert find_arrival(ready, kept(ready, bare), BROWSER, now=NOW) == bare


def test_an_arrival_is_taken_up_once(ready: Server) -> None:
    key = kept(ready, arrival())
    assert claim_arrival(ready, key, BROWSER, now=NOW) is not None
    assert claim_arrival(ready, key, BROWSER, now=NOW) is None
    assert find_arrival(ready, key, BROWSER, now=NOW) is None


def test_of_sixteen_who_take_it_up_at_the_same_instant_one_gets_it(ready: Server) -> None:
    key = kept(ready, arrival())
    got = at_once(16, lambda _: claim_arrival(ready, key, BROWSER, now=NOW))
    assert sum(each is not None for each in got) == 1


@pytest.mark.asvs("10.1.2")
@pytest.mark.parametrize("other", ["another browser", "", None, BROWSER.upper()])
def test_another_browser_neither_sees_it_nor_uses_it_up(ready: Server, other: str | None) -> None:
    guest = arrival()
    key = kept(ready, guest)
    assert find_arrival(ready, key, other, now=NOW) is None
    assert claim_arrival(ready, key, other, now=NOW) is None
    assert claim_arrival(ready, key, BROWSER, now=NOW) == guest


def test_it_waits_a_quarter_of_an_hour(ready: Server) -> None:
    assert LIFETIME_SECONDS == 15 * 60
    guest = arrival()
    key = kept(ready, guest)
    assert find_arrival(ready, key, BROWSER, now=NOW + LIFETIME_SECONDS - 1) == guest
    assert find_arrival(ready, key, BROWSER, now=NOW + LIFETIME_SECONDS) is None
    assert claim_arrival(ready, key, BROWSER, now=NOW + LIFETIME_SECONDS) is None


@pytest.mark.parametrize("key", [None, "", "guessed", "x" * 5000, "nul\0", "\ud800", "%"])
def test_a_key_that_nobody_was_given_finds_nothing(ready: Server, key: str | None) -> None:
    assert find_arrival(ready, key, BROWSER, now=NOW) is None


def test_keys_cannot_be_guessed(ready: Server) -> None:
    keys = {kept(ready, arrival()) for _ in range(50)}
    assert len(keys) == 50
    assert all(len(key) == 32 for key in keys), "192 random bits"


def test_the_rules_are_those_of_the_connection_as_it_is_configured_now(ready: Server) -> None:
    key = kept(ready, arrival(connection("google", trust_email="link")))
    changed = with_settings(ready, upstream=(connection("google", trust_email="refuse"),))
    found = find_arrival(changed, key, BROWSER, now=NOW)
    assert found is not None
    assert found.connection.trust_email == "refuse"


def test_an_arrival_of_a_connection_that_is_gone_is_nobodys(ready: Server) -> None:
    key = kept(ready, arrival())
    assert find_arrival(with_settings(ready, upstream=()), key, BROWSER, now=NOW) is None


def test_who_it_is_and_their_tokens_lie_there_encrypted(ready: Server) -> None:
    guest = arrival(tokens="hidden-tokens", email="hidden@example.com", subject="hidden-subject", names=("hidden",))
    key = kept(ready, guest)
    with ready.store.database.reading() as database:
        rows = [str(row) for row in database.execute(select(ephemeral)).all()]
    assert not any("hidden" in row or key in row or BROWSER in row for row in rows)
    value = ready.store.ephemeral.get(KIND, key, now=NOW)
    assert value is not None
    assert "hidden" not in json.dumps(value)


@pytest.mark.parametrize(("previous", "is_found"), [((), False), ((SECRET_KEY,), True)])
def test_it_survives_a_new_secret_key_as_long_as_the_old_one_is_known(
    ready: Server, previous: tuple[str, ...], is_found: bool
) -> None:
    guest = arrival()
    key = kept(ready, guest)
    renewed = replace(ready, secret_box=SecretBox("another-secret-key-of-some-length-0123456789", previous))
    assert find_arrival(renewed, key, BROWSER, now=NOW) == (guest if is_found else None)
    assert (claim_arrival(renewed, key, BROWSER, now=NOW) is not None) is is_found
