"""ID tokens that the provider did not issue to us for this sign-in: whatever is wrong, nobody is signed in."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from idp.store.identities import Key
from tests.jose.tokens import part
from tests.support.assertions import public_jwk, shared_key
from tests.support.forger import CLIENT_ID, KID, Begun, Forger, check_nobody, press_away, running_forger
from tests.support.idp_server import TimedServer, timed_server
from tests.support.relying_party import Browser
from tests.support.upstream import first_party

Forge = Callable[[Forger, Begun], object]
NAME = "forger"


@pytest.fixture(scope="module")
def forger() -> Iterator[Forger]:
    with running_forger() as running:
        yield running


@pytest.fixture(scope="module")
def stage(forger: Forger, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    folder = tmp_path_factory.mktemp("forged")
    forger.metadata["/lying"] = {"id_token_signing_alg_values_supported": ["none", "HS256"]}
    changes = forger.connection(NAME) | forger.connection("lying", "/lying")
    with timed_server(folder, keys_from=signing_keys, outbound_allowed_hosts=forger.host, **changes) as server:
        yield server


def claims_with(**changes: Any) -> Forge:
    return lambda forger, begun: forger.sign(forger.claims(begun, **changes))


def header_with(**header: Any) -> Forge:
    return lambda forger, begun: forger.sign(forger.claims(begun), **header)


def by_another_key(**header: Any) -> Forge:
    other = RSAKey.generate_key(2048)
    return lambda forger, begun: forger.sign(forger.claims(begun), key=other, **header)


def with_its_own_key(member: str) -> Forge:
    """The header brings the key that verifies it (RFC 7515 §4.1.2 to §4.1.6)."""
    other = RSAKey.generate_key(2048)

    def make(forger: Forger, begun: Begun) -> str:
        jwk = public_jwk(other, kid="brought-along")
        value: Any = jwk if member == "jwk" else f"{forger.origin}/brought-along"
        return forger.sign(forger.claims(begun), key=other, kid="brought-along", **{member: value})

    return make


def unsigned(forger: Forger, begun: Begun) -> str:
    return f"{part({'alg': 'none'})}.{part(forger.claims(begun))}."


def by_hmac(secret: Callable[[Forger], bytes]) -> Forge:
    def make(forger: Forger, begun: Begun) -> str:
        raw: OctKey = shared_key(secret(forger))
        return forger.sign(forger.claims(begun), key=raw, alg="HS256")

    return make


def public_pem(forger: Forger) -> bytes:
    return bytes(forger.key.as_pem(private=False))


def text_payload(change: Callable[[str], str]) -> Forge:
    """The payload as text, so that it can be what no JSON library writes."""
    return lambda forger, begun: forger.sign(change(json.dumps(forger.claims(begun))))


def tampered(forger: Forger, begun: Begun) -> str:
    head, _, signature = forger.sign(forger.claims(begun)).split(".")
    return f"{head}.{part(forger.claims(begun, sub='somebody-else'))}.{signature}"


def now(offset: int) -> int:
    return int(time.time()) + offset


SIGNATURES: dict[str, Forge] = {
    "alg none": unsigned,
    "alg None": lambda forger, begun: f"{part({'alg': 'None', 'kid': KID})}.{part(forger.claims(begun))}.",
    "no signature": lambda forger, begun: forger.sign(forger.claims(begun)).rpartition(".")[0] + ".",
    "HS256 with the public key as PEM": by_hmac(public_pem),
    "HS256 with the public key as JWK": by_hmac(lambda forger: json.dumps(forger.jwks["keys"][0]).encode()),
    "HS256 with our client secret": by_hmac(lambda _forger: b"the-secret-that-must-never-be-logged"),
    "another key": by_another_key(kid="unknown"),
    "another key under the published kid": by_another_key(),
    "another key without kid": by_another_key(kid=None),
    "jwk in the header": with_its_own_key("jwk"),
    "jku in the header": with_its_own_key("jku"),
    "x5u in the header": with_its_own_key("x5u"),
    "changed after signing": tampered,
    "crit": header_with(crit=["exp"]),
    "kid that is a path": by_another_key(kid="../../keys"),
    "kid that is no text": header_with(kid=7),
    "alg that was not announced": lambda forger, begun: forger.sign(forger.claims(begun), alg="PS256"),
}
CLAIMS: dict[str, Forge] = {
    "aud another client": claims_with(aud="another-client"),
    "aud a list of others": claims_with(aud=["another-client"]),
    "aud a list without azp": claims_with(aud=[CLIENT_ID, "another-client"]),
    "aud a list, azp another": claims_with(aud=[CLIENT_ID, "another-client"], azp="another-client"),
    "azp another client": claims_with(azp="another-client"),
    "azp null": text_payload(lambda text: text.replace('"aud"', '"azp": null, "aud"')),
    "aud a prefix of ours": claims_with(aud=CLIENT_ID[:-1]),
    "aud an object": claims_with(aud={"value": CLIENT_ID}),
    "no aud": claims_with(aud=None),
    "nonce of another sign-in": claims_with(nonce="another"),
    "nonce with something behind": lambda forger, begun: forger.sign(
        forger.claims(begun, nonce=begun.params["nonce"] + "x")
    ),
    "no nonce": claims_with(nonce=None),
    "nonce a list": lambda forger, begun: forger.sign(forger.claims(begun, nonce=[begun.params["nonce"]])),
    "nonce not ASCII": claims_with(nonce="ñ"),
    "iss another": claims_with(iss="https://accounts.google.com"),
    "iss with a slash": lambda forger, begun: forger.sign(forger.claims(begun, iss=forger.origin + "/")),
    "iss in upper case": lambda forger, begun: forger.sign(forger.claims(begun, iss=forger.origin.upper())),
    "iss a list": lambda forger, begun: forger.sign(forger.claims(begun, iss=[forger.origin])),
    "no iss": claims_with(iss=None),
    "expired": lambda forger, begun: forger.sign(forger.claims(begun, exp=now(-90))),
    "no exp": claims_with(exp=None),
    "exp a text": claims_with(exp="4102444800"),
    "exp true": claims_with(exp=True),
    "exp beyond all numbers": text_payload(lambda text: text.replace('"exp": ', '"exp": 1e400, "was": ')),
    "exp NaN": text_payload(lambda text: text.replace('"exp": ', '"exp": NaN, "was": ')),
    "iat in the future": lambda forger, begun: forger.sign(forger.claims(begun, iat=now(120), exp=now(600))),
    "no iat": claims_with(iat=None),
    "nbf in the future": lambda forger, begun: forger.sign(forger.claims(begun, nbf=now(120))),
    "auth_time in the future": lambda forger, begun: forger.sign(forger.claims(begun, auth_time=now(600))),
    "no sub": claims_with(sub=None),
    "sub empty": claims_with(sub=""),
    "sub null": text_payload(lambda text: text.replace('"aud"', '"sub2": null, "aud"').replace('"sub":', '"s":')),
    "sub of 300 characters": claims_with(sub="s" * 300),
    "sub with NUL": claims_with(sub="admin\x00"),
    "sub with a line break": claims_with(sub="admin\nroot"),
    "sub with a surrogate": text_payload(lambda text: text.replace('"sub": "', '"sub": "\\ud800')),
    "sub not ASCII": claims_with(sub="аdmin"),  # Cyrillic, on purpose
    "sub with a space behind": claims_with(sub="admin "),
    "sub a number": claims_with(sub=12345),
    "sub a list": claims_with(sub=["admin"]),
    "sub an object": claims_with(sub={"id": "admin"}),
    "a claim twice": text_payload(lambda text: text.replace('"aud"', '"sub": "admin", "aud"')),
    "a claim twice, once escaped": text_payload(lambda text: text.replace('"aud"', '"s\\u0075b": "admin", "aud"')),
    "payload a list": text_payload(lambda text: f"[{text}]"),
    "payload not JSON": text_payload(lambda text: text[:-1]),
    "payload nested beyond all measure": text_payload(lambda text: "[" * 3000),
}
SHAPES: dict[str, Forge] = {
    "none": lambda _forger, _begun: None,
    "a number": lambda _forger, _begun: 5,
    "a list": lambda forger, begun: [forger.sign(forger.claims(begun))],
    "empty": lambda _forger, _begun: "",
    "two parts": lambda forger, begun: forger.sign(forger.claims(begun)).rpartition(".")[0],
    "five parts": lambda forger, begun: forger.sign(forger.claims(begun)) + ".x.y",
    "not ASCII": lambda forger, begun: forger.sign(forger.claims(begun)) + "é",
    "100 KB": claims_with(padding="x" * 100_000),
}


def run(forger: Forger, stage: TimedServer, make: Forge, name: str = NAME) -> tuple[Browser, Begun, Any]:
    browser = Browser(stage)
    begun = press_away(first_party(stage), browser, name)
    return browser, begun, begun.answer(code=forger.issue(make(forger, begun)))


def test_what_the_forgeries_are_made_from_signs_in_when_nothing_is_forged(forger: Forger, stage: TimedServer) -> None:
    """Otherwise every refusal below would show nothing."""
    for make in (
        claims_with(),
        claims_with(aud=[CLIENT_ID]),
        claims_with(aud=[CLIENT_ID, "another-client"], azp=CLIENT_ID),
        claims_with(azp=CLIENT_ID),
        header_with(kid=None),
        header_with(jku="https://192.0.2.1/keys", x5u="https://192.0.2.1/keys"),
        lambda forger, begun: forger.sign(forger.claims(begun, exp=now(-30))),  # a minute for clocks that differ
        lambda forger, begun: forger.sign(forger.claims(begun, iat=now(30))),
        claims_with(sub="s" * 255),
    ):
        browser, begun, response = run(forger, stage, make)
        assert begun.asked.then(response).callback.code
        assert "idp_session" in browser.http.cookies


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
@pytest.mark.spec("RFC 8725", "3.1", "MUST")
@pytest.mark.asvs("6.8.2")
@pytest.mark.parametrize("forgery", SIGNATURES)
def test_a_token_that_the_provider_did_not_sign_is_refused(forger: Forger, stage: TimedServer, forgery: str) -> None:
    browser, _, response = run(forger, stage, SIGNATURES[forgery])
    page = check_nobody(browser, response, 502)
    assert "nobody was signed in" in page.text
    assert not [path for path in forger.paths() if "brought-along" in path]


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
@pytest.mark.asvs("10.5.1")
@pytest.mark.asvs("10.5.2")
@pytest.mark.asvs("10.5.4")
@pytest.mark.parametrize("forgery", CLAIMS)
def test_a_token_for_another_sign_in_client_person_or_time_is_refused(
    forger: Forger, stage: TimedServer, forgery: str
) -> None:
    people = len(stage.store.users.list())
    browser, _, response = run(forger, stage, CLAIMS[forgery])
    check_nobody(browser, response, 502)
    assert len(stage.store.users.list()) == people


@pytest.mark.spec("OpenID Connect Core", "3.1.3.3", "MUST")
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_token_at_all_is_refused(forger: Forger, stage: TimedServer, shape: str) -> None:
    browser, _, response = run(forger, stage, SHAPES[shape])
    check_nobody(browser, response, 502)


def test_a_token_of_a_megabyte_is_not_read(forger: Forger, stage: TimedServer) -> None:
    browser, _, response = run(forger, stage, claims_with(padding="x" * 1_000_000))
    check_nobody(browser, response, 503)


@pytest.mark.spec("RFC 8725", "3.1", "MUST")
@pytest.mark.asvs("6.8.2")
@pytest.mark.parametrize("forgery", ["alg none", "HS256 with the public key as PEM", "HS256 with our client secret"])
def test_metadata_cannot_switch_on_weak_algorithms(forger: Forger, stage: TimedServer, forgery: str) -> None:
    def make(forger: Forger, begun: Begun) -> object:
        honest = forger.claims

        class Elsewhere(Forger):
            """The same forger, whose tokens name the other issuer."""

            def __init__(self) -> None:
                self.key = forger.key

            @property
            def origin(self) -> str:
                return forger.origin

            def claims(self, begun: Begun, path: str = "", **changes: Any) -> dict[str, Any]:
                return honest(begun, "/lying", **changes)

        return SIGNATURES[forgery](Elsewhere(), begun)

    browser, _, response = run(forger, stage, make, "lying")
    check_nobody(browser, response, 502)
    browser, begun, response = run(
        forger, stage, lambda forger, begun: forger.sign(forger.claims(begun, "/lying")), "lying"
    )
    assert begun.asked.then(response).callback.code, "RS256 is what remains"


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
@pytest.mark.asvs("10.5.1")
def test_an_id_token_is_good_for_one_sign_in_only(forger: Forger, stage: TimedServer) -> None:
    """Replay: a token that was issued to us, of our client, minutes ago, at a new sign-in of another browser."""
    browser, begun = Browser(stage), press_away(first_party(stage), Browser(stage), NAME)
    token = forger.sign(forger.claims(begun))
    assert begun.land(code=forger.issue(token)).callback.code
    again = press_away(first_party(stage), browser, NAME)
    check_nobody(browser, again.answer(code=forger.issue(token)), 502)


TOKEN_RESPONSES: dict[str, object] = {
    "a number": "5",
    "null": "null",
    "true": "true",
    "a text": '"access_token"',
    "a list": "[1]",
    "an empty list": "[]",
    "a list of pairs": '[["access_token", "x"], ["id_token", "y"]]',
    "an empty object": "{}",
    "not JSON": "<html>",
    "nothing": "",
    "nested beyond all measure": "[" * 200_000,
    "an access token that is none": '{"access_token": 5}',
    "expires_in a list": '{"access_token": "x", "expires_in": [1]}',
    "expires_in beyond all numbers": '{"access_token": "x", "expires_in": 1e999}',
    "expires_in a word": '{"access_token": "x", "expires_in": "soon"}',
    "expires_at an object": '{"access_token": "x", "expires_at": {}}',
    "error an object": '{"error": {"message": "no", "code": [1]}}',
    "error a list": '{"error": ["no"]}',
    "error null": '{"error": null}',
    "error with a description of markup": '{"error": "x", "error_description": "<script>alert(1)</script>"}',
    "invalid UTF-8": '{"access_token": "\udcff"}',
    "a number of 5000 digits": '{"access_token": "x", "expires_in": ' + "9" * 5000 + "}",
}


@pytest.mark.spec("RFC 6749", "5.1", "MUST")
@pytest.mark.parametrize("answer", TOKEN_RESPONSES)
def test_a_token_response_of_any_shape_is_a_page_and_never_a_fault_of_ours(
    forger: Forger, stage: TimedServer, answer: str
) -> None:
    browser = Browser(stage)
    begun = press_away(first_party(stage), browser, NAME)
    text = TOKEN_RESPONSES[answer]
    assert isinstance(text, str)
    code = forger.issue_code(text)
    page = check_nobody(browser, begun.answer(code=code), 400, 502)
    assert "alert(1)" not in page.response.text


@pytest.mark.spec("OpenID Connect Core", "5.3.2", "MUST")
@pytest.mark.asvs("6.8.1")
@pytest.mark.parametrize(
    "userinfo", [{}, {"sub": "somebody-else"}, {"sub": None}, [], 5, None, "x", {"sub": ["own"]}, {"sub": "own "}]
)
def test_userinfo_about_somebody_else_is_refused(forger: Forger, stage: TimedServer, userinfo: Any) -> None:
    forger.userinfo = userinfo
    browser, _, response = run(
        forger, stage, lambda forger, begun: forger.sign(forger.claims(begun, sub="own", name=None))
    )
    check_nobody(browser, response, 502)
    assert stage.store.identities.find(Key(NAME, forger.origin, "own")) is None
