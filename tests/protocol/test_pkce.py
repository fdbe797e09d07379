"""PKCE: the challenge in the authorization request, the verifier at the token endpoint."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from idp.protocol.client import Client
from idp.protocol.errors import InvalidGrant, InvalidRequest
from idp.protocol.pkce import check_challenge, check_verifier, s256

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

GOOD: AbstractContextManager[Any] = nullcontext()


def refused(error: type[Exception]) -> Any:
    return pytest.raises(error)


@pytest.mark.spec("RFC 7636", "4.2", "MUST")
def test_the_challenge_of_the_example_in_the_specification() -> None:
    assert s256(VERIFIER) == CHALLENGE


@pytest.mark.spec("RFC 7636", "4.4.1", "MUST")
@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.asvs("10.4.6")
@pytest.mark.parametrize(
    ("challenge", "method", "required", "accepted"),
    [
        pytest.param(CHALLENGE, "S256", True, True, id="RFC 7636 §4.3 S256"),
        pytest.param(CHALLENGE, "S256", False, True, id="RFC 7636 §4.3 S256 of who need not"),
        pytest.param(None, None, False, True, id="none of who need not"),
        pytest.param(None, None, True, False, id="RFC 7636 §4.4.1 none of who must"),
        pytest.param(None, "S256", False, False, id="a method without a challenge"),
        pytest.param(VERIFIER, "plain", False, False, id="RFC 9700 §2.1.1 plain"),
        pytest.param(CHALLENGE, None, False, False, id="RFC 7636 §4.3 a missing method means plain"),
        pytest.param(CHALLENGE, "s256", False, False, id="method in another case"),
        pytest.param(CHALLENGE, "S512", False, False, id="unknown method"),
        pytest.param(CHALLENGE + "=", "S256", False, False, id="RFC 7636 §4.2 padded"),
        pytest.param(CHALLENGE[:-1], "S256", False, False, id="too short"),
        pytest.param(CHALLENGE + "A", "S256", False, False, id="too long"),
        pytest.param(CHALLENGE[:-1] + "+", "S256", False, False, id="base64 that is not base64url"),
        pytest.param(CHALLENGE + "\n", "S256", False, False, id="trailing line break"),
    ],
)
def test_the_challenge(challenge: str | None, method: str | None, required: bool, accepted: bool) -> None:
    with GOOD if accepted else refused(InvalidRequest):
        check_challenge(challenge, method, required=required)


@pytest.mark.spec("RFC 7636", "4.6", "MUST")
@pytest.mark.spec("RFC 9700", "4.8.2", "MUST")
@pytest.mark.asvs("10.4.6")
@pytest.mark.parametrize(
    ("challenge", "verifier", "accepted"),
    [
        pytest.param(CHALLENGE, VERIFIER, True, id="RFC 7636 §4.6 fits"),
        pytest.param(s256("a" * 128), "a" * 128, True, id="RFC 7636 §4.1 128 characters"),
        pytest.param(s256("-._~" * 11), "-._~" * 11, True, id="RFC 7636 §4.1 every unreserved mark"),
        pytest.param(None, None, True, id="neither"),
        pytest.param(CHALLENGE, None, False, id="RFC 7636 §4.6 verifier missing"),
        pytest.param(CHALLENGE, "b" * 43, False, id="RFC 7636 §4.6 wrong verifier"),
        pytest.param(CHALLENGE, CHALLENGE, False, id="the challenge itself, as with plain"),
        pytest.param(None, VERIFIER, False, id="RFC 9700 §4.8.2 verifier without a challenge"),
        pytest.param(s256("a" * 42), "a" * 42, False, id="RFC 7636 §4.1 42 characters"),
        pytest.param(s256("a" * 129), "a" * 129, False, id="RFC 7636 §4.1 129 characters"),
        pytest.param(s256("a" * 43 + "!"), "a" * 43 + "!", False, id="RFC 7636 §4.1 reserved character"),
        pytest.param(CHALLENGE, "é" * 43, False, id="not ASCII"),
        pytest.param(CHALLENGE, VERIFIER + "\n", False, id="trailing line break"),
    ],
)
def test_the_verifier(challenge: str | None, verifier: str | None, accepted: bool) -> None:
    with GOOD if accepted else refused(InvalidGrant):
        check_verifier(challenge, verifier)


@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.parametrize(
    ("method", "own", "policy", "required"),
    [
        pytest.param("none", None, "public", True, id="public client under a lax server"),
        pytest.param("none", False, "public", True, id="public client that was relaxed all the same"),
        pytest.param("client_secret_basic", None, "all", True, id="confidential client, server default"),
        pytest.param("client_secret_basic", None, "public", False, id="confidential client under a lax server"),
        pytest.param("client_secret_basic", False, "all", False, id="confidential client relaxed by itself"),
        pytest.param("client_secret_basic", True, "public", True, id="confidential client made strict"),
    ],
)
def test_who_must_use_pkce(method: str, own: bool | None, policy: str, required: bool) -> None:
    client = Client("c", token_endpoint_auth_method=method, require_pkce=own)
    assert client.requires_pkce(policy) is required
