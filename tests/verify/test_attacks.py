"""The attack table: whatever is wrong with a token, the API answers the same, and only the log knows more."""

import json
import logging
import re

import pytest

from idp_verify import InvalidToken, TokenVerifier
from tests.support.assertions import make_key
from tests.verify.apps import AUTHORIZED, Asked, ask_fastapi, ask_flask, open_websocket
from tests.verify.forgeries import FORGERIES
from tests.verify.issuer import API, ISSUER, KID, NOW, Forge, Issuer

PUBLIC = "The access token is not valid."
CHALLENGE = f'Bearer realm="api", error="invalid_token", error_description="{PUBLIC}"'


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.spec("RFC 8725", "3", "MUST")
@pytest.mark.asvs("9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "10.3.1")
@pytest.mark.parametrize(("make", "reason"), FORGERIES)
def test_a_forged_token_is_refused_and_only_the_log_says_why(
    issuer: Issuer, make: Forge, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    token, verifier = make(issuer), issuer.verifier()
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(token)  # type: ignore[arg-type]
    assert str(refused.value) == PUBLIC
    assert reason in refused.value.detail
    [said] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert reason in said
    assert len(said) < 400
    assert said.isprintable()
    if len(str(token)) > 200:
        assert not any(piece in said for piece in re.findall(r"[\w-]{40,}", str(token)))


@pytest.mark.parametrize(("make", "reason"), FORGERIES)
def test_every_framework_gives_the_same_answer_to_all_of_them(issuer: Issuer, make: Forge, reason: str) -> None:
    token = str(make(issuer))
    if "\n" in token or "\0" in token or not token.isascii():
        token = (
            token.encode("ascii", "replace").decode().replace("\n", "~").replace("\0", "~")
        )  # no server lets these by
    verifier, authorization = issuer.verifier(), f"Bearer {token}"
    flask, fastapi = ask_flask(verifier, authorization), ask_fastapi(verifier, authorization)
    assert (flask.status, flask.challenge) == (401, CHALLENGE)
    assert (fastapi.status, fastapi.challenge) == (401, CHALLENGE)
    assert json.loads(flask.body) == {"error": "invalid_token", "error_description": PUBLIC}
    assert json.loads(fastapi.body) == {"detail": PUBLIC}
    websocket = open_websocket(verifier, authorization)
    assert (websocket.status, websocket.challenge) == (401, CHALLENGE)


def test_the_token_that_the_forgeries_are_made_from_is_let_in(issuer: Issuer) -> None:
    verifier, authorization = issuer.verifier(), f"Bearer {issuer.token()}"
    token = verifier.verify(issuer.token())
    assert (token.subject, token.client_id, token.roles) == ("u_ada", "shop", {"reader"})
    assert token.scopes == {"openid", "orders.read"}
    assert (token.expires_at, token.auth_time, token.acr) == (NOW + 900, NOW - 100, "aal1")
    assert token.claims["jti"] == "g_1.random"
    for asked in (ask_flask(verifier, authorization), ask_fastapi(verifier, authorization)):
        assert asked == Asked(200, None, AUTHORIZED)
    assert open_websocket(verifier, authorization).status == 101


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": [ISSUER, API]}, id="aud is a list"),
        pytest.param({"header": {"typ": "application/at+jwt"}}, id="typ in full"),
        pytest.param({"header": {"typ": "AT+JWT"}}, id="typ in capitals"),
        pytest.param({"exp": NOW - 9}, id="expired within the leeway"),
        pytest.param({"iat": NOW + 9, "nbf": NOW + 9}, id="issued by a clock a little ahead"),
        pytest.param({"exp": NOW + 900.5}, id="exp with a fraction"),
        pytest.param({"scope": None, "roles": None, "acr": None, "auth_time": None}, id="none of the optional claims"),
        pytest.param({"name": 'Zoë 😀 \\ "x"', "nested": {"a": [1, {"b": None}]}}, id="claims that we do not know"),
    ],
)
def test_a_token_may_be_written_in_other_ways_that_the_rules_allow(issuer: Issuer, changes: dict[str, object]) -> None:
    assert issuer.verifier().verify(issuer.token(**changes)).subject == "u_ada"  # type: ignore[arg-type]


def test_a_scope_or_role_that_is_not_there_is_an_empty_set(issuer: Issuer) -> None:
    token = issuer.verifier().verify(issuer.token(scope=None, roles=None))
    assert token.scopes == token.roles == frozenset()


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
def test_every_algorithm_verifies_its_own_signature_and_no_changed_one(issuer: Issuer, alg: str) -> None:
    key = make_key(alg)
    issuer.publish({KID: key}, alg=alg)
    verifier = issuer.verifier(algorithms=[alg])
    token = issuer.token(key=key, header={"alg": alg})
    assert verifier.verify(token).subject == "u_ada"
    head, payload, signature = token.split(".")
    for bad in (signature[:-8] + "AAAAAAAA", signature[:-4], "AAAA" + signature[4:], signature + "AAAA"):
        with pytest.raises(InvalidToken):
            verifier.verify(f"{head}.{payload}.{bad}")


@pytest.mark.parametrize(
    ("issuer_url", "audience", "settings"),
    [
        pytest.param("http://id.example.com", API, {}, id="plain http"),
        pytest.param("http://127.0.0.1.evil.example", API, {}, id="http that looks local"),
        pytest.param("ftp://id.example.com", API, {}, id="no web address"),
        pytest.param("id.example.com", API, {}, id="no scheme"),
        pytest.param("https://user:password@id.example.com", API, {}, id="a password in it"),
        pytest.param("https://id.example.com?x=1", API, {}, id="a query"),
        pytest.param("https://id.example.com\n", API, {}, id="a line feed"),
        pytest.param(ISSUER, "", {}, id="no audience"),
        pytest.param(ISSUER, API, {"algorithms": ["HS256"]}, id="a shared secret"),
        pytest.param(ISSUER, API, {"algorithms": ["none"]}, id="no signature"),
        pytest.param(ISSUER, API, {"algorithms": []}, id="no algorithm"),
        pytest.param(ISSUER, API, {"algorithms": "RS256"}, id="text instead of a list"),
        pytest.param(ISSUER, API, {"leeway": 3600}, id="an hour of leeway"),
        pytest.param(ISSUER, API, {"leeway": -1}, id="negative leeway"),
        pytest.param(ISSUER, API, {"max_age": 600, "stale_for": 300}, id="stale before it is old"),
        pytest.param(ISSUER, API, {"timeout": 0}, id="no time"),
    ],
)
def test_a_verifier_refuses_settings_that_could_not_be_safe(
    issuer_url: str, audience: str, settings: dict[str, object]
) -> None:
    with pytest.raises(ValueError):
        TokenVerifier(issuer_url, audience, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["https://id.example.com/tenant", "http://localhost:8000", "http://[::1]:8000"])
def test_https_and_this_machine_are_fine(url: str) -> None:
    assert TokenVerifier(url, API).issuer == url
