"""The playground is a relying party to learn from: it believes nothing that a good one would not believe."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from idp.jose.algorithms import RSA_BITS
from idp.jose.encryption import SecretBox
from idp.pages.playground import relying_party
from idp.pages.playground.calls import MASKED, Caller
from idp.pages.playground.relying_party import CheckFailed, Expected
from idp.pages.playground.texts import NOTES, PROBLEMS, STEPS, VERIFIED
from idp.pages.playground.walk import Step, Walk
from idp.settings import Settings, load_settings
from idp.store.database import hashed
from idp.tokens.id_token import left_half_hash
from tests.jose.tokens import forge
from tests.support.accounts import make_client
from tests.test_outbound import Authority, Server, http

NOW = 1_800_000_000
ISSUER = "https://id.example.com"
EXPECTED = Expected(ISSUER, "idp-playground", NOW)
NONCE = "n-1"
KEY = RSAKey.generate_key(RSA_BITS)
STRANGER = RSAKey.generate_key(RSA_BITS)
JWKS = {"keys": [{**KEY.as_dict(private=False), "kid": "k1", "use": "sig", "alg": "RS256"}]}
HEADER = {"alg": "RS256", "kid": "k1", "typ": "JWT"}
ACCESS_TOKEN = "an.access.token"
ID_TOKEN: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "u_1",
    "aud": "idp-playground",
    "azp": "idp-playground",
    "exp": NOW + 900,
    "iat": NOW,
    "auth_time": NOW - 5,
    "nonce": NONCE,
    "at_hash": left_half_hash(ACCESS_TOKEN, "RS256"),
}
ACCESS: dict[str, Any] = {
    "iss": ISSUER,
    "client_id": "idp-playground",
    "aud": [ISSUER],
    "exp": NOW + 900,
    "iat": NOW,
}
METADATA = {"issuer": ISSUER, **dict.fromkeys(relying_party.ENDPOINTS, f"{ISSUER}/x")}


@contextmanager
def refused(problem: str) -> Iterator[None]:
    """The block must be refused for this very reason."""
    with pytest.raises(CheckFailed) as failed:
        yield
    assert failed.value.problem == problem


def check_id_token(token: str, *, is_refreshed: bool = False) -> dict[str, Any]:
    return relying_party.check_id_token(
        token, JWKS, EXPECTED, alg="RS256", nonce=NONCE, access_token=ACCESS_TOKEN, is_refreshed=is_refreshed
    )


def test_a_good_id_token_is_believed() -> None:
    assert check_id_token(forge(HEADER, ID_TOKEN, KEY)) == ID_TOKEN


@pytest.mark.asvs("10.5.1")
@pytest.mark.asvs("10.5.4")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"iss": "https://evil.example.com"}, "iss", id="another issuer"),
        pytest.param({"aud": "somebody-else"}, "aud", id="another audience"),
        pytest.param({"aud": None}, "aud", id="no audience"),
        pytest.param({"aud": ["idp-playground", "other"], "azp": "other"}, "aud", id="another authorized party"),
        pytest.param({"exp": NOW}, "times", id="expired"),
        pytest.param({"exp": "tomorrow"}, "times", id="an end that is no time"),
        pytest.param({"iat": NOW + 3600}, "times", id="from the future"),
        pytest.param({"nonce": "n-2"}, "nonce", id="another nonce"),
        pytest.param({"nonce": None}, "nonce", id="no nonce"),
        pytest.param(
            {"at_hash": left_half_hash("another.access.token", "RS256")}, "at_hash", id="another access token"
        ),
        pytest.param({"at_hash": None}, "at_hash", id="no at_hash"),
    ],
)
@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
def test_an_id_token_that_breaks_a_rule_is_not_believed(change: dict[str, Any], problem: str) -> None:
    claims = {name: value for name, value in (ID_TOKEN | change).items() if value is not None}
    with refused(problem):
        check_id_token(forge(HEADER, claims, KEY))


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        pytest.param(forge(HEADER, ID_TOKEN, STRANGER), "signature", id="signed by a stranger"),
        pytest.param(forge({"alg": "none", "typ": "JWT"}, ID_TOKEN), "signature", id="not signed"),
        pytest.param(forge({**HEADER, "alg": "PS256"}, ID_TOKEN, KEY), "signature", id="another algorithm"),
        pytest.param(forge({**HEADER, "typ": "at+jwt"}, ID_TOKEN, KEY), "typ", id="another type"),
        pytest.param("nonsense", "signature", id="no token"),
    ],
)
@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
def test_an_id_token_that_is_not_the_servers_is_not_believed(token: str, problem: str) -> None:
    with refused(problem):
        check_id_token(token)


@pytest.mark.spec("OpenID Connect Core", "12.2", "MUST")
def test_after_a_refresh_the_id_token_speaks_of_the_same_person_and_sign_in() -> None:
    without_nonce = {name: value for name, value in ID_TOKEN.items() if name != "nonce"}
    claims = check_id_token(forge(HEADER, without_nonce, KEY), is_refreshed=True)
    relying_party.check_refreshed(claims, ID_TOKEN)
    with refused("nonce"):
        check_id_token(forge(HEADER, {**ID_TOKEN, "nonce": "n-2"}, KEY), is_refreshed=True)
    for change in ({"sub": "u_2"}, {"auth_time": NOW}):
        with refused("refreshed"):
            relying_party.check_refreshed({**ID_TOKEN, **change}, ID_TOKEN)


@pytest.mark.parametrize(
    ("header", "change", "key", "problem"),
    [
        pytest.param({"typ": "JWT"}, {}, KEY, "typ", id="an ID token"),
        pytest.param({}, {}, STRANGER, "signature", id="signed by a stranger"),
        pytest.param({}, {"iss": "https://evil.example.com"}, KEY, "iss", id="another issuer"),
        pytest.param({}, {"client_id": "other"}, KEY, "aud", id="another client"),
        pytest.param({}, {"exp": NOW - 1}, KEY, "times", id="expired"),
    ],
)
@pytest.mark.spec("RFC 9068", "4", "MUST")
def test_an_access_token_is_checked_as_an_api_does(
    header: dict[str, Any], change: dict[str, Any], key: RSAKey, problem: str
) -> None:
    good = forge({**HEADER, "typ": "at+jwt"}, ACCESS, KEY)
    relying_party.check_access_token(good, JWKS, EXPECTED)
    with refused(problem):
        bad = forge({**HEADER, "typ": "at+jwt", **header}, ACCESS | change, key)
        relying_party.check_access_token(bad, JWKS, EXPECTED)


@pytest.mark.asvs("10.2.2")
@pytest.mark.spec("RFC 9207", "2.4", "MUST")
@pytest.mark.parametrize("iss", [{}, {"iss": "https://evil.example.com"}, {"iss": f"{ISSUER}/"}])
def test_an_answer_that_does_not_say_it_is_the_servers_is_dropped_be_it_an_error_or_not(iss: dict[str, str]) -> None:
    relying_party.check_callback({"code": "c", "iss": ISSUER}, ISSUER)
    with refused("response_iss"):
        relying_party.check_callback({"code": "c", **iss}, ISSUER)
    with refused("response_iss"):
        relying_party.check_callback({"error": "access_denied", **iss}, ISSUER)


def test_an_answer_with_an_error_or_without_a_code_is_no_sign_in() -> None:
    with refused("refused"):
        relying_party.check_callback({"error": "access_denied", "iss": ISSUER}, ISSUER)
    with refused("code"):
        relying_party.check_callback({"iss": ISSUER}, ISSUER)


@pytest.mark.asvs("10.5.3")
@pytest.mark.spec("OpenID Connect Discovery", "4.3", "MUST")
def test_a_discovery_document_must_be_the_issuers_own() -> None:
    relying_party.check_metadata(METADATA, ISSUER)
    with refused("issuer"):
        relying_party.check_metadata({**METADATA, "issuer": "https://evil.example.com"}, ISSUER)
    with refused("endpoints"):
        relying_party.check_metadata({**METADATA, "jwks_uri": None}, ISSUER)


@pytest.mark.asvs("10.5.2")
@pytest.mark.spec("OpenID Connect Core", "5.3.2", "MUST")
def test_userinfo_must_speak_of_the_person_of_the_id_token() -> None:
    relying_party.check_userinfo({"sub": "u_1"}, "u_1")
    with refused("sub"):
        relying_party.check_userinfo({"sub": "u_2"}, "u_1")
    with refused("sub"):
        relying_party.check_userinfo({}, "u_1")


def test_a_token_response_must_hold_what_was_asked_for() -> None:
    good = {"token_type": "Bearer", "access_token": "a", "id_token": "i"}
    relying_party.check_token_response(good, needs_id_token=True)
    for name in ("token_type", "access_token", "id_token"):
        with refused("token_response"):
            relying_party.check_token_response({**good, name: None}, needs_id_token=True)


def test_every_broken_rule_and_every_step_has_its_words() -> None:
    source = "".join(path.read_text() for path in Path(relying_party.__file__).parent.glob("*.py"))
    for problem in PROBLEMS:
        assert f'"{problem}"' in source.replace(f'"{problem}":', ""), f"nothing says {problem}"
    assert STEPS.keys() >= {"discovery", "authorize", "callback", "token", "check", "userinfo", "revoke"}
    assert NOTES.keys() == {"active", "inactive"}
    assert VERIFIED.keys() == {"id_token", "access_token"}


def test_a_step_done_again_takes_the_place_of_the_one_before_so_that_a_walk_has_an_end() -> None:
    walk = Walk("id", "nonce", "verifier")
    for kind in ("token", "userinfo", "introspect", "userinfo"):
        walk.begin(Step(kind))
    assert [step.kind for step in walk.steps] == ["token", "introspect", "userinfo"]


# --- The secret and the connection


class _Server:
    def __init__(self, box: SecretBox) -> None:
        self.secret_box = box


def test_after_a_change_of_the_secret_key_the_registered_client_still_signs_in() -> None:
    from idp.pages.playground.steps import SECRET_PURPOSE, client_secret

    old = SecretBox("o" * 40).derive(SECRET_PURPOSE)
    client = make_client("idp-playground", secret=old)
    server: Any = _Server(SecretBox("n" * 40, ["o" * 40]))
    assert client_secret(server, client) == old
    registered_anew = make_client("idp-playground", secret=SecretBox("n" * 40).derive(SECRET_PURPOSE))
    assert hashed(client_secret(server, registered_anew)) == registered_anew.secrets[0].hash


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure_server(authority: Authority) -> Iterator[Server]:
    server = Server(authority.server_context("127.0.0.1"))
    yield server
    server.close()


def make_settings(**changes: str) -> Settings:
    environment = {"IDP_SECRET_KEY": "x" * 20 + "0123456789abcdefghij", "IDP_OUTBOUND_TIMEOUT": "2"}
    return load_settings(environment | {f"IDP_{name.upper()}": value for name, value in changes.items()}, None)


def make_caller(**changes: str) -> Caller:
    return Caller(make_settings(**changes), client_id="idp-playground", client_secret="top secret")


def test_a_certificate_of_our_own_authority_is_trusted_and_no_other(
    secure_server: Server, authority: Authority
) -> None:
    url = f"https://127.0.0.1:{secure_server.port}/jwks"
    with make_caller(outbound_ca_bundle=str(authority.bundle)) as caller:
        assert caller.get(Step("check"), url) == {"keys": []}
    with make_caller() as caller, refused("certificate"):
        caller.get(Step("check"), url)
    with make_caller(outbound_ca_bundle="/nowhere/ca.pem") as caller, refused("ca_bundle"):
        caller.get(Step("check"), url)


@pytest.fixture
def plain_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def test_the_secret_is_sent_and_never_shown(plain_server: Server) -> None:
    step = Step("token")
    with make_caller() as caller:
        caller.post(step, f"http://127.0.0.1:{plain_server.port}/token", [("grant_type", "x")])
    assert "Authorization: Basic aWRwLXBsYXlncm91bmQ6dG9wK3NlY3JldA==" in plain_server.requests[0]
    assert dict(step.headers)["Authorization"] == MASKED
    assert "secret" not in repr(step)


def test_the_proxies_and_credentials_of_the_environment_are_not_used(
    plain_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with make_caller() as caller:
        caller.get(Step("check"), f"http://127.0.0.1:{plain_server.port}/jwks")
    assert "Authorization" not in plain_server.requests[0]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(http(b"<html>", "200 OK"), "not_json", id="a page"),
        pytest.param(http(b"[1]", "200 OK"), "not_json", id="a list"),
        pytest.param(http(b"", "302 Found", "Location: http://127.0.0.1:9/"), "refused", id="a redirect"),
        pytest.param(http(b'{"error": "x"}', "400 Bad Request"), "refused", id="an error"),
        pytest.param(http(b"{", "200 OK", length=90), "unreachable", id="half an answer"),
        pytest.param(lambda connection: None, "unreachable", id="no answer"),
    ],
)
def test_an_answer_that_is_none_is_noted_as_what_it_is(plain_server: Server, answer: Any, problem: str) -> None:
    plain_server.answer = answer
    with make_caller() as caller, refused(problem):
        caller.get(Step("check"), f"http://127.0.0.1:{plain_server.port}/jwks")
