"""Tokens that clients signed: the registered keys decide, the token only says which of them it claims."""

import base64
import contextlib
import threading
from collections.abc import Callable
from random import Random
from typing import Any

import jwt
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from idp.jose.client_keys import (
    InvalidKeys,
    InvalidToken,
    KeysUnavailable,
    RemoteKeys,
    UnknownKey,
    check_client_jwks,
    verify_with_keys,
    verify_with_secret,
)
from idp.outbound import FetchRefused
from tests.jose.tokens import Clock, forge

CLAIMS = {"iss": "client", "sub": "client", "jti": "1"}
RSA, EC, ED = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")
OTHER_EC = ECKey.generate_key("P-256")
SECRET = "correct horse battery staple, and then some"
URI = "https://client.example/jwks"


def public(key: Any, **members: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **members}


def jwks(*keys: dict[str, Any]) -> dict[str, Any]:
    return {"keys": list(keys)}


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        *((alg, RSA) for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ("ES256", EC),
        ("ES384", ECKey.generate_key("P-384")),
        ("ES512", ECKey.generate_key("P-521")),
        ("EdDSA", ED),
        ("Ed25519", ED),
    ],
)
@pytest.mark.spec("RFC 7523", "3", "MUST")
def test_a_token_verifies_with_the_registered_key(alg: str, key: Any) -> None:
    token = forge({"alg": alg}, CLAIMS, key)
    assert verify_with_keys(token, jwks(public(OTHER_EC), public(key)), algs=[alg]) == CLAIMS


def test_a_token_of_another_library_verifies() -> None:
    token = jwt.encode(CLAIMS, EC.private_key, algorithm="ES256", headers={"kid": "k1"})  # type: ignore[arg-type]
    assert verify_with_keys(token, jwks(public(EC, kid="k1")), algs=["ES256"]) == CLAIMS
    assert verify_with_secret(jwt.encode(CLAIMS, SECRET, algorithm="HS256"), SECRET, algs=["HS256"]) == CLAIMS


def test_the_kid_chooses_the_key() -> None:
    keys = jwks(public(OTHER_EC, kid="old"), public(EC, kid="new"))
    assert verify_with_keys(forge({"alg": "ES256", "kid": "new"}, CLAIMS, EC), keys, algs=["ES256"]) == CLAIMS
    with pytest.raises(InvalidToken, match="signature"):
        verify_with_keys(forge({"alg": "ES256", "kid": "old"}, CLAIMS, EC), keys, algs=["ES256"])
    with pytest.raises(UnknownKey):
        verify_with_keys(forge({"alg": "ES256", "kid": "newer"}, CLAIMS, EC), keys, algs=["ES256"])


@pytest.mark.parametrize(
    ("header", "keys", "signer"),
    [
        pytest.param({"alg": "none"}, jwks(public(EC)), None, id="alg none"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, use="enc")), EC, id="RFC 7517 §4.2 use=enc"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, key_ops=["sign"])), EC, id="RFC 7517 §4.3 key_ops"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, key_ops="verify")), EC, id="key_ops not a list"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, alg="ES384")), EC, id="RFC 7517 §4.4 another alg"),
        pytest.param({"alg": "ES256"}, jwks(EC.as_dict(private=True)), EC, id="private key in the JWKS"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, crv="P-384")), EC, id="wrong curve"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, x="AAAA")), EC, id="point not on the curve"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, x="!!")), EC, id="member not base64url"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, x=None)), EC, id="member not text"),
        pytest.param({"alg": "ES256"}, jwks(public(EC, kty=["EC"])), EC, id="kty not text"),
        pytest.param({"alg": "ES256"}, jwks(public(RSA)), EC, id="only a key of another type"),
        pytest.param({"alg": "ES256"}, jwks(public(OTHER_EC)), EC, id="a stranger's signature"),
        pytest.param({"alg": "ES256", "jwk": public(EC)}, jwks(public(OTHER_EC)), EC, id="RFC 8725 §3.9 jwk"),
        pytest.param({"alg": "ES256", "jku": URI}, jwks(public(OTHER_EC)), EC, id="RFC 8725 §3.10 jku"),
        pytest.param({"alg": "ES256", "x5u": URI}, jwks(public(OTHER_EC)), EC, id="RFC 8725 §3.10 x5u"),
        pytest.param({"alg": "ES256", "crit": ["x"], "x": 1}, jwks(public(EC)), EC, id="RFC 7515 §4.1.11 crit"),
        pytest.param({"alg": "RS256"}, jwks(public(RSA)), RSA, id="algorithm not the registered one"),
        pytest.param({"alg": "ES256"}, {}, EC, id="no keys"),
        pytest.param({"alg": "ES256"}, {"keys": {}}, EC, id="keys not a list"),
        pytest.param({"alg": "ES256"}, {"keys": ["x"]}, EC, id="a key not an object"),
        pytest.param({"alg": "ES256"}, {"keys": [public(EC)] * 51}, EC, id="too many keys"),
    ],
)
@pytest.mark.asvs("9.1.2")
@pytest.mark.asvs("9.1.3")
def test_a_token_is_refused(header: dict[str, Any], keys: dict[str, Any], signer: Any) -> None:
    with pytest.raises(InvalidToken):
        verify_with_keys(forge(header, CLAIMS, signer), keys, algs=["ES256"])


