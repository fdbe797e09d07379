"""Wire payloads, member by member: `tests/golden` shows what clients see."""

from typing import Any

import pytest
import requests

from tests.support.golden import check_golden
from tests.support.relying_party import TIMEOUT, RelyingParty, claims_of, header_of
from tests.support.scene import ALL_SCOPES, Scene

API = "https://api.example.com"
OPAQUE = ("jti", "sid", "at_hash", "access_token", "id_token", "refresh_token", "kid")


@pytest.fixture(scope="module")
def party(scene: Scene) -> RelyingParty:
    return scene.client(audience=(API,), claims_in_id_token=True)


@pytest.fixture(scope="module")
def tokens(scene: Scene, party: RelyingParty) -> dict[str, Any]:
    return scene.tokens(party, scope=ALL_SCOPES, nonce="n-1")


def names(scene: Scene, party: RelyingParty) -> dict[str, str]:
    return {
        scene.server.issuer: "issuer",
        party.client.client_id: "client_id",
        scene.user.id: "sub",
        scene.user.username: "username",
    }


def check(scene: Scene, party: RelyingParty, name: str, payload: dict[str, Any]) -> None:
    """Times count from the second the token was issued; the sign-in and the last change of the person come before."""
    payload = {key: value for key, value in payload.items() if key not in {"auth_time", "updated_at"}} | {
        key: "<a time>" for key in ("auth_time", "updated_at") if type(payload.get(key)) is int
    }
    check_golden(name, payload, known=names(scene, party), at=payload.get("iat", 0), opaque=OPAQUE)


def test_token_response(scene: Scene, party: RelyingParty, tokens: dict[str, Any]) -> None:
    check(scene, party, "token_response", tokens)


def test_access_token(scene: Scene, party: RelyingParty, tokens: dict[str, Any]) -> None:
    check(scene, party, "access_token_header", header_of(tokens["access_token"]))
    check(scene, party, "access_token", claims_of(tokens["access_token"]))


def test_id_token_with_claims(scene: Scene, party: RelyingParty, tokens: dict[str, Any]) -> None:
    check(scene, party, "id_token_header", header_of(tokens["id_token"]))
    check(scene, party, "id_token_with_claims", claims_of(tokens["id_token"]))


def test_id_token_lean(scene: Scene) -> None:
    lean = scene.client()
    tokens = scene.tokens(lean, scope=ALL_SCOPES, nonce="n-1")
    check(scene, lean, "id_token_lean", claims_of(tokens["id_token"]))


def test_userinfo(scene: Scene, party: RelyingParty, tokens: dict[str, Any]) -> None:
    check(scene, party, "userinfo", party.userinfo(tokens["access_token"]).json())


def test_introspection(scene: Scene, party: RelyingParty, tokens: dict[str, Any]) -> None:
    check(scene, party, "introspection", party.introspect(tokens["access_token"]).json())


def test_discovery(scene: Scene, party: RelyingParty) -> None:
    url = scene.server.url("/.well-known/openid-configuration")
    check(scene, party, "discovery", requests.get(url, timeout=TIMEOUT).json())


def test_errors(scene: Scene, party: RelyingParty) -> None:
    answers = {
        "invalid_client": party.post("/token", {"grant_type": "refresh_token"}, auth=(party.client.client_id, "wrong")),
        "invalid_grant": party.refresh("rt_unknown"),
        "unsupported_grant_type": party.post("/token", {"grant_type": "password"}),
        "invalid_token": party.userinfo("bad"),
        "no token": requests.get(scene.server.url("/userinfo"), timeout=TIMEOUT),
    }
    shown = {
        name: {
            "status": answer.status_code,
            "body": answer.json(),
            **{key: answer.headers[key] for key in ("WWW-Authenticate", "Cache-Control") if key in answer.headers},
        }
        for name, answer in answers.items()
    }
    check_golden("errors", shown, known=names(scene, party), opaque=("request_id",))
