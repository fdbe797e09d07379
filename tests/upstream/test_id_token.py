"""The rules for another provider's ID token, each alone (OpenID Connect Core §3.1.3.7)."""

from typing import Any

import pytest

from idp.jose.client_keys import InvalidToken, KeysUnavailable
from idp.protocol.identity import Identity
from idp.upstream.errors import NotFresh, Unavailable, Untrustworthy
from idp.upstream.exchange import check_fresh
from idp.upstream.id_token import (
    check_audience,
    check_nonce,
    check_subject,
    check_times,
    load_auth_time,
    load_claims,
)
from idp.upstream.state import Pending
from tests.upstream.samples import CLIENT_ID, NOW, endpoints_of, make_connection

RULES = ("OpenID Connect Core", "3.1.3.7", "MUST")
PENDING = Pending("google", "the-nonce", "the-verifier", NOW)
GOOD = {
    "iss": "https://accounts.google.com",
    "aud": CLIENT_ID,
    "sub": "1",
    "iat": NOW,
    "exp": NOW + 600,
    "nonce": "the-nonce",
}


class Keys:
    """Verifies everything, or fails in one way."""

    def __init__(self, claims: dict[str, Any], error: Exception | None = None) -> None:
        self.claims, self.error = claims, error
        self.algs: tuple[str, ...] = ()

    def verify(self, token: str, jwks_uri: str, *, algs: tuple[str, ...]) -> dict[str, Any]:
        self.algs = algs
        if self.error is not None:
            raise self.error
        return self.claims


def load(claims: dict[str, Any], error: Exception | None = None, token: Any = "a.b.c") -> dict[str, Any]:
    connection = make_connection("google")
    keys: Any = Keys(claims, error)
    return load_claims(token, connection, endpoints_of(connection), PENDING, keys, now=NOW)


def test_a_token_that_is_right_in_everything_is_taken() -> None:
    assert load(GOOD) == GOOD


def test_only_the_algorithms_of_the_provider_are_tried() -> None:
    connection = make_connection("google")
    keys: Any = Keys(GOOD)
    load_claims("a.b.c", connection, endpoints_of(connection), PENDING, keys, now=NOW)
    assert keys.algs == ("RS256",)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"exp": NOW - 61},
        {"iat": NOW + 61},
        {"nonce": "another"},
        {"sub": ""},
        {"azp": "another"},
        {"nbf": NOW + 61},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.spec(*RULES)
@pytest.mark.asvs("10.5.1", "10.5.4")
def test_every_rule_is_applied(changes: dict[str, Any]) -> None:
    with pytest.raises(Untrustworthy):
        load(GOOD | changes)


@pytest.mark.parametrize("missing", GOOD)
@pytest.mark.spec("OpenID Connect Core", "2", "REQUIRED")
def test_no_required_claim_may_be_missing(missing: str) -> None:
    with pytest.raises(Untrustworthy):
        load({name: value for name, value in GOOD.items() if name != missing})


def test_no_token_a_bad_one_and_missing_keys_are_three_different_things() -> None:
    for token in (None, 7, ["a.b.c"]):
        with pytest.raises(Untrustworthy):
            load(GOOD, token=token)
    with pytest.raises(Untrustworthy):
        load(GOOD, InvalidToken("the signature is wrong"))
    with pytest.raises(Unavailable):
        load(GOOD, KeysUnavailable("the keys could not be fetched"))