@pytest.mark.spec("RFC 8725", "3.1", "MUST")
def test_a_public_key_never_serves_as_a_secret() -> None:
    pem = RSA.as_pem(private=False)
    token = forge({"alg": "HS256"}, CLAIMS, OctKey(pem, pem))
    for algs in (["RS256"], ["RS256", "HS256"]):
        with pytest.raises(InvalidToken, match="algorithm"):
            verify_with_keys(token, jwks(public(RSA)), algs=algs)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.spec("RFC 7518", "3.3", "MUST")
def test_a_short_rsa_key_is_refused_even_with_a_right_signature() -> None:
    short = RSAKey.generate_key(1024)
    with pytest.raises(InvalidToken):
        verify_with_keys(forge({"alg": "RS256"}, CLAIMS, short), jwks(public(short)), algs=["RS256"])
    with pytest.raises(InvalidKeys, match="2048"):
        check_client_jwks(jwks(public(short)))


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_secret_verifies_its_own_tokens_only(alg: str) -> None:
    raw = SECRET.encode()
    token = forge({"alg": alg}, CLAIMS, OctKey(raw, raw))
    assert verify_with_secret(token, SECRET, algs=[alg]) == CLAIMS
    for secret, algs in ((SECRET + "!", [alg]), ("short", [alg]), ("", [alg]), (SECRET, ["ES256"]), (SECRET, [])):
        with pytest.raises(InvalidToken):
            verify_with_secret(token, secret, algs=algs)


@pytest.mark.spec("RFC 7518", "3.2", "MUST")
def test_a_short_secret_is_refused_even_with_a_right_signature() -> None:
    with pytest.raises(InvalidToken, match="too short"):
        verify_with_secret(forge({"alg": "HS256"}, CLAIMS, OctKey(b"short", b"short")), "short", algs=["HS256"])


def test_an_asymmetric_algorithm_never_verifies_with_a_secret() -> None:
    with pytest.raises(InvalidToken, match="algorithm"):
        verify_with_secret(forge({"alg": "ES256"}, CLAIMS, EC), SECRET, algs=["ES256", "HS256"])


