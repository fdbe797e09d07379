"""Refresh tokens that rotate: one live branch, honest repeats answered, real replays fatal (RFC 9700 §4.14.2)."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from idp.store.refresh_tokens import RefreshTokenStore
from idp.store.tables import metadata
from tests.support.idp_server import ServerUnderTest, TimedServer, make_settings, timed_server
from tests.support.races import meet_before
from tests.support.relying_party import RelyingParty
from tests.support.scene import Scene, open_scene, refused

DEAD = (400, "invalid_grant")


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


def successor(party: RelyingParty, token: str) -> str:
    answer = party.refresh(token)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["refresh_token"])


def check_family_is_dead(party: RelyingParty, tokens: dict[str, Any], *refresh_tokens: str) -> None:
    for token in refresh_tokens:
        assert refused(party.refresh(token)) == DEAD
    assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")


# --- Single use, and the window


@pytest.mark.spec("RFC 6749", "6", "MUST")
@pytest.mark.asvs("10.4.5")
@pytest.mark.parametrize("public", [True, False])
def test_a_refresh_gives_new_tokens_and_another_refresh_token(scene: Scene, public: bool) -> None:
    party = scene.client(public=public)
    first = scene.offline(party)
    second = party.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert party.userinfo(second["access_token"]).status_code == 200
    assert party.userinfo(first["access_token"]).status_code == 200


@pytest.mark.spec("RFC 9700", "4.14.2", "SHOULD")
def test_a_lost_answer_is_answered_again_with_the_same_successor(scene: Scene) -> None:
    party = scene.client(public=True)
    token = scene.offline(party)["refresh_token"]
    assert successor(party, token) == successor(party, token) == successor(party, token)


def test_requests_at_the_same_instant_all_get_the_one_successor(scene: Scene) -> None:
    party = scene.client(public=True)
    token = scene.offline(party)["refresh_token"]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: party.refresh(token), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    branches = {answer.json()["refresh_token"] for answer in answers}
    assert len(branches) == 1
    assert party.refresh(branches.pop()).status_code == 200


@pytest.mark.parametrize("window", ["30", "0"])
def test_of_two_requests_that_both_found_the_token_unused_one_rotates_it(
    tmp_path: Path, signing_keys: Path, monkeypatch: pytest.MonkeyPatch, window: str
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, refresh_token_reuse_window=window) as timed:
        scene = open_scene(timed)
        party = scene.client(public=True)
        token = scene.offline(party)["refresh_token"]
        meet_before(monkeypatch, RefreshTokenStore, "rotate", callers=2)
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: party.refresh(token), range(2)))
        good = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
        assert len(set(good)) == 1
        assert len(good) == (2 if window == "30" else 1)
        assert party.refresh(good[0]).status_code == (200 if window == "30" else 400)


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
@pytest.mark.asvs("10.4.5")
def test_a_token_repeated_after_its_successor_was_used_kills_the_family(scene: Scene) -> None:
    party = scene.client(public=True)
    first = scene.offline(party)
    second = party.refresh(first["refresh_token"]).json()
    third = party.refresh(second["refresh_token"]).json()
    assert refused(party.refresh(first["refresh_token"])) == DEAD
    for tokens in (first, second, third):
        assert refused(party.refresh(tokens["refresh_token"])) == DEAD
        assert refused(party.userinfo(tokens["access_token"])) == (401, "invalid_token")


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
@pytest.mark.asvs("10.4.5")
@pytest.mark.parametrize(("seconds", "is_forgiven"), [(15, True), (32, False)])
def test_a_repeat_is_forgiven_inside_the_window_of_half_a_minute_only(
    timed: TimedServer, seconds: int, is_forgiven: bool
) -> None:
    scene = open_scene(timed)
    party = scene.client(public=True)
    tokens = scene.offline(party)
    second = successor(party, tokens["refresh_token"])
    timed.forward(seconds)
    if is_forgiven:
        assert successor(party, tokens["refresh_token"]) == second
    else:
        check_family_is_dead(party, tokens, tokens["refresh_token"], second)


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_a_window_of_zero_forgives_nothing(tmp_path: Path, signing_keys: Path) -> None:
    with timed_server(tmp_path, keys_from=signing_keys, refresh_token_reuse_window="0") as timed:
        scene = open_scene(timed)
        party = scene.client(public=True)
        tokens = scene.offline(party)
        second = successor(party, tokens["refresh_token"])
        check_family_is_dead(party, tokens, tokens["refresh_token"], second)


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
@pytest.mark.asvs("10.4.5")
def test_a_used_token_that_comes_back_after_its_own_idle_end_still_kills_the_living_family(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(public=True, refresh_token_idle_lifetime=1000)
    stolen = scene.offline(party)["refresh_token"]
    timed.forward(900)
    living = successor(party, stolen)
    timed.forward(900)
    living = successor(party, living)
    assert refused(party.refresh(stolen)) == DEAD
    assert refused(party.refresh(living)) == DEAD


def test_a_lost_answer_just_before_the_idle_end_is_repeated_just_after_it(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(public=True, refresh_token_idle_lifetime=1000)
    token = scene.offline(party)["refresh_token"]
    timed.forward(990)
    second = successor(party, token)
    timed.forward(20)
    assert successor(party, token) == second


def test_a_repeat_after_the_secret_key_was_changed_gets_the_same_successor(tmp_path: Path, signing_keys: Path) -> None:
    old, new = "old-" + secrets.token_urlsafe(40), "new-" + secrets.token_urlsafe(40)
    with timed_server(tmp_path, keys_from=signing_keys, secret_key=old) as timed:
        scene = open_scene(timed)
        party = scene.client(public=True)
        token = scene.offline(party)["refresh_token"]
        second = successor(party, token)
    settings, environment = make_settings(tmp_path, port=timed.settings.port, secret_key=new, secret_key_previous=old)
    with TimedServer(settings, environment).serving():
        assert successor(party, token) == second
        third = successor(party, second)
        assert refused(party.refresh(token)) == DEAD
        assert refused(party.refresh(third)) == DEAD


def test_a_repeat_after_the_secret_key_was_lost_kills_the_family_rather_than_open_a_second_branch(
    tmp_path: Path, signing_keys: Path
) -> None:
    with timed_server(tmp_path, keys_from=signing_keys) as timed:
        scene = open_scene(timed)
        party = scene.client(public=True)
        token = scene.offline(party)["refresh_token"]
        second = successor(party, token)
    settings, environment = make_settings(tmp_path, port=timed.settings.port)
    with TimedServer(settings, environment).serving():
        assert refused(party.refresh(token)) == DEAD
        assert refused(party.refresh(second)) == DEAD


# --- Who rotates


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
@pytest.mark.asvs("10.4.5")
@pytest.mark.parametrize(
    ("changes", "rotates"),
    [
        pytest.param({"public": True, "rotate_refresh_tokens": False}, True, id="a public client always"),
        pytest.param({"rotate_refresh_tokens": True}, True, id="a confidential client by default"),
        pytest.param({"rotate_refresh_tokens": False}, False, id="a confidential client can do without"),
    ],
)
def test_rotation_is_per_client_but_not_optional_for_public_ones(
    scene: Scene, changes: dict[str, Any], rotates: bool
) -> None:
    party = scene.client(**changes)
    token = scene.offline(party)["refresh_token"]
    after = [successor(party, token), successor(party, token)]
    assert after[0] == after[1]
    assert (after[0] != token) is rotates


def test_a_token_that_does_not_rotate_may_be_used_for_ever_within_its_lifetimes(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(rotate_refresh_tokens=False)
    token = scene.offline(party)["refresh_token"]
    for _ in range(3):
        timed.forward(600_000)
        assert successor(party, token) == token


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_a_token_used_while_the_client_rotated_stays_used_when_it_no_longer_does(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client()
    tokens = scene.offline(party)
    second = successor(party, tokens["refresh_token"])
    third = successor(party, second)
    timed.store.clients.save(replace(party.client.metadata, rotate_refresh_tokens=False), now=timed.now)
    time.sleep(1.1)  # the server reads a client at most once a second
    assert refused(party.refresh(tokens["refresh_token"])) == DEAD
    assert refused(party.refresh(third)) == DEAD


# --- Bound to the client


@pytest.mark.spec("RFC 6749", "6", "MUST")
@pytest.mark.parametrize("used", [False, True])
def test_another_clients_refresh_token_is_refused_and_lives_on(scene: Scene, used: bool) -> None:
    party, other = scene.client(public=True), scene.client(public=True)
    token = scene.offline(party)["refresh_token"]
    living = successor(party, token) if used else token
    assert refused(other.refresh(token)) == DEAD
    assert party.refresh(living).status_code == 200


@pytest.mark.parametrize(
    "token", ["rt_", "rt_" + "A" * 43, "x", "rt_" + "é" * 20, "rt_\u202e", "r" * 16_000], ids=lambda token: token[:12]
)
def test_a_made_up_token_is_refused(scene: Scene, token: str) -> None:
    assert refused(scene.client(public=True).refresh(token)) == DEAD


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.asvs("9.2.2")
@pytest.mark.parametrize("kind", ["access_token", "id_token"])
def test_no_other_token_refreshes(scene: Scene, kind: str) -> None:
    party = scene.client()
    assert refused(party.refresh(scene.offline(party)[kind])) == DEAD


def test_refresh_tokens_codes_and_session_ids_are_stored_as_hashes(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client()
    callback = party.sign_in(scene.browser, scope="openid offline_access")
    tokens = party.redeem(callback).json()
    token, second = tokens["refresh_token"], successor(party, tokens["refresh_token"])
    cookies = [cookie.value for cookie in scene.browser.http.cookies if cookie.name.endswith("idp_session")]
    assert cookies
    with timed.store.database.reading() as connection:
        kept = repr([tuple(row) for table in metadata.sorted_tables for row in connection.execute(select(table))])
    assert party.client.client_id in kept
    for secret in (callback.code, token, second, tokens["access_token"], str(party.client.secret), *cookies):
        assert secret not in kept


@pytest.mark.asvs("11.5.1")
def test_codes_and_refresh_tokens_have_at_least_256_random_bits(scene: Scene) -> None:
    party = scene.client(public=True)
    callbacks = [party.sign_in(scene.browser, scope="openid offline_access") for _ in range(3)]
    codes = [callback.code for callback in callbacks]
    first = [party.redeem(callback).json()["refresh_token"].removeprefix("rt_") for callback in callbacks]
    later = [successor(party, "rt_" + token).removeprefix("rt_") for token in first]
    assert len({*codes, *first, *later}) == 9
    assert min(map(len, (*codes, *first, *later))) >= 43
