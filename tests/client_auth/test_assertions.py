"""Client authentication by a signed assertion: RFC 7523 §3, OpenID Connect Core §9, RFC 8725."""

import base64
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from joserfc.jwk import RSAKey

from idp.client_auth.jwt_assertion import CLIENT_SECRET_JWT_ALGS, PRIVATE_KEY_JWT_ALGS
from idp.jose.algorithms import CLIENT_SECRET, PairedKey
from idp.jose.encryption import SecretBox
from idp.protocol.client import ClientSecret
from tests.jose.tokens import forge, part
from tests.support.assertions import assertion, assertion_form, make_key, public_jwk, shared_key
from tests.support.idp_server import RegisteredClient, ServerUnderTest, TimedServer
from tests.support.relying_party import TIMEOUT
from tests.support.scene import open_scene, refused

PATHS = ("/token", "/introspect", "/revoke")
NOT_AUTHENTICATED = (401, "invalid_client")
KID = {"kid": "key-1"}
SECRET = "a-shared-secret-of-some-length-0123456789"


@pytest.fixture(scope="module")
def key() -> PairedKey:
    return make_key("RS256")


@pytest.fixture(scope="module")
def client(server: ServerUnderTest, key: PairedKey) -> RegisteredClient:
    """A client with one RSA key and no algorithm registered."""
    return add_with_keys(server, public_jwk(key, kid="key-1"))


@pytest.fixture(scope="module")
def secret_client(server: ServerUnderTest) -> RegisteredClient:
    return add_with_secret(server, SECRET)


def add_with_keys(server: ServerUnderTest, *jwks: dict[str, Any], **changes: Any) -> RegisteredClient:
    changes = {"jwks": {"keys": list(jwks)}} | changes
    return server.add_client(public=True, **({"token_endpoint_auth_method": "private_key_jwt"} | changes))


def add_with_secret(server: ServerUnderTest, *values: str, expires_at: int = 0, **changes: Any) -> RegisteredClient:
    box = SecretBox(server.settings.secret_key)
    sealed = [box.encrypt(value, purpose="client secret") for value in values]
    kept = tuple(ClientSecret(encrypted=value, expires_at=expires_at) for value in sealed)
    changes = {"token_endpoint_auth_method": "client_secret_jwt", "secrets": kept} | changes
    return server.add_client(public=True, **changes)


def ask(server: ServerUnderTest, token: str, path: str = "/token", **more: str | None) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": "rt_x", "token": "rt_x"} | assertion_form(token, **more)
    data = {name: value for name, value in form.items() if value is not None}
    return requests.post(server.url(path), data=data, timeout=TIMEOUT)


def is_authenticated(answer: requests.Response) -> bool:
    if answer.status_code == 401:
        assert answer.json()["error"] == "invalid_client"
        return False
    assert answer.status_code == 200 or answer.json()["error"] == "invalid_grant", answer.text
    return True


# --- What works


@pytest.mark.spec("RFC 7523", "3", "MUST")
@pytest.mark.asvs("10.4.10", "10.4.16")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("alg", PRIVATE_KEY_JWT_ALGS)
def test_every_asymmetric_algorithm_authenticates_a_client_with_a_key(
    server: ServerUnderTest, alg: str, path: str
) -> None:
    own = make_key(alg)
    client = add_with_keys(server, public_jwk(own, kid="key-1"), token_endpoint_auth_signing_alg=alg)
    assert is_authenticated(ask(server, assertion(server, client.client_id, own, alg, header=KID), path))


@pytest.mark.spec("OpenID Connect Core", "9", "MUST")
@pytest.mark.parametrize("alg", CLIENT_SECRET_JWT_ALGS)
def test_every_hmac_algorithm_authenticates_a_client_with_a_secret(server: ServerUnderTest, alg: str) -> None:
    client = add_with_secret(server, SECRET, token_endpoint_auth_signing_alg=alg)
    assert is_authenticated(ask(server, assertion(server, client.client_id, shared_key(SECRET), alg)))