def test_a_good_jwks_may_be_registered_with_keys_we_do_not_know_beside() -> None:
    unknown = {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AAAA"}
    check_client_jwks(jwks(public(RSA, kid="1"), public(EC, kid="2"), public(ED, use="enc"), unknown))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        pytest.param(None, "must be an object", id="nothing"),
        pytest.param([], "must be an object", id="a list"),
        pytest.param(jwks(), "must be an object", id="no key"),
        pytest.param(jwks(EC.as_dict(private=True)), "secret", id="a private key"),
        pytest.param(jwks(public(EC), {"kty": "oct", "k": "AAAA"}), "secret", id="a shared secret"),
        pytest.param(jwks(public(EC), {**public(EC), "d": ""}), "secret", id="an empty private member"),
        pytest.param(jwks(public(EC, kid="a"), public(RSA, kid="a")), "same kid", id="a kid twice"),
        pytest.param(jwks(public(EC, kid=["a"])), "not text", id="kid not text"),
        pytest.param(jwks({"kid": "a"}), "no kty", id="no kty"),
        pytest.param(jwks(public(EC, y="AAAA")), "malformed", id="not on the curve"),
        pytest.param(jwks(public(RSA, n="AQAB")), "2048", id="tiny modulus"),
        pytest.param(jwks(public(EC, use="enc")), "no key", id="only for encryption"),
        pytest.param(jwks({"kty": "AKP"}), "no key", id="only an unknown kind"),
    ],
)
@pytest.mark.spec("OpenID Connect Registration 1.0", "2", "MUST NOT")
def test_a_bad_jwks_is_refused_with_a_plain_sentence(document: Any, sentence: str) -> None:
    with pytest.raises(InvalidKeys, match=sentence):
        check_client_jwks(document)


# --- Keys behind a jwks_uri ------------------------------------------------------------------------------------------


