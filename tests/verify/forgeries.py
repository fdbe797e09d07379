"""Tokens that no API may let in, each with the words of the log that say why: one table for verifier and adapters."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idp.jose.algorithms import CLIENT_KEY
from tests.jose.tokens import forge, part
from tests.support.assertions import make_key, public_jwk, shared_key
from tests.verify.issuer import API, ISSUER, KID, NOW, Forge, Issuer, other_key


def changed(part_of: int, to: str) -> Forge:
    def make(issuer: Issuer) -> str:
        parts = issuer.token().split(".")
        parts[part_of] = to
        return ".".join(parts)

    return make


def signed_with_the_public_key(encoding: Encoding) -> Forge:
    """The classic confusion: the published key taken as the secret of an HMAC."""

    def make(issuer: Issuer) -> str:
        public = issuer.key.public_key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        return forge({"alg": "HS256", "typ": "at+jwt", "kid": KID}, issuer.claims(), shared_key(public))

    return make


def self_made(**header: object) -> Forge:
    """Signed with a key that the token itself brings, under a header that points to it."""
    return lambda issuer: issuer.token(key=other_key, header=header)


def spelt_differently(issuer: Issuer) -> str:
    """The same signature bytes with one of the bits set that mean nothing."""
    token = issuer.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def with_twice(name: str, value: object) -> Forge:
    """The payload says a claim twice, the honest one last, where careless parsers look."""
    return lambda issuer: issuer.token("{" + f'"{name}":{json.dumps(value)},' + json.dumps(issuer.claims())[1:])


def cut(issuer: Issuer) -> str:
    return issuer.token()[:-10]


def in_standard_base64(issuer: Issuer) -> str:
    """A payload spelt with + and / instead of - and _, and signed like that."""
    text = json.dumps(issuer.claims(name="~~~???>>>"))
    standard = base64.b64encode(text.encode()).decode().rstrip("=")
    assert {"+", "/"} & set(standard)
    signing_input = f"{part({'alg': 'RS256', 'typ': 'at+jwt', 'kid': KID})}.{standard}"
    return f"{signing_input}.{part(CLIENT_KEY['RS256'].model.sign(signing_input.encode(), issuer.key))}"


def with_expiry(text: str) -> Forge:
    """`exp` written in a way that JSON, or time, does not know."""
    return lambda issuer: issuer.token(json.dumps(issuer.claims()).replace(str(NOW + 900), text))


ATTACKER_KEY = public_jwk(other_key, kid=KID)
NONE = part({"alg": "none", "typ": "at+jwt", "kid": KID})

FORGERIES = [
    # --- The algorithm
    pytest.param(lambda i: forge({"alg": "none", "typ": "at+jwt", "kid": KID}, i.claims()), "algorithm", id="none"),
    pytest.param(changed(0, NONE), "algorithm", id="none with a signature"),
    pytest.param(
        lambda i: f"{part({'alg': 'None', 'typ': 'at+jwt', 'kid': KID})}.{part(i.claims())}.", "algorithm", id="None"
    ),
    pytest.param(signed_with_the_public_key(Encoding.PEM), "algorithm", id="HS256 with the public key as PEM"),
    pytest.param(signed_with_the_public_key(Encoding.DER), "algorithm", id="HS256 with the public key as DER"),
    pytest.param(lambda i: i.token(header={"alg": "PS256"}), "algorithm", id="another algorithm of the same key"),
    pytest.param(lambda i: i.token(header={"alg": "RS512"}), "algorithm", id="another hash of the same key"),
    pytest.param(lambda i: i.token(header={"alg": "ES256"}, key=make_key("ES256")), "algorithm", id="ES256"),
    pytest.param(changed(0, part({"alg": ["RS256"], "typ": "at+jwt", "kid": KID})), "no algorithm", id="alg is a list"),
    pytest.param(changed(0, part({"typ": "at+jwt", "kid": KID})), "no algorithm", id="no alg"),
    # --- The key
    pytest.param(lambda i: i.token(key=other_key), "signature", id="wrong key"),
    pytest.param(self_made(jwk=ATTACKER_KEY), "jwk", id="jwk"),
    pytest.param(self_made(jku="https://evil.example/jwks"), "jku", id="jku"),
    pytest.param(self_made(x5u="https://evil.example/cert"), "x5u", id="x5u"),
    pytest.param(self_made(x5c=["MIIB"]), "x5c", id="x5c"),
    pytest.param(lambda i: i.token(header={"jku": f"{ISSUER}/jwks"}), "jku", id="jku of the issuer itself"),
    pytest.param(self_made(kid="../../../../dev/null"), "kid", id="kid is a path"),
    pytest.param(self_made(kid="x' UNION SELECT 'secret"), "kid", id="kid is SQL"),
    pytest.param(self_made(kid="https://evil.example/jwks"), "kid", id="kid is a URL"),
    pytest.param(self_made(kid="key-1\r\nSet-Cookie: a=b"), "kid", id="kid breaks lines"),
    pytest.param(self_made(kid=""), "kid", id="kid is empty"),
    pytest.param(self_made(kid="k" * 300), "kid", id="kid is long"),
    pytest.param(self_made(kid={"$ne": None}), "kid", id="kid is an object"),
    pytest.param(self_made(kid=None), "kid", id="no kid"),
    # --- What the header demands
    pytest.param(lambda i: i.token(header={"crit": ["exp"]}), "crit", id="crit"),
    pytest.param(lambda i: i.token(header={"crit": []}), "crit", id="empty crit"),
    pytest.param(lambda i: i.token(header={"b64": False}), "b64", id="unencoded payload"),
    pytest.param(lambda i: i.token(header={"typ": "JWT"}), "typ", id="an ID token's typ"),
    pytest.param(lambda i: i.token(header={"typ": "logout+jwt"}), "typ", id="a logout token's typ"),
    pytest.param(lambda i: i.token(header={"typ": None}), "typ", id="no typ"),
    pytest.param(lambda i: i.token(header={"typ": 1}), "typ", id="typ is a number"),
    # --- The claims
    pytest.param(lambda i: i.token(iss="https://evil.example"), "iss", id="wrong iss"),
    pytest.param(lambda i: i.token(iss=f"{ISSUER}/"), "iss", id="iss with a slash more"),
    pytest.param(lambda i: i.token(iss=ISSUER.upper()), "iss", id="iss in capitals"),
    pytest.param(lambda i: i.token(iss=None), "iss", id="no iss"),
    pytest.param(lambda i: i.token(iss=[ISSUER]), "iss", id="iss is a list"),
    pytest.param(lambda i: i.token(aud="https://other.example"), "aud", id="wrong aud"),
    pytest.param(lambda i: i.token(aud=["https://other.example", ISSUER]), "aud", id="aud without us"),
    pytest.param(lambda i: i.token(aud=[]), "aud", id="empty aud"),
    pytest.param(lambda i: i.token(aud=None), "aud", id="no aud"),
    pytest.param(lambda i: i.token(aud={API: 1}), "aud", id="aud is an object"),
    pytest.param(lambda i: i.token(aud=f"{API}.evil.example"), "aud", id="aud begins like ours"),
    pytest.param(lambda i: i.token(aud=f"x {API}"), "aud", id="aud holds ours"),
    pytest.param(lambda i: i.token(exp=NOW - 11), "expired", id="expired"),
    pytest.param(lambda i: i.token(exp=None), "exp", id="no exp"),
    pytest.param(lambda i: i.token(exp=str(NOW + 900)), "exp", id="exp is text"),
    pytest.param(lambda i: i.token(exp=True), "exp", id="exp is true"),
    pytest.param(with_expiry("1e999"), "JSON", id="exp is infinite"),
    pytest.param(with_expiry("Infinity"), "JSON", id="Infinity"),
    pytest.param(with_expiry("NaN"), "JSON", id="exp is NaN"),
    pytest.param(with_expiry("9" * 5000), "JSON", id="exp with 5000 digits"),
    pytest.param(lambda i: i.token(nbf=NOW + 60), "nbf", id="nbf"),
    pytest.param(lambda i: i.token(exp=10**400), "bounds", id="exp is larger than any float"),
    pytest.param(lambda i: i.token(exp=-(10**400)), "bounds", id="exp is smaller than any float"),
    pytest.param(lambda i: i.token(iat=-(10**400)), "bounds", id="iat is smaller than any float"),
    pytest.param(lambda i: i.token(nbf=10**400), "bounds", id="nbf is larger than any float"),
    pytest.param(lambda i: i.token(auth_time=-(10**400)), "auth_time", id="auth_time is smaller than any float"),
    pytest.param(lambda i: i.token(auth_time="now"), "auth_time", id="auth_time is text"),
    pytest.param(lambda i: i.token(nbf="now"), "times", id="nbf is text"),
    pytest.param(lambda i: i.token(iat=NOW + 60), "future", id="issued in the future"),
    pytest.param(lambda i: i.token(iat=None), "iat", id="no iat"),
    pytest.param(lambda i: i.token(sub=None), "sub", id="no sub"),
    pytest.param(lambda i: i.token(sub=""), "sub", id="empty sub"),
    pytest.param(lambda i: i.token(sub=7), "sub", id="sub is a number"),
    pytest.param(lambda i: i.token(client_id=None), "client_id", id="no client_id"),
    pytest.param(lambda i: i.token(jti=None), "jti", id="no jti"),
    pytest.param(lambda i: i.token(scope=["orders.read"]), "scope", id="scope is a list"),
    pytest.param(lambda i: i.token(roles="Admin"), "roles", id="roles is text"),
    pytest.param(lambda i: i.token(roles=[["Admin"]]), "roles", id="roles in a list in a list"),
    pytest.param(lambda i: i.token(acr=1), "acr", id="acr is a number"),
    # --- The spelling
    pytest.param(with_twice("aud", "https://other.example"), "strict JSON", id="aud twice"),
    pytest.param(with_twice("roles", ["Admin"]), "strict JSON", id="roles twice"),
    pytest.param(
        lambda i: i.token('{"sub":{"a":1,"a":2},' + json.dumps(i.claims())[1:]),
        "strict JSON",
        id="a name twice deep inside",
    ),
    pytest.param(
        changed(0, part(f'{{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"{KID}"}}')), "strict JSON", id="alg twice"
    ),
    pytest.param(lambda i: i.token(b'\xff\xfe{"iss": 1}'), "strict JSON", id="payload is not UTF-8"),
    pytest.param(
        lambda i: i.token(b"\xef\xbb\xbf" + json.dumps(i.claims()).encode()), "strict JSON", id="byte order mark"
    ),
    pytest.param(
        lambda i: i.token(json.dumps(i.claims(name="x")).replace('"x"', '"\\ud800"')),
        "strict JSON",
        id="half a character",
    ),
    pytest.param(lambda i: i.token(json.dumps(i.claims()) + "{}"), "strict JSON", id="two JSON values"),
    pytest.param(lambda i: i.token("[" * 9000), "strict JSON", id="nested too deep"),
    pytest.param(lambda i: i.token("[]"), "object", id="payload is a list"),
    pytest.param(lambda i: i.token("null"), "object", id="payload is null"),
    pytest.param(spelt_differently, "canonical", id="non-canonical base64url"),
    pytest.param(in_standard_base64, "base64url", id="standard base64"),
    pytest.param(lambda i: i.token() + "=", "base64url", id="padding"),
    pytest.param(lambda i: i.token() + "\n", "base64url", id="trailing line feed"),
    pytest.param(lambda i: i.token() + "\0", "base64url", id="trailing NUL"),
    pytest.param(lambda i: i.token() + "AAAA", "signature", id="trailing bytes"),
    pytest.param(lambda i: i.token() + ".AAAA", "three parts", id="four parts"),
    pytest.param(lambda i: i.token() + "." + i.token(), "three parts", id="two tokens"),
    pytest.param(lambda i: f"{i.token()}, {i.token()}", "three parts", id="two tokens with a comma"),
    pytest.param(cut, "signature", id="cut short"),
    pytest.param(changed(2, ""), "signature", id="no signature"),
    pytest.param(changed(1, ""), "three parts", id="no payload"),
    pytest.param(changed(1, part({"iss": ISSUER, "sub": "root"})), "signature", id="another payload"),
    pytest.param(lambda i: "x", "three parts", id="one letter"),
    pytest.param(lambda i: "..", "three parts", id="two dots"),
    pytest.param(lambda i: "é.é.é", "ASCII", id="not ASCII"),
    pytest.param(lambda i: "rt_" + "a" * 43, "three parts", id="a refresh token"),
    pytest.param(lambda i: "a" * 1_000_000, "larger", id="1 MB of nothing"),
    pytest.param(lambda i: i.token(name="x" * 1_000_000), "larger", id="1 MB, well signed"),
]