@pytest.mark.spec("RFC 7523", "3", "MUST")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("audience", ["issuer", "token endpoint", "this endpoint", "a list with us in it"])
def test_the_audience_is_the_issuer_or_an_endpoint_of_ours(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey, audience: str, path: str
) -> None:
    value = {
        "issuer": server.issuer,
        "token endpoint": server.url("/token"),
        "this endpoint": server.url(path),
        "a list with us in it": ["https://other.example.com", server.issuer],
    }[audience]
    assert is_authenticated(ask(server, assertion(server, client.client_id, key, "RS256", aud=value), path))


@pytest.mark.parametrize("header", [KID, {}, {"typ": None}, {"typ": "client-authentication+jwt"}], ids=str)
def test_kid_and_typ_may_be_left_out(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey, header: dict[str, Any]
) -> None:
    assert is_authenticated(ask(server, assertion(server, client.client_id, key, "RS256", header=header)))


def test_the_right_one_of_several_keys_is_found(server: ServerUnderTest) -> None:
    keys = [make_key("ES256") for _ in range(3)]
    client = add_with_keys(server, *(public_jwk(one, kid=f"k{n}") for n, one in enumerate(keys)))
    for number, one in enumerate(keys):
        named = assertion(server, client.client_id, one, "ES256", header={"kid": f"k{number}"})
        unnamed = assertion(server, client.client_id, one, "ES256")
        assert is_authenticated(ask(server, named))
        assert is_authenticated(ask(server, unnamed))


@pytest.mark.spec("RFC 7521", "4.2", "MUST")
def test_client_id_may_stand_beside_the_assertion_when_it_is_the_same(
    server: ServerUnderTest, client: RegisteredClient, secret_client: RegisteredClient, key: PairedKey
) -> None:
    token = assertion(server, client.client_id, key, "RS256")
    assert refused(ask(server, token, client_id=secret_client.client_id)) == (400, "invalid_request")
    assert is_authenticated(ask(server, token, client_id=client.client_id))


# --- What is refused

WRONG_CLAIMS = [
    pytest.param({"iss": "another"}, id="iss is not the client"),
    pytest.param({"iss": None}, id="no iss"),
    pytest.param({"sub": "another"}, id="sub is not the client"),
    pytest.param({"sub": None}, id="no sub"),
    pytest.param({"aud": "https://other.example.com"}, id="aud is somebody else"),
    pytest.param({"aud": None}, id="no aud"),
    pytest.param({"aud": []}, id="empty aud"),
    pytest.param({"aud": [["nested"]]}, id="aud is nonsense"),
    pytest.param({"exp": None}, id="no exp"),
    pytest.param({"exp": "soon"}, id="exp is text"),
    pytest.param({"exp": True}, id="exp is true"),
    pytest.param({"jti": None}, id="no jti"),
    pytest.param({"jti": ""}, id="empty jti"),
    pytest.param({"jti": 7}, id="jti is a number"),
    pytest.param({"jti": "j" * 600}, id="boundless jti"),
    pytest.param({"nbf": "later"}, id="nbf is text"),
    pytest.param({"iat": []}, id="iat is a list"),
]


