"""PyJWT's PyJWKClient: an API that checks our tokens offline, with nothing but the issuer's published keys.

It keeps a key set for minutes and refuses to fetch again soon, as verifiers do; so a new key has to be published before
it signs, and an old one for as long as its tokens live.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from idp.jose.key_directory import KeyDirectory
from tests.interop.authlib_client import fetch
from tests.support.idp_server import ServerUnderTest, TimedServer, running_server
from tests.support.relying_party import Browser, RelyingParty

pytestmark = pytest.mark.interop

API = "https://api.example.com"
JWKS_MAX_AGE_SECONDS = 2
NOTICED_WITHIN_SECONDS = 60  # generous, for a busy machine
RELOADED_WITHIN_SECONDS = 1.2  # a process looks for changed keys every second


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """A server of this file's own, whose keys are rotated."""
    folder = tmp_path_factory.mktemp("rotating")
    with running_server(folder, keys_from=signing_keys, jwks_max_age=str(JWKS_MAX_AGE_SECONDS)) as running:
        yield running


class Api:
    """An API that verifies by RFC 9068 §4; its key set is kept for five minutes, unless told otherwise."""

    def __init__(self, server: ServerUnderTest, *, verify_iat: bool = True, **caching: Any) -> None:
        self.issuer = server.issuer
        self.options: Any = {"require": ["iss", "sub", "aud", "exp", "iat"], "verify_iat": verify_iat}
        metadata = fetch(server.url("/.well-known/openid-configuration"))
        self.keys = jwt.PyJWKClient(metadata["jwks_uri"], **caching)

    def read(self, token: str, *, audience: str, alg: str = "RS256") -> dict[str, Any]:
        key = self.keys.get_signing_key_from_jwt(token)
        return dict(jwt.decode(token, key, [alg], self.options, audience=audience, issuer=self.issuer))


def get_tokens(server: ServerUnderTest, **changes: Any) -> tuple[RelyingParty, dict[str, Any]]:
    client = RelyingParty(server, server.add_client(**changes))
    return client, client.tokens(Browser(server), server.add_user().username)


@pytest.mark.spec("RFC 9068", "4", "MUST")
def test_pyjwt_verifies_an_access_token_for_its_api_offline(server: ServerUnderTest) -> None:
    client, tokens = get_tokens(server, audience=(API,))
    claims = Api(server).read(tokens["access_token"], audience=API)
    assert claims["client_id"] == client.client.client_id
    assert jwt.get_unverified_header(tokens["access_token"])["typ"] == "at+jwt"


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_pyjwt_verifies_an_id_token_by(server: ServerUnderTest, alg: str) -> None:
    client, tokens = get_tokens(server, id_token_signed_response_alg=alg)
    claims = Api(server).read(tokens["id_token"], audience=client.client.client_id, alg=alg)
    assert claims["azp"] == client.client.client_id


@pytest.mark.spec("RFC 9068", "4", "MUST")
@pytest.mark.asvs("9.2.3")
def test_pyjwt_refuses_a_token_for_another_audience(server: ServerUnderTest) -> None:
    client, tokens = get_tokens(server)
    api = Api(server)
    with pytest.raises(jwt.InvalidAudienceError):
        api.read(tokens["access_token"], audience=API)
    with pytest.raises(jwt.InvalidAudienceError):
        api.read(tokens["access_token"], audience=client.client.client_id)  # never the client by accident
    with pytest.raises(jwt.InvalidAudienceError):
        api.read(tokens["id_token"], audience=server.issuer)


@pytest.mark.spec("RFC 7515", "5.2", "MUST")
def test_pyjwt_refuses_a_token_that_was_changed(server: ServerUnderTest) -> None:
    _, tokens = get_tokens(server)
    head, _, signature = tokens["access_token"].split(".")
    _, body, _ = get_tokens(server)[1]["access_token"].split(".")
    with pytest.raises(jwt.InvalidSignatureError):
        Api(server).read(f"{head}.{body}.{signature}", audience=server.issuer)


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_nothing_fails_when_keys_are_rotated_twice(rotating: ServerUnderTest) -> None:
    directory = KeyDirectory(rotating.settings.keys_dir)
    client = RelyingParty(rotating, rotating.add_client(first_party=True, id_token_signed_response_alg="ES256"))
    person, user, veteran = Browser(rotating), rotating.add_user(), Api(rotating)
    tokens = [client.tokens(person, user.username)]
    read_both(veteran, client, tokens[0])  # from now on its key set is that of before the rotation

    directory.rotate(rotating.now, publish_for=JWKS_MAX_AGE_SECONDS)
    tokens.append(wait_for_new_keys(client, person, tokens))
    read_both(veteran, client, tokens[1])  # the next keys were in its old set already

    frequent = Api(rotating, lifespan=JWKS_MAX_AGE_SECONDS)
    directory.rotate(rotating.now, publish_for=JWKS_MAX_AGE_SECONDS)
    tokens.append(wait_for_new_keys(client, person, tokens))

    for name in ("access_token", "id_token"):
        assert len({kid_of(each[name]) for each in tokens}) == 3
    for each in tokens:
        read_both(frequent, client, each)
        read_both(Api(rotating), client, each)  # a newcomer finds the old keys too
        assert client.userinfo(each["access_token"]).status_code == 200


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_a_verifier_whose_copy_is_as_old_as_allowed_knows_the_key_that_signs_now(timed: TimedServer) -> None:
    directory, max_age = KeyDirectory(timed.settings.keys_dir), timed.settings.jwks_max_age
    client = RelyingParty(timed, timed.add_client(first_party=True))
    person, user = Browser(timed), timed.add_user()
    client.tokens(person, user.username)
    directory.rotate(timed.now, publish_for=max_age)  # to a key published from the beginning; a new one is made
    timed.forward(1)
    directory.rotate(timed.now, publish_for=max_age)  # to that new one, which nobody can know yet
    time.sleep(RELOADED_WITHIN_SECONDS)

    api = Api(timed, verify_iat=False)  # for PyJWT the clock of this test is in the future
    before = client.tokens(person)["access_token"]
    api.read(before, audience=timed.issuer)  # from now on it has a copy
    timed.forward(max_age)
    after = client.tokens(person)["access_token"]
    assert kid_of(after) != kid_of(before)
    for token in (before, after):
        api.read(token, audience=timed.issuer)
        Api(timed, verify_iat=False).read(token, audience=timed.issuer)


def read_both(api: Api, client: RelyingParty, tokens: dict[str, Any]) -> None:
    """The access token as the API has to, and the id_token as the client has to."""
    api.read(tokens["access_token"], audience=api.issuer)
    api.read(tokens["id_token"], audience=client.client.client_id, alg="ES256")


def wait_for_new_keys(client: RelyingParty, person: Browser, before: list[dict[str, Any]]) -> dict[str, Any]:
    """The first tokens signed with other keys than all of these; every worker notices within seconds."""
    deadline = time.monotonic() + NOTICED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        tokens = client.tokens(person)
        if all(kid_of(tokens[name]) != kid_of(each[name]) for each in before for name in ("access_token", "id_token")):
            return tokens
        time.sleep(0.2)
    raise AssertionError(f"still signing with the old keys after {NOTICED_WITHIN_SECONDS} s")


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])
