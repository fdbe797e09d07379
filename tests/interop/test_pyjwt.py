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
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.relying_party import Browser, RelyingParty

pytestmark = pytest.mark.interop

API = "https://api.example.com"
JWKS_MAX_AGE_SECONDS = 2
NOTICED_WITHIN_SECONDS = 10


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """A server of this file's own, whose keys are rotated."""
    folder = tmp_path_factory.mktemp("rotating")
    with running_server(folder, keys_from=signing_keys, jwks_max_age=str(JWKS_MAX_AGE_SECONDS)) as running:
        yield running


class Api:
    """An API that verifies by RFC 9068 §4; its key set is kept for five minutes, unless told otherwise."""

    def __init__(self, server: ServerUnderTest, **caching: Any) -> None:
        self.issuer = server.issuer
        metadata = fetch(server.url("/.well-known/openid-configuration"))
        self.keys = jwt.PyJWKClient(metadata["jwks_uri"], **caching)

    def read(self, token: str, *, audience: str, alg: str = "RS256") -> dict[str, Any]:
        required = ["iss", "sub", "aud", "exp", "iat"]
        key = self.keys.get_signing_key_from_jwt(token)
        options: Any = {"require": required}
        return dict(jwt.decode(token, key, [alg], options, audience=audience, issuer=self.issuer))


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
    client = RelyingParty(rotating, rotating.add_client(first_party=True))
    person, user, veteran = Browser(rotating), rotating.add_user(), Api(rotating)
    tokens = [client.tokens(person, user.username)["access_token"]]
    veteran.read(tokens[0], audience=rotating.issuer)  # from now on its key set is that of before the rotation

    directory.rotate(rotating.now, publish_for=JWKS_MAX_AGE_SECONDS)
    tokens.append(wait_for_another_key(client, person, tokens[0]))
    veteran.read(tokens[1], audience=rotating.issuer)  # the next key was in its old set already

    frequent = Api(rotating, lifespan=JWKS_MAX_AGE_SECONDS)
    directory.rotate(rotating.now, publish_for=JWKS_MAX_AGE_SECONDS)
    tokens.append(wait_for_another_key(client, person, tokens[1]))

    assert len({kid_of(token) for token in tokens}) == 3
    for token in tokens:
        frequent.read(token, audience=rotating.issuer)
        Api(rotating).read(token, audience=rotating.issuer)  # a newcomer finds the old keys too
        assert client.userinfo(token).status_code == 200


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_a_key_is_published_for_as_long_as_copies_are_cached_before_it_signs(rotating: ServerUnderTest) -> None:
    directory = KeyDirectory(rotating.settings.keys_dir)
    client = RelyingParty(rotating, rotating.add_client(first_party=True))
    person, user = Browser(rotating), rotating.add_user()
    before = client.tokens(person, user.username)["access_token"]
    directory.rotate(rotating.now, publish_for=JWKS_MAX_AGE_SECONDS, immediately=True)
    before = wait_for_another_key(client, person, before)  # what comes next is a key no verifier has seen
    directory.rotate(rotating.now, publish_for=JWKS_MAX_AGE_SECONDS)

    copies: list[set[str]] = []
    deadline = time.monotonic() + NOTICED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        copies.append(published(rotating))
        token = client.tokens(person)["access_token"]
        if kid_of(token) != kid_of(before):
            break
        time.sleep(0.2)
    copies_with_key = [kid_of(token) in copy for copy in copies]
    assert kid_of(token) != kid_of(before)
    assert copies_with_key[-JWKS_MAX_AGE_SECONDS * 3 :] == [True] * JWKS_MAX_AGE_SECONDS * 3


def wait_for_another_key(client: RelyingParty, person: Browser, before: str) -> str:
    """The first access token signed with another key than this one; every worker notices within seconds."""
    deadline = time.monotonic() + NOTICED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        token = str(client.tokens(person)["access_token"])
        if kid_of(token) != kid_of(before):
            return token
        time.sleep(0.2)
    raise AssertionError(f"still signing with the old key after {NOTICED_WITHIN_SECONDS} s")


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def published(server: ServerUnderTest) -> set[str]:
    return {key["kid"] for key in fetch(server.url("/jwks"))["keys"]}