@pytest.mark.spec("RFC 7523", "3", "MUST")
@pytest.mark.asvs("9.2.1", "9.2.3")
@pytest.mark.parametrize("claims", WRONG_CLAIMS)
@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
def test_an_assertion_with_wrong_claims_is_refused(
    server: ServerUnderTest,
    client: RegisteredClient,
    secret_client: RegisteredClient,
    key: PairedKey,
    method: str,
    claims: dict[str, Any],
) -> None:
    if method == "private_key_jwt":
        token = assertion(server, client.client_id, key, "RS256", **claims)
    else:
        token = assertion(server, secret_client.client_id, shared_key(SECRET), "HS256", **claims)
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 7523", "3", "MUST")
@pytest.mark.parametrize("similar", ["{issuer}/", "{issuer}/token/", "{issuer}/jwks", "{issuer}/TOKEN", "{issuer}x"])
def test_an_audience_that_only_looks_like_ours_is_refused(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey, similar: str
) -> None:
    token = assertion(server, client.client_id, key, "RS256", aud=similar.format(issuer=server.issuer))
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 7523", "3", "MUST")
@pytest.mark.asvs("9.2.1")
@pytest.mark.parametrize(
    ("claim", "seconds", "expected"),
    [
        pytest.param("exp", -35, True, id="just over, within the tolerance"),
        pytest.param("exp", -65, False, id="expired"),
        pytest.param("exp", 3500, True, id="within the hour"),
        pytest.param("exp", 3700, False, id="too far away"),
        pytest.param("nbf", 10, True, id="FAPI 2 SP 5.3.2.1 nbf 10 s in the future"),
        pytest.param("nbf", 85, False, id="FAPI 2 SP 5.3.2.1 nbf more than 60 s in the future"),
        pytest.param("iat", 10, True, id="FAPI 2 SP 5.3.2.1 iat 10 s in the future"),
        pytest.param("iat", 85, False, id="FAPI 2 SP 5.3.2.1 iat more than 60 s in the future"),
        pytest.param("iat", -86_400, True, id="an old iat alone"),
    ],
)
def test_times_are_judged_with_a_tolerance_of_a_minute(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey, claim: str, seconds: int, expected: bool
) -> None:
    token = assertion(server, client.client_id, key, "RS256", **{claim: server.now + seconds})
    assert is_authenticated(ask(server, token)) is expected


# --- Once only


@pytest.mark.spec("RFC 7523", "3", "MAY")
@pytest.mark.asvs("10.4.16")
def test_an_assertion_is_good_once_over_all_worker_processes(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey
) -> None:
    token = assertion(server, client.client_id, key, "RS256")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: is_authenticated(ask(server, token)), range(12)))
    assert answers.count(True) == 1
    assert not any(is_authenticated(ask(server, token, path)) for path in PATHS for _ in range(3))


def test_a_refused_assertion_does_not_use_up_its_jti(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey
) -> None:
    other = make_key("ES256")
    assert not is_authenticated(ask(server, assertion(server, client.client_id, other, "ES256", jti="mine")))
    assert not is_authenticated(ask(server, assertion(server, client.client_id, key, "RS256", jti="mine", exp=1)))
    assert is_authenticated(ask(server, assertion(server, client.client_id, key, "RS256", jti="mine")))
    assert not is_authenticated(ask(server, assertion(server, client.client_id, key, "RS256", jti="mine")))


def test_two_clients_may_use_the_same_jti(server: ServerUnderTest, client: RegisteredClient, key: PairedKey) -> None:
    other = add_with_keys(server, public_jwk(key))
    for one in (client, other):
        assert is_authenticated(ask(server, assertion(server, one.client_id, key, "RS256", jti="the-same")))


@pytest.mark.asvs("9.2.1")
def test_a_jti_stays_used_as_long_as_its_assertion_could_be_accepted(timed: TimedServer, key: PairedKey) -> None:
    client = add_with_keys(timed, public_jwk(key))
    token = assertion(timed, client.client_id, key, "RS256", exp=timed.now + 600)
    assert is_authenticated(ask(timed, token))
    for seconds in (300, 299, 58, 2):
        timed.forward(seconds)
        assert not is_authenticated(ask(timed, token))


# --- Confusion about algorithms and keys


@pytest.mark.spec("RFC 8725", "3.1", "MUST")
@pytest.mark.spec("RFC 8725", "3.2", "MUST")
@pytest.mark.asvs("9.1.1", "9.1.2")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "RS1", "ES256K", "HS256 "])
def test_an_unsigned_assertion_is_refused(server: ServerUnderTest, client: RegisteredClient, alg: str) -> None:
    good = assertion(server, client.client_id, None, alg)
    assert refused(ask(server, good)) == NOT_AUTHENTICATED
    assert refused(ask(server, good + part(b"x" * 32))) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 8725", "2.1", "MUST")
