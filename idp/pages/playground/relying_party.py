"""What a relying party must check before it believes a sign-in; each rule is one line with its section.

OpenID Connect Core §3.1.3.7 and §3.1.3.8 (ID token), §5.3.2 (userinfo), §12.2 (after a refresh); RFC 9207 §2.4 (iss of
the response); OpenID Connect Discovery §4.3; RFC 9068 §4 (what an API checks of the access token).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from idp.jose import jws
from idp.jose.client_keys import InvalidToken, verify_with_keys
from idp.jose.compact import allows_typ
from idp.protocol.names import ACCESS_TOKEN_TYP, ID_TOKEN_TYP
from idp.tokens.access_token import ALG as ACCESS_TOKEN_ALG
from idp.tokens.id_token import left_half_hash

ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "introspection_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
)
LEEWAY = 60  # seconds that the clock of a server may be ahead


@dataclass(frozen=True, slots=True)
class Expected:
    """Who is asking whom, and when."""

    issuer: str
    client_id: str
    now: int


class CheckFailed(Exception):
    """A rule is broken, or nothing came that could be checked. `problem` is a key of the table in `texts`."""

    def __init__(self, problem: str, detail: str = "") -> None:
        super().__init__(problem)
        self.problem, self.detail = problem, detail


def check_metadata(metadata: Mapping[str, Any], issuer: str) -> None:
    """Discovery §4.3: the document speaks of the very issuer that it was asked of, and names what we will call."""
    if metadata.get("issuer") != issuer:
        raise CheckFailed("issuer", str(metadata.get("issuer", "")))
    missing = [name for name in ENDPOINTS if not isinstance(metadata.get(name), str)]
    if missing:
        raise CheckFailed("endpoints", ", ".join(missing))


def check_callback(params: Mapping[str, str], issuer: str) -> None:
    """RFC 9207 §2.4 before anything else is believed, be it an error; then RFC 6749 §4.1.2. `state` came first."""
    if params.get("iss") != issuer:
        raise CheckFailed("response_iss", params.get("iss", ""))
    if "error" in params:
        raise CheckFailed("refused", params["error"])
    if not params.get("code"):
        raise CheckFailed("code")


def check_token_response(answer: Mapping[str, Any], *, needs_id_token: bool) -> None:
    """RFC 6749 §5.1, OpenID Connect Core §3.1.3.3."""
    if str(answer.get("token_type", "")).lower() != "bearer" or not isinstance(answer.get("access_token"), str):
        raise CheckFailed("token_response", "access_token")
    if needs_id_token and not isinstance(answer.get("id_token"), str):
        raise CheckFailed("token_response", "id_token")


def check_id_token(
    token: str,
    jwks: Mapping[str, Any],
    expected: Expected,
    *,
    alg: str,
    nonce: str,
    access_token: str,
    is_refreshed: bool = False,
) -> dict[str, Any]:
    """Core §3.1.3.7: the claims of an ID token that is right. After a refresh it may lack the nonce (§12.2)."""
    claims = _verify(token, jwks, algs=[alg], typ=ID_TOKEN_TYP)
    if claims.get("iss") != expected.issuer:
        raise CheckFailed("iss")
    us = expected.client_id
    if us not in _list(claims.get("aud")) or claims.get("azp", us) != us:
        raise CheckFailed("aud")
    _check_times(claims, expected.now)
    if claims.get("nonce", nonce if is_refreshed else None) != nonce:
        raise CheckFailed("nonce")
    if claims.get("at_hash", "") != left_half_hash(access_token, alg):
        raise CheckFailed("at_hash")
    return claims


def check_refreshed(claims: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    """Core §12.2: after a refresh, still the same person, who signed in at the same time."""
    if any(claims.get(name) != first.get(name) for name in ("iss", "sub", "aud", "azp", "auth_time")):
        raise CheckFailed("refreshed")


def check_access_token(token: str, jwks: Mapping[str, Any], expected: Expected) -> None:
    """RFC 9068 §4, as an API does; to the application itself the token is opaque."""
    claims = _verify(token, jwks, algs=[ACCESS_TOKEN_ALG], typ=ACCESS_TOKEN_TYP)
    if claims.get("iss") != expected.issuer:
        raise CheckFailed("iss")
    if claims.get("client_id") != expected.client_id or not _list(claims.get("aud")):
        raise CheckFailed("aud")
    _check_times(claims, expected.now)


def check_userinfo(answer: Mapping[str, Any], sub: str) -> None:
    """Core §5.3.2: it must speak of the person of the ID token."""
    if answer.get("sub") != sub:
        raise CheckFailed("sub")


def _verify(token: str, jwks: Mapping[str, Any], *, algs: Collection[str], typ: str) -> dict[str, Any]:
    try:
        header, _ = jws.peek(token)
        claims = verify_with_keys(token, jwks, algs=algs)
    except InvalidToken:
        raise CheckFailed("signature") from None
    if not allows_typ(header, typ):
        raise CheckFailed("typ")
    return claims


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    ends, began = claims.get("exp"), claims.get("iat")
    if not isinstance(ends, int) or not isinstance(began, int) or ends <= now or began > now + LEEWAY:
        raise CheckFailed("times")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []
