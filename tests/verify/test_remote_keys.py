"""The server's keys in an API: followed when they change, kept when the server is down, never asked for too often."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from idp_verify import InvalidToken, KeysUnavailable, TokenVerifier
from tests.verify.event_loop import run_in_loop
from tests.verify.issuer import API, ISSUER, JWKS, KID, METADATA, Issuer, other_key


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_let_in(verifier: TokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except InvalidToken:
        return False
    return True


# --- Rotation --------------------------------------------------------------------------------------------------------


def test_the_keys_are_fetched_once_and_not_before_the_first_token(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    assert issuer.fetched == []
    for _ in range(50):
        verifier.verify(issuer.token())
    assert issuer.fetched == [METADATA, JWKS]


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_a_token_of_a_new_key_is_let_in_at_once(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token())
    issuer.publish({KID: issuer.key, "key-2": other_key})
    issuer.hands.forward(31)
    assert is_let_in(verifier, issuer.token(key=other_key, header={"kid": "key-2"}))
    assert is_let_in(verifier, issuer.token())
    assert issuer.refreshes == 2


def test_a_key_that_is_published_no_more_is_dead_once_the_copy_is_old(issuer: Issuer) -> None:
    verifier = issuer.verifier(max_age=300)
    stolen = issuer.token(exp=2_000_000_000)
    assert is_let_in(verifier, stolen)
    issuer.publish({"key-2": other_key})
    issuer.hands.forward(301)  # it has had no token for a while: the first one waits for the keys of now
    assert not is_let_in(verifier, stolen)


def test_in_the_last_fifth_of_its_life_the_copy_is_refreshed_while_requests_go_on(issuer: Issuer) -> None:
    verifier = issuer.verifier(max_age=300)
    verifier.verify(issuer.token())
    issuer.hands.forward(239)
    verifier.verify(issuer.token())
    assert issuer.refreshes == 1
    issuer.hands.forward(2)
    issuer.gate.clear()  # the server is slow, and nobody notices
    verifier.verify(issuer.token())
    issuer.gate.set()
    wait_until(lambda: issuer.fetched == [METADATA, JWKS] * 2)


def test_a_key_set_may_move(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token())
    issuer.documents[f"{ISSUER}/keys"] = issuer.documents.pop(JWKS)
    issuer.documents[METADATA]["jwks_uri"] = f"{ISSUER}/keys"
    issuer.hands.forward(400)
    verifier.verify(issuer.token())
    assert issuer.fetched[-1] == f"{ISSUER}/keys"


# --- Floods ----------------------------------------------------------------------------------------------------------


@pytest.mark.asvs("9.1.3")
def test_a_flood_of_made_up_kids_costs_the_server_one_look_in_each_cooldown(issuer: Issuer) -> None:
    verifier = issuer.verifier(cooldown=30)
    verifier.verify(issuer.token())
    issuer.hands.forward(31)
    for round_ in range(3):
        for number in range(300):
            assert not is_let_in(verifier, issuer.token("{}", header={"kid": f"made-up-{round_}-{number}"}))
        assert is_let_in(verifier, issuer.token())
        issuer.hands.forward(31)
    assert issuer.refreshes == 1 + 3


def test_a_flood_from_many_threads_shares_one_fetch(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token())
    issuer.hands.forward(31)
    issuer.gate.clear()
    with ThreadPoolExecutor(16) as pool:
        flood = [pool.submit(is_let_in, verifier, issuer.token("{}", header={"kid": f"x{n}"})) for n in range(64)]
        honest = pool.submit(is_let_in, issuer.verifier(fetch=lambda url: issuer.fetch(url)), issuer.token())
        wait_until(lambda: issuer.refreshes >= 2)
        issuer.gate.set()
        assert not any(each.result() for each in flood)
        assert honest.result()
    assert issuer.refreshes == 3  # the first one, one for the flood, one of the other verifier


def test_a_known_kid_with_another_algorithm_causes_no_fetch(issuer: Issuer) -> None:
    verifier = issuer.verifier(algorithms=["RS256", "PS256"])
    verifier.verify(issuer.token())
    issuer.hands.forward(31)
    assert not is_let_in(verifier, issuer.token(header={"alg": "PS256"}))
    assert issuer.refreshes == 1


def test_headers_made_up_by_strangers_take_no_memory(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    for number in range(1000):
        is_let_in(verifier, issuer.token("{}", header={"kid": f"made-up-{number}"}))
    assert len(verifier._headers) <= 64


# --- Threads and event loops -----------------------------------------------------------------------------------------


def test_many_threads_at_the_first_moment_fetch_once_and_all_are_let_in(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    issuer.gate.clear()
    with ThreadPoolExecutor(24) as pool:
        results = [pool.submit(verifier.verify, token) for _ in range(24)]
        wait_until(lambda: bool(issuer.fetched))
        issuer.gate.set()
        assert {each.result().subject for each in results} == {"u_ada"}
    assert issuer.fetched == [METADATA, JWKS]


def test_threads_verify_while_the_keys_change_under_them(issuer: Issuer) -> None:
    verifier = issuer.verifier(cooldown=0)
    issuer.publish({KID: issuer.key, "key-2": other_key})
    tokens = [issuer.token(), issuer.token(key=other_key, header={"kid": "key-2"})]

    def verify_all(number: int) -> bool:
        issuer.hands.forward(1)
        return all(verifier.verify(tokens[(number + turn) % 2]).subject == "u_ada" for turn in range(60))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(verify_all, range(24)))


def test_an_event_loop_goes_on_while_the_keys_are_fetched(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    issuer.gate.clear()

    async def ask() -> tuple[int, list[Any]]:
        asking = [asyncio.create_task(verifier.verify_async(token)) for _ in range(200)]
        turns = 0
        while not issuer.fetched or turns < 50:
            turns += 1
            await asyncio.sleep(0.001)
        issuer.gate.set()
        return turns, await asyncio.gather(*asking)

    turns, results = run_in_loop(ask())
    assert turns >= 50
    assert {each.subject for each in results} == {"u_ada"}
    assert issuer.fetched == [METADATA, JWKS]


def test_one_verifier_serves_several_event_loops_and_one_may_end_while_it_waits(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(timeout=5), issuer.token()
    issuer.gate.clear()

    async def give_up() -> None:
        async with asyncio.timeout(0.05):
            await verifier.verify_async(token)

    with pytest.raises(TimeoutError):
        run_in_loop(give_up())
    issuer.gate.set()
    assert run_in_loop(verifier.verify_async(token)).subject == "u_ada"
    assert issuer.refreshes == 1


# --- Outages ---------------------------------------------------------------------------------------------------------


def test_tokens_are_checked_with_the_last_keys_while_the_server_is_down_but_not_for_ever(issuer: Issuer) -> None:
    verifier = issuer.verifier(max_age=300, stale_for=3600)
    verifier.verify(issuer.token())
    issuer.is_down = True
    for _ in range(35):
        issuer.hands.forward(100)
        assert is_let_in(verifier, issuer.token())
        assert not is_let_in(verifier, issuer.token(key=other_key))
    issuer.hands.forward(101)
    with pytest.raises(KeysUnavailable, match="cannot be checked at the moment"):
        verifier.verify(issuer.token())
    issuer.is_down = False
    issuer.hands.forward(31)
    assert is_let_in(verifier, issuer.token())


def test_during_an_outage_only_the_first_request_waits(issuer: Issuer) -> None:
    verifier = issuer.verifier(max_age=300, timeout=10)
    verifier.verify(issuer.token())
    issuer.is_down = True
    issuer.hands.forward(400)
    assert is_let_in(verifier, issuer.token())  # waits, and learns of the outage
    issuer.gate.clear()  # from now on the server does not even refuse
    issuer.hands.forward(40)
    began = time.monotonic()
    for number in range(20):
        assert is_let_in(verifier, issuer.token())
        assert not is_let_in(verifier, issuer.token(header={"kid": f"x{number}"}))
    assert time.monotonic() - began < 10
    issuer.gate.set()


def test_the_server_is_asked_seldom_while_it_is_down(issuer: Issuer) -> None:
    verifier = issuer.verifier(max_age=300, cooldown=30)
    verifier.verify(issuer.token())
    issuer.is_down = True
    issuer.hands.forward(300)
    for _ in range(300):
        issuer.hands.forward(1)
        verifier.verify(issuer.token())
    assert issuer.refreshes <= 1 + 300 / 30 + 1


def test_an_api_that_starts_before_its_server_finds_the_keys_a_second_after_it_is_there(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    issuer.is_down = True
    for _ in range(20):
        with pytest.raises(KeysUnavailable):
            verifier.verify(issuer.token())
    assert issuer.refreshes == 1
    issuer.is_down = False
    issuer.hands.forward(1.1)
    assert is_let_in(verifier, issuer.token())


def test_a_refresh_that_never_ends_is_given_up(issuer: Issuer) -> None:
    verifier = issuer.verifier(timeout=0.05)
    issuer.gate.clear()
    with pytest.raises(KeysUnavailable):
        verifier.verify(issuer.token())
    hanging, issuer.gate = issuer.gate, type(issuer.gate)()
    issuer.gate.set()
    issuer.hands.forward(2)
    wait_until(lambda: is_available(verifier, issuer))
    hanging.set()


def test_a_child_process_fetches_for_itself_what_its_parent_was_fetching_at_the_fork(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = issuer.verifier(timeout=0.2)
    issuer.gate.clear()
    with pytest.raises(KeysUnavailable):
        verifier.verify(issuer.token())
    of_parent, issuer.gate = issuer.gate, type(issuer.gate)()
    issuer.gate.set()
    monkeypatch.setattr("idp_verify.remote_keys.os.getpid", lambda: 1)  # as after a fork: another process, no thread
    wait_until(lambda: is_available(verifier, issuer))
    of_parent.set()


def is_available(verifier: TokenVerifier, issuer: Issuer) -> bool:
    try:
        return verifier.verify(issuer.token()).subject == "u_ada"
    except KeysUnavailable:
        return False


def test_an_error_that_nobody_thought_of_is_logged_and_ends_nothing(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(url: str) -> bytes:
        raise RuntimeError(url)

    with pytest.raises(KeysUnavailable):
        issuer.verifier(fetch=explode).verify(issuer.token())
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


# --- What is taken for the server's keys -----------------------------------------------------------------------------


@pytest.mark.spec("RFC 8414", "3.3", "MUST")
@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"issuer": "https://evil.example", "jwks_uri": JWKS}, id="another issuer"),
        pytest.param({"issuer": f"{ISSUER}/", "jwks_uri": JWKS}, id="a slash more"),
        pytest.param({"jwks_uri": JWKS}, id="no issuer"),
        pytest.param({"issuer": ISSUER}, id="no jwks_uri"),
        pytest.param({"issuer": ISSUER, "jwks_uri": 1}, id="jwks_uri is a number"),
        pytest.param({"issuer": ISSUER, "jwks_uri": "http://id.example.com/jwks"}, id="keys over http"),
        pytest.param({"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/jwks"}, id="keys from this machine"),
        pytest.param({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, id="keys from a file"),
        pytest.param(b"<html>", id="not JSON"),
        pytest.param([], id="a list"),
        pytest.param(b'{"issuer":"https://evil.example","issuer":"https://id.example.com"}', id="issuer twice"),
    ],
)
def test_metadata_of_somebody_else_give_no_keys(issuer: Issuer, metadata: object) -> None:
    issuer.documents[METADATA] = metadata
    with pytest.raises(KeysUnavailable):
        issuer.verifier().verify(issuer.token())
    assert all(url in {METADATA, JWKS} for url in issuer.fetched)


def jwk_of(issuer: Issuer) -> dict[str, Any]:
    return dict(issuer.documents[JWKS]["keys"][0])


@pytest.mark.spec("RFC 7517", "4", "MUST")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"use": "enc"}, id="for encryption"),
        pytest.param({"key_ops": ["encrypt"]}, id="for other operations"),
        pytest.param({"alg": "RS512"}, id="for another algorithm"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0"}, id="a shared secret"),
        pytest.param({"d": "AQAB"}, id="with its private half"),
        pytest.param({"kid": None}, id="kid is null"),
        pytest.param({"kid": ""}, id="kid is empty"),
        pytest.param({"n": "AQAB"}, id="far too small"),
        pytest.param({"n": "_" * 170 + "8"}, id="1024 bits"),
        pytest.param({"n": "_" * 2000}, id="12000 bits"),
        pytest.param({"e": "Ag"}, id="an even exponent"),
        pytest.param({"n": "+++"}, id="not base64url"),
        pytest.param({"n": 7}, id="a number"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_a_sound_public_signing_key_is_passed_over(issuer: Issuer, change: dict[str, Any]) -> None:
    honest, token = jwk_of(issuer), issuer.token()
    issuer.documents[JWKS] = {"keys": [honest | change, "no key", 7, {}]}
    with pytest.raises(KeysUnavailable):
        issuer.verifier().verify(token)
    issuer.documents[JWKS] = {"keys": [honest | {"kid": "other"} | change, honest, {"kty": "future"}]}
    assert is_let_in(issuer.verifier(), token)


def test_of_two_keys_with_one_name_neither_is_taken(issuer: Issuer) -> None:
    honest = jwk_of(issuer)
    issuer.publish({KID: other_key})
    issuer.documents[JWKS]["keys"] += [honest, honest | {"kid": "alone"}]
    assert not is_let_in(issuer.verifier(), issuer.token())
    assert not is_let_in(issuer.verifier(), issuer.token(key=other_key))
    assert is_let_in(issuer.verifier(), issuer.token(header={"kid": "alone"}))


@pytest.mark.parametrize("keys", [None, {}, [], [{"kty": "RSA"}] * 51])
def test_a_bad_key_set_leaves_the_last_good_one_in_place(issuer: Issuer, keys: object) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token())
    issuer.documents[JWKS] = {"keys": keys}
    issuer.hands.forward(400)
    assert is_let_in(verifier, issuer.token())


def test_a_curve_that_is_not_the_algorithms_and_a_point_off_its_curve_are_passed_over(issuer: Issuer) -> None:
    from tests.support.assertions import make_key, public_jwk

    p384, p256 = public_jwk(make_key("ES384"), kid="a"), public_jwk(make_key("ES256"), kid="b")
    short = public_jwk(make_key("ES256"), kid="c") | {"x": "AQAB"}
    issuer.documents[JWKS]["keys"] += [p384, p256 | {"x": p256["y"]}, short]
    verifier = issuer.verifier(algorithms=["RS256", "ES256"])
    verifier.verify(issuer.token())
    for kid in "abc":
        with pytest.raises(InvalidToken):
            verifier.verify(issuer.token(key=make_key("ES256"), header={"alg": "ES256", "kid": kid}))


def test_the_issuer_of_a_tenant_has_its_metadata_below_it() -> None:
    issuer = Issuer()
    tenant = f"{ISSUER}/tenant"
    with pytest.raises(KeysUnavailable):
        TokenVerifier(tenant, API, fetch=issuer.fetch).verify(issuer.token())
    assert issuer.fetched == [f"{tenant}/.well-known/openid-configuration"]
