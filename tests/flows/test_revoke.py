"""Revocation: RFC 7009, dead at once at our own endpoints in every worker process."""

import pytest
import requests

from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import TIMEOUT, RelyingParty
from tests.support.scene import Scene, open_scene, refused

DEAD = (400, "invalid_grant")
NOT_VALID = (401, "invalid_token")


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture(scope="module", params=[True, False], ids=["public", "confidential"])
def party(scene: Scene, request: pytest.FixtureRequest) -> RelyingParty:
    return scene.client(public=request.param)


def is_done(answer: requests.Response) -> bool:
    return answer.status_code == 200 and answer.content == b"" and answer.headers["Cache-Control"] == "no-store"


@pytest.mark.spec("RFC 7009", "2.1", "SHOULD")
@pytest.mark.asvs("7.4.1")
def test_a_revoked_refresh_token_takes_its_access_tokens_with_it(scene: Scene, party: RelyingParty) -> None:
    first = scene.offline(party)
    second = party.refresh(first["refresh_token"]).json()
    assert is_done(party.revoke(second["refresh_token"]))
    for tokens in (first, second):
        assert refused(party.refresh(tokens["refresh_token"])) == DEAD
        assert all(refused(party.userinfo(tokens["access_token"])) == NOT_VALID for _ in range(4))
    if party.client.secret:
        assert party.introspect(second["access_token"]).json() == {"active": False}
        assert party.introspect(second["refresh_token"]).json() == {"active": False}


@pytest.mark.spec("RFC 7009", "2.1", "MUST")
@pytest.mark.asvs("7.4.1")
def test_a_revoked_access_token_dies_alone(scene: Scene, party: RelyingParty) -> None:
    tokens = scene.offline(party)
    sibling = party.refresh(tokens["refresh_token"]).json()
    assert is_done(party.revoke(tokens["access_token"]))
    assert refused(party.userinfo(tokens["access_token"])) == NOT_VALID
    assert party.userinfo(sibling["access_token"]).status_code == 200
    assert party.refresh(sibling["refresh_token"]).status_code == 200


@pytest.mark.spec("RFC 7009", "2.1", "SHOULD")
def test_an_already_used_refresh_token_still_revokes_its_family(scene: Scene, party: RelyingParty) -> None:
    first = scene.offline(party)
    second = party.refresh(first["refresh_token"]).json()
    assert is_done(party.revoke(first["refresh_token"]))
    assert refused(party.refresh(second["refresh_token"])) == DEAD


@pytest.mark.spec("RFC 7009", "2.2", "MUST")
@pytest.mark.parametrize("token", ["unknown", "rt_unknown", "a.b.c", "..", "é", "x" * 9000])
def test_an_unknown_token_is_answered_like_a_revoked_one(party: RelyingParty, token: str) -> None:
    assert is_done(party.revoke(token))


@pytest.mark.spec("RFC 7009", "2.2", "MUST")
def test_revoking_twice_is_no_error(scene: Scene, party: RelyingParty) -> None:
    tokens = scene.offline(party)
    for token in (tokens["access_token"], tokens["refresh_token"]) * 2:
        assert is_done(party.revoke(token))


@pytest.mark.spec("RFC 7009", "2.1", "OPTIONAL")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unheard_of"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_wrong_hint_does_not_mislead(scene: Scene, party: RelyingParty, kind: str, hint: str) -> None:
    tokens = scene.offline(party)
    assert is_done(party.revoke(tokens[kind], token_type_hint=hint))
    assert refused(party.userinfo(tokens["access_token"])) == NOT_VALID


@pytest.mark.spec("RFC 7009", "2.1", "MUST")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_foreign_token_is_left_alone(scene: Scene, party: RelyingParty, kind: str) -> None:
    tokens = scene.offline(party)
    for public in (True, False):
        assert is_done(scene.client(public=public).revoke(tokens[kind]))
    assert party.userinfo(tokens["access_token"]).status_code == 200
    assert party.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.spec("RFC 7009", "2.1", "MUST")
@pytest.mark.asvs("10.4.10")
def test_a_client_that_is_not_who_it_says_revokes_nothing(scene: Scene) -> None:
    party = scene.client()
    tokens = scene.offline(party)
    url = scene.server.url("/revoke")
    attempts = [
        {"auth": (party.client.client_id, "wrong")},
        {"headers": {"Authorization": f"Bearer {tokens['access_token']}"}},
        {},
    ]
    for options in attempts:
        answer = requests.post(url, data={"token": tokens["refresh_token"]}, timeout=TIMEOUT, **options)
        assert refused(answer) == (401, "invalid_client")
    with_id_only = requests.post(
        url, data={"token": tokens["refresh_token"], "client_id": party.client.client_id}, timeout=TIMEOUT
    )
    assert refused(with_id_only) == (401, "invalid_client")
    assert party.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.spec("RFC 7009", "2.1", "REQUIRED")
def test_a_request_without_a_token_is_invalid_request(party: RelyingParty) -> None:
    assert refused(party.post("/revoke", {})) == (400, "invalid_request")


def test_an_id_token_and_a_code_are_not_revoked_by_accident(scene: Scene, party: RelyingParty) -> None:
    callback = party.sign_in(scene.browser, scope="openid offline_access")
    assert is_done(party.revoke(callback.code))
    tokens = party.redeem(callback).json()
    assert is_done(party.revoke(tokens["id_token"]))
    assert party.userinfo(tokens["access_token"]).status_code == 200
    assert party.refresh(tokens["refresh_token"]).status_code == 200


def test_an_expired_token_is_revoked_without_an_error(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(refresh_token_idle_lifetime=1000)
    tokens = scene.offline(party)
    timed.forward(1001)
    assert is_done(party.revoke(tokens["access_token"]))
    assert is_done(party.revoke(tokens["refresh_token"]))