@pytest.mark.parametrize(
    ("claims", "is_ours"),
    [
        ({"aud": CLIENT_ID}, True),
        ({"aud": [CLIENT_ID]}, True),
        ({"aud": CLIENT_ID, "azp": CLIENT_ID}, True),
        ({"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}, True),
        ({"aud": [CLIENT_ID, "another"]}, False),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, False),
        ({"aud": CLIENT_ID, "azp": "another"}, False),
        ({"aud": CLIENT_ID, "azp": None}, False),
        ({"aud": "another"}, False),
        ({"aud": [[CLIENT_ID]]}, False),
        ({"aud": {CLIENT_ID: 1}}, False),
        ({"aud": f"{CLIENT_ID} another"}, False),
        ({"aud": []}, False),
        ({}, False),
    ],
)
@pytest.mark.spec(*RULES)
@pytest.mark.asvs("10.5.4")
def test_the_audience_is_us(claims: dict[str, Any], is_ours: bool) -> None:
    if is_ours:
        check_audience(claims, CLIENT_ID)
    else:
        with pytest.raises(Untrustworthy):
            check_audience(claims, CLIENT_ID)


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [
        ({"exp": NOW - 59}, True),
        ({"exp": NOW - 60}, False),
        ({"iat": NOW + 60}, True),
        ({"iat": NOW + 61}, False),
        ({"exp": NOW + 0.5}, True),
        ({"exp": str(NOW + 600)}, False),
        ({"exp": True}, False),
        ({"exp": 1e300}, False),
        ({"exp": float("nan")}, False),
        ({"iat": None}, False),
        ({"nbf": NOW + 60}, True),
        ({"nbf": "soon"}, False),
    ],
)
@pytest.mark.spec(*RULES)
def test_the_times_with_a_minute_for_clocks_that_differ(changes: dict[str, Any], is_good: bool) -> None:
    claims = {"iat": NOW, "exp": NOW + 600} | changes
    if is_good:
        check_times(claims, NOW)
    else:
        with pytest.raises(Untrustworthy):
            check_times(claims, NOW)


@pytest.mark.parametrize("nonce", [None, "", "The-nonce", "the-nonce ", 7, ["the-nonce"], "ünïcode", "\ud800"])
@pytest.mark.spec(*RULES)
@pytest.mark.asvs("10.5.1")
def test_the_nonce_is_ours_to_the_letter(nonce: Any) -> None:
    with pytest.raises(Untrustworthy):
        check_nonce({"nonce": nonce}, "the-nonce")
    check_nonce({"nonce": "the-nonce"}, "the-nonce")


@pytest.mark.parametrize("subject", [None, "", "x" * 256, "a\nb", "nul\0", 7, True, ["a"], "\u202eevil"])
@pytest.mark.spec("OpenID Connect Core", "2", "MUST NOT")
@pytest.mark.asvs("10.5.2")
def test_a_subject_is_a_text_of_1_to_255_characters(subject: Any) -> None:
    with pytest.raises(Untrustworthy):
        check_subject(subject)
    check_subject("x" * 255)


def test_the_time_of_the_proof_is_what_the_provider_says_and_never_in_the_future() -> None:
    assert load_auth_time({}, NOW) is None
    assert load_auth_time({"auth_time": NOW - 5}, NOW) == NOW - 5
    assert load_auth_time({"auth_time": NOW + 30}, NOW) == NOW
    for auth_time in (NOW + 61, "now", True, [NOW]):
        with pytest.raises(Untrustworthy):
            load_auth_time({"auth_time": auth_time}, NOW)


@pytest.mark.parametrize(
    ("not_before", "max_age", "auth_time", "is_fresh"),
    [
        (None, None, None, True),
        (None, None, NOW - 9999, True),
        (NOW - 10, None, NOW - 5, True),
        (NOW - 10, None, NOW - 70, True),
        (NOW - 10, None, NOW - 71, False),
        (NOW - 10, None, None, False),
        (None, 600, NOW - 660, True),
        (None, 600, NOW - 661, False),
        (None, 600, None, False),
        (NOW - 10, 600, NOW - 300, False),
        (None, 0, NOW - 60, True),
        (None, 0, NOW - 61, False),
    ],
)
@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
@pytest.mark.asvs("6.8.4")
def test_freshness_is_proved_or_refused(
    not_before: int | None, max_age: int | None, auth_time: int | None, is_fresh: bool
) -> None:
    pending = Pending("x", "n", "v", NOW, not_before=not_before, max_age=max_age)
    assert pending.demands_fresh_sign_in is (not_before is not None or max_age is not None)
    identity = Identity("https://op.example", "s", auth_time=auth_time)
    if is_fresh:
        check_fresh(identity, pending, NOW)
    else:
        with pytest.raises(NotFresh):
            check_fresh(identity, pending, NOW)
