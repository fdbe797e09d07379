"""What stands in an ID token: OpenID Connect Core §2, §3.1.3.6, §5.4, §5.5 and §12.2."""

import base64
import hashlib
import json

import pytest

from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, claims_of, header_of
from tests.support.scene import ALL_SCOPES, Scene, open_scene, verified

LEAN = {"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "acr", "amr", "at_hash", "nonce", "sid"}
ABOUT_THE_PERSON = {"name", "email", "email_verified", "roles", "address", "phone_number", "preferred_username"}
HASHES = {"RS256": "sha256", "PS256": "sha256", "ES256": "sha256", "EdDSA": "sha512"}


@pytest.mark.spec("OpenID Connect Core", "2", "REQUIRED")
@pytest.mark.spec("OpenID Connect Core", "3.1.3.6", "MUST")
@pytest.mark.asvs("9.1.1", "9.1.2")
@pytest.mark.parametrize("alg", list(HASHES))
def test_it_verifies_by_the_clients_algorithm_and_binds_the_access_token(scene: Scene, alg: str) -> None:
    party = scene.client(id_token_signed_response_alg=alg)
    tokens = scene.tokens(party)
    assert header_of(tokens["id_token"])["alg"] == alg
    claims = verified(scene.server, tokens["id_token"], audience=party.client.client_id, alg=alg)
    digest = hashlib.new(HASHES[alg], tokens["access_token"].encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert claims["at_hash"] == half


@pytest.mark.spec("OpenID Connect Core", "2", "REQUIRED")
def test_it_says_who_for_whom_how_and_when(scene: Scene) -> None:
    party = scene.client()
    before = scene.server.now
    claims = claims_of(scene.tokens(party, nonce="n-0S6_WzA2Mj")["id_token"])
    assert set(claims) == LEAN
    assert claims["iss"] == scene.server.issuer
    assert claims["sub"] == scene.user.id
    assert claims["aud"] == claims["azp"] == party.client.client_id
    assert claims["nonce"] == "n-0S6_WzA2Mj"
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert claims["auth_time"] <= claims["iat"]
    assert before <= claims["iat"] <= scene.server.now
    for name in ("exp", "iat", "auth_time"):
        assert type(claims[name]) is int


@pytest.mark.spec("OpenID Connect Core", "2", "MUST")
@pytest.mark.parametrize("nonce", ["a&b=c+d%20e", 'é"\\<>', "x" * 2000, " ", None])
def test_the_nonce_comes_back_as_it_was_sent(scene: Scene, nonce: str | None) -> None:
    claims = claims_of(scene.tokens(scene.client(), nonce=nonce)["id_token"])
    assert claims.get("nonce") == nonce
    assert ("nonce" in claims) is (nonce is not None)


# --- Which claims about the person


@pytest.mark.spec("OpenID Connect Core", "5.4", "SHOULD")
def test_it_is_lean_by_default_whatever_the_scope(scene: Scene) -> None:
    assert set(claims_of(scene.tokens(scene.client(), scope=ALL_SCOPES)["id_token"])) == LEAN


def test_a_client_registered_for_it_gets_the_claims_of_its_scopes(scene: Scene) -> None:
    party = scene.client(claims_in_id_token=True)
    everything = claims_of(scene.tokens(party, scope=ALL_SCOPES)["id_token"])
    assert set(everything) >= LEAN | ABOUT_THE_PERSON
    assert everything["roles"] == ["reader", "Admin"]
    email_only = claims_of(scene.tokens(party, scope="openid email")["id_token"])
    assert set(email_only) == LEAN | {"email", "email_verified"}


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
def test_claims_asked_for_by_name_come_and_others_do_not(scene: Scene) -> None:
    wish = {"id_token": {"name": {"essential": True}, "roles": None, "no_such": None}, "userinfo": {"email": None}}
    claims = claims_of(scene.tokens(scene.client(), scope="openid", claims=json.dumps(wish))["id_token"])
    assert set(claims) == LEAN | {"name", "roles"}


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp", "nonce", "client_id", "password_hash", "disabled"])
def test_no_wish_changes_what_the_token_is(scene: Scene, claim: str) -> None:
    wish = json.dumps({"id_token": {claim: {"values": ["mine"]}}})
    party = scene.client()
    claims = claims_of(scene.tokens(party, claims=wish)["id_token"])
    assert set(claims) == LEAN
    assert claims["aud"] == party.client.client_id
    assert claims["iss"] == scene.server.issuer


def test_wishes_hold_after_a_refresh_too(scene: Scene) -> None:
    party = scene.client()
    wish = json.dumps({"id_token": {"name": None}})
    tokens = scene.offline(party, claims=wish)
    assert claims_of(party.refresh(tokens["refresh_token"]).json()["id_token"])["name"] == "Ada Marie Lovelace"


# --- When the person signed in


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "MUST")
def test_auth_time_is_that_of_the_sign_in_and_moves_only_with_a_new_one(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client()
    first = claims_of(scene.tokens(party)["id_token"])
    timed.forward(500)
    second = claims_of(scene.tokens(party, max_age="10000")["id_token"])
    assert second["auth_time"] == first["auth_time"]
    assert second["iat"] >= first["iat"] + 500
    third = claims_of(scene.tokens(party, prompt="login")["id_token"])
    assert third["auth_time"] >= first["auth_time"] + 500
    assert third["sid"] == first["sid"]


def test_sid_names_the_session_and_is_not_its_secret(scene: Scene) -> None:
    party, elsewhere = scene.client(), Browser(scene.server)
    sids = [claims_of(scene.tokens(party)["id_token"])["sid"] for _ in range(2)]
    other = claims_of(party.tokens(elsewhere, scene.user.username)["id_token"])["sid"]
    assert sids[0] == sids[1] != other
    for browser in (scene.browser, elsewhere):
        assert not {sids[0], other} & {str(cookie.value) for cookie in browser.http.cookies}


def test_two_clients_of_one_session_share_its_sid_and_nothing_else_of_use(scene: Scene) -> None:
    one, two = scene.client(), scene.client()
    first, second = (claims_of(scene.tokens(party)["id_token"]) for party in (one, two))
    assert first["sid"] == second["sid"]
    assert first["aud"] != second["aud"]