@pytest.mark.asvs("9.1.2")
@pytest.mark.parametrize("alg", list(CLIENT_SECRET))
@pytest.mark.parametrize("form", ["PEM", "JWK", "DER", "modulus"])
def test_the_public_key_is_never_taken_for_a_shared_secret(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey, alg: str, form: str
) -> None:
    assert isinstance(key, RSAKey)
    jwk = public_jwk(key)
    raw = {
        "PEM": key.as_pem(private=False),
        "DER": key.as_der(private=False),
        "JWK": json.dumps(jwk).encode(),
        "modulus": base64.urlsafe_b64decode(jwk["n"] + "=="),
    }[form]
    token = assertion(server, client.client_id, shared_key(raw), alg, header=KID)
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.spec("OpenID Connect Core", "9", "MUST")
@pytest.mark.asvs("9.1.2")
def test_only_the_registered_algorithm_is_accepted(server: ServerUnderTest, key: PairedKey) -> None:
    client = add_with_keys(server, public_jwk(key), token_endpoint_auth_signing_alg="PS256")
    for alg in ("RS256", "PS384", "PS512", "RS512"):
        assert refused(ask(server, assertion(server, client.client_id, key, alg))) == NOT_AUTHENTICATED
    assert is_authenticated(ask(server, assertion(server, client.client_id, key, "PS256")))


def test_only_the_registered_hmac_algorithm_is_accepted(server: ServerUnderTest) -> None:
    client = add_with_secret(server, SECRET, token_endpoint_auth_signing_alg="HS512")
    for alg in ("HS256", "HS384"):
        token = assertion(server, client.client_id, shared_key(SECRET), alg)
        assert refused(ask(server, token)) == NOT_AUTHENTICATED
    assert is_authenticated(ask(server, assertion(server, client.client_id, shared_key(SECRET), "HS512")))


@pytest.mark.spec("RFC 7517", "4", "MUST")
@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"use": "enc"}, id="4.2 a key for encryption"),
        pytest.param({"key_ops": ["encrypt"]}, id="4.3 not for verifying"),
        pytest.param({"alg": "PS256"}, id="4.4 for another algorithm"),
        pytest.param({"kid": "key-2"}, id="4.5 under another name"),
    ],
)
def test_a_key_is_used_only_for_what_it_is_registered_for(
    server: ServerUnderTest, key: PairedKey, members: dict[str, Any]
) -> None:
    client = add_with_keys(server, public_jwk(key, **members))
    token = assertion(server, client.client_id, key, "RS256", header=KID)
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 8725", "3.10", "MUST")
@pytest.mark.asvs("9.1.3")
@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_named_by_the_assertion_itself_is_never_used(
    server: ServerUnderTest, client: RegisteredClient, member: str
) -> None:
    mine = RSAKey.generate_key(2048) if member == "jwk" else make_key("ES256")
    alg = "RS256" if member == "jwk" else "ES256"
    value = {"jwk": public_jwk(mine), "x5c": ["MIIB"]}.get(member, "https://attacker.example.com/jwks")
    token = assertion(server, client.client_id, mine, alg, header={member: value})
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.asvs("9.1.3")
@pytest.mark.parametrize("kid", ["key-2", "../../keys/active", "/dev/null", "' OR 1=1 --", "k" * 5000, "é", ""])
def test_an_unknown_kid_is_refused(server: ServerUnderTest, client: RegisteredClient, key: PairedKey, kid: str) -> None:
    token = assertion(server, client.client_id, key, "RS256", header={"kid": kid})
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 7515", "4.1.11", "MUST")
@pytest.mark.parametrize(
    "header", [{"crit": ["exp"]}, {"crit": []}, {"b64": False, "crit": ["b64"]}, {"kid": 7}], ids=str
)
def test_a_header_that_demands_what_we_do_not_know_is_refused(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey, header: dict[str, Any]
) -> None:
    token = assertion(server, client.client_id, key, "RS256", header=header)
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.asvs("9.1.1")
def test_a_changed_assertion_is_refused(server: ServerUnderTest, client: RegisteredClient, key: PairedKey) -> None:
    head, payload, signature = assertion(server, client.client_id, key, "RS256").split(".")
    other = assertion(server, client.client_id, key, "RS256").split(".")
    for token in (
        f"{head}.{other[1]}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-8]}",
        f"{head}.{payload}.{signature}.",
        f"{head}.{payload}.{signature}=",
    ):
        assert refused(ask(server, token)) == NOT_AUTHENTICATED


