"""The claims of an access token: RFC 9068 §2.2 and §4, RFC 7519 §4.1. Each check raises InvalidToken with its detail.

The details quote claims, so they may only be run once the signature has been verified.
"""

from types import MappingProxyType
from typing import Any

from idp_verify.errors import InvalidToken
from idp_verify.token import Token

_OPTIONAL_TEXT = frozenset({str, type(None)})
_NUMBER = frozenset({int, float})  # of which `type(True)` is none
_OPTIONAL_NUMBER = frozenset({int, float, type(None)})
_END_OF_TIME = 1 << 40  # seconds: some 35,000 years; JSON has integers that no float can hold


def load_token(claims: dict[str, Any], issuer: str, audience: str, now: float, leeway: float) -> Token:
    """The token with these claims, when they are all there and right at `now`."""
    get = claims.get
    if get("iss") != issuer:
        raise InvalidToken(f"its iss is {_quoted(get('iss'))}, not {issuer!r}")
    found = get("aud")  # RFC 7519 §4.1.3: one text, or a list of texts
    if found != audience and (type(found) is not list or audience not in found):
        raise InvalidToken(f"its aud is {_quoted(found)}, not {audience!r}")
    expires_at: Any = get("exp")
    auth_time, acr = get("auth_time"), get("acr")
    _check_times(get("iat"), expires_at, get("nbf"), now, leeway)
    subject, client_id, jti = get("sub"), get("client_id"), get("jti")
    if not (type(subject) is type(client_id) is type(jti) is str and subject and client_id and jti):
        raise InvalidToken("its sub, its client_id or its jti is missing or no text")
    if auth_time is not None and (type(auth_time) not in _NUMBER or not 0 <= auth_time < _END_OF_TIME):
        raise InvalidToken("its auth_time is no number, or out of all bounds")
    if type(acr) not in _OPTIONAL_TEXT:
        raise InvalidToken("its acr is no text")
    scope, roles = get("scope", ""), get("roles", [])  # RFC 9068 §2.2.3; a token may have neither
    if type(scope) is not str or type(roles) is not list or not _are_texts(roles):
        raise InvalidToken("its scope is no text, or its roles no list of texts")
    granted = frozenset(scope.split())
    return Token(subject, client_id, granted, frozenset(roles), expires_at, auth_time, acr, MappingProxyType(claims))


def _check_times(iat: Any, exp: Any, nbf: Any, now: float, leeway: float) -> None:
    """RFC 7519 §4.1.4 to §4.1.6: not over, begun, and not issued in the future."""
    if type(iat) not in _NUMBER or type(exp) not in _NUMBER or type(nbf) not in _OPTIONAL_NUMBER:
        raise InvalidToken("its iat or its exp is missing, or one of its times is no number")
    if not (0 <= iat < _END_OF_TIME and 0 <= exp < _END_OF_TIME and (nbf is None or 0 <= nbf < _END_OF_TIME)):
        raise InvalidToken("one of its times is out of all bounds")
    if now >= exp + leeway:
        raise InvalidToken(f"it expired {now - exp:.0f} seconds ago")
    if iat > now + leeway:
        raise InvalidToken(f"it was issued {iat - now:.0f} seconds in the future: compare the clocks")
    if nbf is not None and nbf > now + leeway:
        raise InvalidToken("it is not valid yet (nbf)")


def _are_texts(values: list[Any]) -> bool:
    try:
        "".join(values)  # the quickest way to ask
    except TypeError:
        return False
    return True


def _quoted(value: object) -> str:
    """A claim for the log: one line, and not a long one."""
    text = ascii(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