class Fetcher:
    """Answers with `document`, or runs `action` first; counts."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.fetches = 0
        self.action: Callable[[], None] = lambda: None

    def get_json(self, url: str) -> dict[str, Any]:
        assert url == URI
        self.fetches += 1
        self.action()
        return self.document


def refuse() -> None:
    raise FetchRefused("the client's server is down")


def signed(kid: str, key: Any = EC) -> str:
    return forge({"alg": "ES256", "kid": kid}, CLAIMS, key)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher(jwks(public(EC, kid="1")))


@pytest.fixture
def remote(fetcher: Fetcher, clock: Clock) -> RemoteKeys:
    return RemoteKeys(fetcher, monotonic=clock)  # type: ignore[arg-type]


def verify(remote: RemoteKeys, token: str) -> dict[str, Any]:
    return remote.verify(token, URI, algs=["ES256"])


def test_fetched_keys_are_used_until_they_are_five_minutes_old(
    remote: RemoteKeys, fetcher: Fetcher, clock: Clock
) -> None:
    for _ in range(3):
        assert verify(remote, signed("1")) == CLAIMS
    clock.time += 299
    verify(remote, signed("1"))
    assert fetcher.fetches == 1
    clock.time += 1
    verify(remote, signed("1"))
    assert fetcher.fetches == 2


def test_a_new_kid_is_found_by_fetching_again(remote: RemoteKeys, fetcher: Fetcher, clock: Clock) -> None:
    verify(remote, signed("1"))
    clock.time += 10
    fetcher.document = jwks(public(OTHER_EC, kid="2"))
    assert verify(remote, signed("2", OTHER_EC)) == CLAIMS
    assert fetcher.fetches == 2


def test_unknown_kids_cause_no_more_than_one_fetch_in_ten_seconds(
    remote: RemoteKeys, fetcher: Fetcher, clock: Clock
) -> None:
    verify(remote, signed("1"))
    for second in range(20):
        clock.time = 1000.5 + second
        with pytest.raises(InvalidToken):
            verify(remote, signed(f"unknown-{second}"))
    assert fetcher.fetches == 2


def test_a_forged_signature_under_a_known_kid_causes_no_fetch(
    remote: RemoteKeys, fetcher: Fetcher, clock: Clock
) -> None:
    verify(remote, signed("1"))
    clock.time += 60
    with pytest.raises(InvalidToken, match="signature"):
        verify(remote, signed("1", OTHER_EC))
    assert fetcher.fetches == 1


def test_old_keys_stand_in_for_a_day_while_the_clients_server_is_down(
    remote: RemoteKeys, fetcher: Fetcher, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    verify(remote, signed("1"))
    fetcher.action = refuse
    clock.time += 86400
    assert verify(remote, signed("1")) == CLAIMS
    assert "is down" in caplog.text
    clock.time += 300
    with pytest.raises(KeysUnavailable):
        verify(remote, signed("1"))


def test_a_server_that_is_down_from_the_start_is_asked_once_in_ten_seconds(
    remote: RemoteKeys, fetcher: Fetcher, clock: Clock
) -> None:
    fetcher.action = refuse
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            verify(remote, signed("1"))
    assert fetcher.fetches == 1
    clock.time += 10
    fetcher.action = lambda: None
    assert verify(remote, signed("1")) == CLAIMS


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"error": "gone"}])
def test_an_answer_that_is_no_jwks_never_replaces_a_good_one(
    remote: RemoteKeys, fetcher: Fetcher, clock: Clock, document: dict[str, Any]
) -> None:
    verify(remote, signed("1"))
    fetcher.document = document
    clock.time += 400
    assert verify(remote, signed("1")) == CLAIMS
    assert fetcher.fetches == 2


@pytest.mark.parametrize("reason", ["the copy is old", "an unknown kid"])
def test_a_hanging_fetch_blocks_nobody_who_can_be_answered_from_the_copy(
    remote: RemoteKeys, fetcher: Fetcher, clock: Clock, reason: str
) -> None:
    verify(remote, signed("1"))
    clock.time += 400 if reason == "the copy is old" else 20
    hanging, released = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        assert released.wait(10)

    fetcher.action = hang
    results: list[Any] = []

    def ask() -> None:
        try:
            results.append(verify(remote, signed("1" if reason == "the copy is old" else "2")))
        except InvalidToken as refused:
            results.append(refused)

    slow = threading.Thread(target=ask)
    slow.start()
    try:
        assert hanging.wait(10)
        assert verify(remote, signed("1")) == CLAIMS
        assert slow.is_alive()
    finally:
        released.set()
        slow.join(10)
    assert len(results) == 1
    assert fetcher.fetches == 2


def test_many_first_requests_at_once_cause_one_fetch(remote: RemoteKeys, fetcher: Fetcher) -> None:
    everyone = threading.Barrier(8, timeout=10)
    results: list[Any] = []

    def ask() -> None:
        everyone.wait()
        results.append(verify(remote, signed("1")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == [CLAIMS] * 8
    assert fetcher.fetches == 1


def test_a_huge_exponent_or_modulus_costs_nothing() -> None:
    huge = base64.urlsafe_b64encode(b"\xff" * 4096).rstrip(b"=").decode()
    for bad in (public(RSA, n=huge), public(RSA, e=huge), public(RSA, e="AA"), public(RSA, e="AQ")):
        with pytest.raises(InvalidToken):
            verify_with_keys(forge({"alg": "RS256"}, CLAIMS, RSA), jwks(bad), algs=["RS256"])


def test_whatever_the_bytes_and_the_keys_nothing_but_a_refusal_comes_out() -> None:
    random = Random(7)
    odd: list[Any] = [None, 0, -1, 1.5, True, "", "EC", "RSA", "OKP", "sig", "verify", "AQAB", "\ud800", [], ["EC"], {}]
    signers: list[tuple[str, Any]] = [("RS256", RSA), ("ES256", EC), ("EdDSA", ED)]
    good = [public(RSA, kid="1"), public(EC, kid="1"), public(ED, kid="1")]
    for _ in range(1500):
        alg, key = random.choice(signers)
        token = list(forge({"alg": alg, "kid": "1"}, CLAIMS, key))
        token[random.randrange(len(token))] = chr(random.randrange(300))
        damaged = dict(random.choice(good))
        damaged[random.choice([*damaged, "use", "key_ops", "alg"])] = random.choice(odd)
        for attempt in ("".join(token), forge({"alg": alg, "kid": "1"}, CLAIMS, OTHER_EC if key is EC else key)):
            with contextlib.suppress(InvalidToken):
                assert verify_with_keys(attempt, jwks(damaged), algs=[alg]) == CLAIMS
            with pytest.raises(InvalidToken):
                verify_with_secret(attempt, SECRET, algs=["HS256"])
        with contextlib.suppress(InvalidKeys):
            check_client_jwks(jwks(damaged))
