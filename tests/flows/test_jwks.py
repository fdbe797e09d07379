"""The key set, and keys that change while everything runs: RFC 7517, RFC 7638, OpenID Connect Core §10.1.1."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from idp.jose.key_directory import KeyDirectory
from tests.support.idp_server import ServerUnderTest, TimedServer, running_server
from tests.support.relying_party import TIMEOUT, RelyingParty, header_of
from tests.support.scene import Scene, fetch_jwks, open_scene, verified

ALGS = ("RS256", "PS256", "ES256", "EdDSA")
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
NOTICED_WITHIN_SECONDS = 5


def fetch(server: ServerUnderTest, **headers: str) -> requests.Response:
    return requests.get(server.url("/jwks"), headers=headers, timeout=TIMEOUT)


@pytest.mark.spec("RFC 7517", "9.2", "MUST")
def test_nothing_private_is_published(server: ServerUnderTest) -> None:
    for key in fetch(server).json()["keys"]:
        assert not PRIVATE & set(key)
        assert key["kty"] in THUMBPRINT_MEMBERS
        assert "PRIVATE" not in json.dumps(key)


@pytest.mark.spec("RFC 7638", "3", "MUST")
def test_each_kid_is_the_thumbprint_of_its_key(server: ServerUnderTest) -> None:
    keys = fetch(server).json()["keys"]
    for key in keys:
        members = {name: key[name] for name in THUMBPRINT_MEMBERS[key["kty"]]}
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
        assert key["kid"] == base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    assert len({key["kid"] for key in keys}) == len(keys)


@pytest.mark.spec("RFC 7517", "4", "SHOULD")
@pytest.mark.spec("RFC 7518", "3.3", "MUST")
def test_each_key_says_what_it_is_for_and_is_strong(server: ServerUnderTest) -> None:
    keys = fetch(server).json()["keys"]
    assert {key["alg"] for key in keys} == set(ALGS)
    assert {key["use"] for key in keys} == {"sig"}
    for key in keys:
        if key["kty"] == "RSA":
            assert len(base64.urlsafe_b64decode(key["n"] + "==")) >= 256
            assert key["e"] == "AQAB"
        else:
            assert key["crv"] in {"P-256", "Ed25519"}


@pytest.mark.spec("RFC 9110", "8.8.3", "SHOULD")
def test_the_set_may_be_cached_and_checked_again(server: ServerUnderTest) -> None:
    first = fetch(server)
    assert first.headers["Content-Type"] in {"application/json", "application/jwk-set+json"}
    assert first.headers["Cache-Control"] == "public, max-age=300"
    for etag in (first.headers["ETag"], f'"other", {first.headers["ETag"]}', "*"):
        again = fetch(server, **{"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert fetch(server, **{"If-None-Match": '"other"'}).status_code == 200
    assert "Set-Cookie" not in first.headers


# --- Rotation while everything runs


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Scene]:
    """A server with two worker processes of its own, because its keys change."""
    with running_server(tmp_path_factory.mktemp("rotating"), keys_from=signing_keys) as server:
        yield open_scene(server)


def directory(server: ServerUnderTest) -> KeyDirectory:
    return KeyDirectory(server.settings.keys_dir)


def active_kid(server: ServerUnderTest, alg: str) -> str:
    keys = directory(server).list(server.now)
    return next(key.kid for key in keys if key.alg == alg and key.state(server.now) == "active")


def wait_until_all_sign_with(scene: Scene, party: RelyingParty, token: str, kid: str) -> str:
    """Refresh until twelve answers in a row, from whichever worker, are signed with the key; the last access token."""
    deadline, row = time.monotonic() + NOTICED_WITHIN_SECONDS, 0
    while row < 12:
        assert time.monotonic() < deadline, "a worker still signs with the old key"
        tokens = party.refresh(token).json()
        row = row + 1 if header_of(tokens["access_token"])["kid"] == kid else 0
    return str(tokens["access_token"])


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "MUST")
def test_running_workers_sign_with_a_new_key_within_seconds_and_nothing_valid_stops_working(rotating: Scene) -> None:
    server = rotating.server
    party = rotating.client(rotate_refresh_tokens=False)
    before = rotating.offline(party)
    published = fetch_jwks(server)
    old = header_of(before["access_token"])["kid"]
    etag = fetch(server).headers["ETag"]

    directory(server).rotate(server.now, alg="RS256", publish_for=300, immediately=True)
    new = active_kid(server, "RS256")
    assert new != old
    assert new in published, "the next key was published before its first use"

    fresh = wait_until_all_sign_with(rotating, party, before["refresh_token"], new)
    assert {old, new} <= set(fetch_jwks(server))
    assert fetch(server).headers["ETag"] != etag
    for token in (before["access_token"], fresh):
        assert all(party.userinfo(token).status_code == 200 for _ in range(4))
        assert party.introspect(token).json()["active"] is True
    assert verified(server, before["id_token"], audience=party.client.client_id)["sub"] == rotating.user.id
    assert "code" in party.sign_in(rotating.browser, id_token_hint=before["id_token"], prompt="none").params


def test_a_compromised_key_is_dead_in_all_workers_within_seconds(rotating: Scene) -> None:
    server = rotating.server
    party = rotating.client(rotate_refresh_tokens=False)
    before = rotating.offline(party)
    bad = header_of(before["access_token"])["kid"]
    directory(server).retire(bad, server.now, unpublish=True)
    fresh = wait_until_all_sign_with(rotating, party, before["refresh_token"], active_kid(server, "RS256"))
    assert bad not in fetch_jwks(server)
    assert all(party.userinfo(before["access_token"]).status_code == 401 for _ in range(6))
    assert party.userinfo(fresh).status_code == 200


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_a_planned_rotation_waits_until_the_key_was_published_long_enough_and_keeps_the_old_one(
    timed: TimedServer,
) -> None:
    scene = open_scene(timed)
    party = scene.client()
    keys = directory(timed)
    keys.rotate(timed.now, alg="RS256", publish_for=300, immediately=True)  # so that no founding key is next
    time.sleep(1.1)
    first = scene.tokens(party)
    keys.rotate(timed.now, alg="RS256", publish_for=300)
    time.sleep(1.1)
    planned = [key["kid"] for key in fetch_jwks(timed).values() if key["alg"] == "RS256"]
    assert header_of(scene.tokens(party)["access_token"])["kid"] == header_of(first["access_token"])["kid"]
    timed.forward(301)
    later = scene.tokens(party)
    new = header_of(later["access_token"])["kid"]
    assert new != header_of(first["access_token"])["kid"]
    assert new in planned
    assert party.userinfo(first["access_token"]).status_code == 200
    timed.forward(800)
    assert header_of(first["id_token"])["kid"] in fetch_jwks(timed)
    timed.forward(timed.settings.longest_token_lifetime)
    assert header_of(first["id_token"])["kid"] not in fetch_jwks(timed)


def test_the_answer_is_the_same_from_every_worker(server: ServerUnderTest) -> None:
    answers: set[Any] = {(fetch(server).text, fetch(server).headers["ETag"]) for _ in range(8)}
    assert len(answers) == 1
