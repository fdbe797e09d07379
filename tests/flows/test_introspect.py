"""Introspection: RFC 7662, for authenticated clients and only about what concerns them."""

import pytest
import requests

from tests.jose.tokens import forge
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import TIMEOUT, RelyingParty, claims_of, header_of
from tests.support.scene import Scene, open_scene, refused

INACTIVE = '{"active":false}'
API = "https://api.example.com"


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture(scope="module")
def party(scene: Scene) -> RelyingParty:
    return scene.client(audience=(API,))


def is_inactive(answer: requests.Response) -> bool:
    """RFC 7662 §2.2: exactly that, and nothing beside it."""
    return answer.status_code == 200 and answer.text == INACTIVE


@pytest.mark.spec("RFC 7662", "2.2", "REQUIRED")
def test_the_client_of_an_access_token_learns_what_it_stands_for(scene: Scene, party: RelyingParty) -> None:
    token = scene.tokens(party, scope="openid email")["access_token"]
    answer = party.introspect(token)
    expected = {"active": True, "token_type": "Bearer", "username": scene.user.username, **claims_of(token)}
    assert answer.json() == expected
    assert {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "sid"} <= set(expected)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.spec("RFC 7662", "2.2", "REQUIRED")
def test_the_client_of_a_refresh_token_learns_what_it_stands_for(scene: Scene, party: RelyingParty) -> None:
    token = scene.offline(party)["refresh_token"]
    answer = party.introspect(token).json()
    assert answer.pop("exp") > scene.server.now
    assert answer == {
        "active": True,
        "scope": "openid offline_access",
        "client_id": party.client.client_id,
        "username": scene.user.username,
        "sub": scene.user.id,
        "iss": scene.server.issuer,
    }


@pytest.mark.spec("RFC 7662", "4", "MUST")
@pytest.mark.asvs("10.3.1")
def test_an_api_learns_about_the_tokens_meant_for_it_and_no_others(scene: Scene, party: RelyingParty) -> None:
    api, other_api = scene.client(serves=(API,)), scene.client(serves=("https://other.example.com",))
    tokens = scene.offline(party)
    assert api.introspect(tokens["access_token"]).json()["active"] is True
    assert is_inactive(other_api.introspect(tokens["access_token"]))
    assert is_inactive(api.introspect(tokens["refresh_token"]))


@pytest.mark.spec("RFC 7662", "2.2", "MUST")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_foreign_token_looks_like_an_unknown_one(scene: Scene, party: RelyingParty, kind: str) -> None:
    assert is_inactive(scene.client().introspect(scene.offline(party)[kind]))


@pytest.mark.spec("RFC 7662", "2.2", "MUST")
@pytest.mark.asvs("9.1.2")
@pytest.mark.parametrize("token", ["x", "a.b.c", "rt_unknown", "..", "\u00e9", "e30.e30.e30", "r" * 9000])
def test_an_unknown_token_is_just_inactive(party: RelyingParty, token: str) -> None:
    assert is_inactive(party.introspect(token))


@pytest.mark.asvs("9.1.1", "9.2.2")
def test_an_id_token_a_forged_token_and_a_code_are_inactive(scene: Scene, party: RelyingParty) -> None:
    callback = party.sign_in(scene.browser)
    assert is_inactive(party.introspect(callback.code))
    tokens = party.redeem(callback).json()
    assert is_inactive(party.introspect(tokens["id_token"]))
    unsigned = forge({**header_of(tokens["access_token"]), "alg": "none"}, claims_of(tokens["access_token"]))
    assert is_inactive(party.introspect(unsigned))


@pytest.mark.spec("RFC 7662", "2.2", "MUST")
@pytest.mark.asvs("9.2.1")
def test_an_expired_token_is_inactive(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client(refresh_token_idle_lifetime=2000)
    tokens = scene.offline(party)
    timed.forward(901)
    assert is_inactive(party.introspect(tokens["access_token"]))
    assert party.introspect(tokens["refresh_token"]).json()["active"] is True
    timed.forward(1100)
    assert is_inactive(party.introspect(tokens["refresh_token"]))


@pytest.mark.spec("RFC 7662", "2.2", "MUST")
def test_a_used_refresh_token_is_inactive_and_asking_is_no_replay(scene: Scene, party: RelyingParty) -> None:
    first = scene.offline(party)
    second = party.refresh(first["refresh_token"]).json()
    third = party.refresh(second["refresh_token"]).json()
    for tokens in (first, second):
        assert is_inactive(party.introspect(tokens["refresh_token"]))
    assert party.introspect(third["refresh_token"]).json()["active"] is True


@pytest.mark.spec("RFC 7662", "2.1", "OPTIONAL")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "unheard_of"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_wrong_hint_does_not_mislead(scene: Scene, party: RelyingParty, kind: str, hint: str) -> None:
    token = scene.offline(party)[kind]
    assert party.introspect(token, token_type_hint=hint).json()["active"] is True


@pytest.mark.spec("RFC 7662", "2.1", "MUST")
@pytest.mark.asvs("10.4.10")
def test_nobody_asks_without_authentication(scene: Scene, party: RelyingParty) -> None:
    url, token = scene.server.url("/introspect"), scene.tokens(party)["access_token"]
    public = scene.client(public=True)
    own = scene.tokens(public)["access_token"]
    attempts = [
        requests.post(url, data={"token": token}, timeout=TIMEOUT),
        requests.post(url, data={"token": token}, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT),
        requests.post(url, data={"token": token}, auth=(party.client.client_id, "wrong"), timeout=TIMEOUT),
        requests.post(url, data={"token": token, "client_id": party.client.client_id}, timeout=TIMEOUT),
        public.introspect(own),
    ]
    assert [refused(answer) for answer in attempts] == [(401, "invalid_client")] * len(attempts)


@pytest.mark.spec("RFC 7662", "2.1", "REQUIRED")
def test_a_request_without_a_token_is_invalid_request(party: RelyingParty) -> None:
    assert refused(party.post("/introspect", {})) == (400, "invalid_request")
    assert refused(party.post("/introspect", {"token": ""})) == (400, "invalid_request")
