"""The checks on another provider's ID token: OpenID Connect Core §3.1.3.7, all of them, whatever TLS vouches for."""

import hmac
from collections.abc import Mapping
from typing import Any

from idp.jose.client_keys import InvalidToken, KeysUnavailable, RemoteKeys
from idp.upstream.connection import Connection
from idp.upstream.errors import Unavailable, Untrustworthy
from idp.upstream.provider import Endpoints
from idp.upstream.state import Pending

SKEW_SECONDS = 60
MAX_SUBJECT_LENGTH = 255  # Core §2 `sub`


def load_claims(
    id_token: object, connection: Connection, endpoints: Endpoints, pending: Pending, keys: RemoteKeys, *, now: int
) -> dict[str, Any]:
    """The claims of a token that this provider issued to us for this very sign-in. Raises UpstreamFailed."""
    if not isinstance(id_token, str) or endpoints.jwks_uri is None or endpoints.issuer is None:
        raise Untrustworthy("no ID token came")
    try:
        claims = keys.verify(id_token, endpoints.jwks_uri, algs=endpoints.algs)
    except KeysUnavailable as error:
        raise Unavailable(f"its keys: {error}") from None
    except InvalidToken as error:
        raise Untrustworthy(f"ID token: {error}") from None
    if not connection.provider.allows_issuer(endpoints.issuer, claims):
        raise Untrustworthy("ID token: another issuer")
    check_audience(claims, connection.settings.client_id)
    check_times(claims, now)
    check_nonce(claims, pending.nonce)
    check_subject(claims.get("sub"))
    return claims


def check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """Core §3.1.3.7 rules 3 to 5: for us, and for others only when it was issued to us."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise Untrustworthy("ID token: for another client")
    if len(audiences) > 1 and "azp" not in claims:
        raise Untrustworthy("ID token: several audiences and no azp")
    if "azp" in claims and claims["azp"] != client_id:
        raise Untrustworthy("ID token: issued to another client")


def check_times(claims: Mapping[str, Any], now: int) -> None:
    """Core §3.1.3.7 rules 9 and 10, with a minute for clocks that differ."""
    exp, iat = _seconds(claims, "exp"), _seconds(claims, "iat")
    if exp + SKEW_SECONDS <= now:
        raise Untrustworthy("ID token: expired")
    if iat - SKEW_SECONDS > now:
        raise Untrustworthy("ID token: issued in the future")
    if "nbf" in claims and _seconds(claims, "nbf") - SKEW_SECONDS > now:
        raise Untrustworthy("ID token: not valid yet")


def check_nonce(claims: Mapping[str, Any], nonce: str) -> None:
    """Core §3.1.3.7 rule 11."""
    given = claims.get("nonce")
    if not isinstance(given, str) or not given.isascii() or not hmac.compare_digest(given, nonce):
        raise Untrustworthy("ID token: another nonce")


def check_subject(subject: object) -> None:
    """Core §2: at most 255 ASCII characters, and something. Space around them is refused, because some databases cannot
    tell it from none."""
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH:
        raise Untrustworthy("no proper subject")
    if not (subject.isascii() and subject.isprintable()) or subject != subject.strip():
        raise Untrustworthy("no proper subject")


def load_auth_time(claims: Mapping[str, Any], now: int) -> int | None:
    """When the person proved themselves over there, if it says so; never in the future. Raises Untrustworthy."""
    if claims.get("auth_time") is None:
        return None
    auth_time = _seconds(claims, "auth_time")
    if auth_time - SKEW_SECONDS > now:
        raise Untrustworthy("ID token: auth_time in the future")
    return min(auth_time, now)


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**53) < value < 2**53:
        raise Untrustworthy(f"ID token: {name} is not a time")
    return int(value)