@pytest.mark.parametrize(
    "token",
    ["x", "a.b.c", "..", "e30.e30.", "é.é.é", part({"alg": "RS256"}) + "." + part([1]) + ".x", "a.b.c.d.e", "." * 100],
)
def test_something_that_is_no_jwt_is_refused(server: ServerUnderTest, token: str) -> None:
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


def test_a_payload_that_names_a_claim_twice_is_refused(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey
) -> None:
    now, us = server.now, json.dumps(server.issuer)
    who = json.dumps(client.client_id)
    twice = f'{{"iss":{who},"sub":"x","sub":{who},"aud":{us},"jti":"twice","iat":{now},"exp":{now + 60}}}'
    assert refused(ask(server, forge({"alg": "RS256"}, twice, key))) == NOT_AUTHENTICATED


@pytest.mark.spec("RFC 7521", "4.2", "REQUIRED")
@pytest.mark.parametrize(
    "kind",
    [None, "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "jwt-bearer"],
)
def test_the_assertion_type_must_be_the_registered_one(
    server: ServerUnderTest, client: RegisteredClient, key: PairedKey, kind: str | None
) -> None:
    token = assertion(server, client.client_id, key, "RS256")
    assert refused(ask(server, token, client_assertion_type=kind)) in ((400, "invalid_request"), NOT_AUTHENTICATED)


@pytest.mark.spec("RFC 8725", "3.11", "SHOULD")
@pytest.mark.asvs("9.2.2")
def test_a_token_of_ours_is_no_client_assertion(server: ServerUnderTest, client: RegisteredClient) -> None:
    scene = open_scene(server)
    tokens = scene.tokens(scene.client())
    assert refused(ask(server, tokens["id_token"])) == NOT_AUTHENTICATED
    assert refused(ask(server, tokens["access_token"])) == NOT_AUTHENTICATED


# --- The method, and the secret behind it


def test_a_key_does_not_stand_for_a_secret_nor_a_secret_for_a_key(server: ServerUnderTest, key: PairedKey) -> None:
    both = {"jwks": {"keys": [public_jwk(key)]}}
    with_secret = add_with_secret(server, SECRET, **both)
    with_key = add_with_secret(server, SECRET, token_endpoint_auth_method="private_key_jwt", **both)
    assert not is_authenticated(ask(server, assertion(server, with_secret.client_id, key, "RS256")))
    assert not is_authenticated(ask(server, assertion(server, with_key.client_id, shared_key(SECRET), "HS256")))


def test_of_two_secrets_either_signs_and_an_expired_one_does_not(timed: TimedServer) -> None:
    client = add_with_secret(timed, SECRET, SECRET[::-1], expires_at=timed.now + 100)
    for secret in (SECRET, SECRET[::-1]):
        assert is_authenticated(ask(timed, assertion(timed, client.client_id, shared_key(secret), "HS256")))
    timed.forward(101)
    assert not is_authenticated(ask(timed, assertion(timed, client.client_id, shared_key(SECRET), "HS256")))


def test_a_wrong_secret_does_not_sign(server: ServerUnderTest, secret_client: RegisteredClient) -> None:
    token = assertion(server, secret_client.client_id, shared_key(SECRET + "x"), "HS256")
    assert refused(ask(server, token)) == NOT_AUTHENTICATED


def test_an_rsa_key_of_fewer_than_2048_bits_verifies_nothing(server: ServerUnderTest) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weak = RSAKey.generate_key(1024)
    client = add_with_keys(server, public_jwk(weak))
    assert refused(ask(server, assertion(server, client.client_id, weak, "RS256"))) == NOT_AUTHENTICATED


def test_a_client_with_neither_keys_nor_a_uri_for_them_is_refused_cleanly(
    server: ServerUnderTest, key: PairedKey
) -> None:
    client = add_with_keys(server, jwks=None)
    assert refused(ask(server, assertion(server, client.client_id, key, "RS256"))) == NOT_AUTHENTICATED
