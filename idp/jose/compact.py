"""The compact serialisation of a JWS (RFC 7515 section 7.1), read strictly and without looking at any key.

Owns the limits and the refusals that hold for every token, ours or a client's: size, three parts, unpadded
canonical base64url, JSON objects in UTF-8 without a repeated member name (RFC 7515 section 4, RFC 7519
section 4), no ``crit`` (RFC 7515 section 4.1.11: we understand no extension). Whatever the bytes, the only
exception that comes out is ``InvalidToken``, and its text never holds a part of the token.
"""

from __future__ import annotations

import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

MAX_TOKEN_BYTES = 16 * 1024


class InvalidToken(Exception):
    """The token is refused. The text is a plain reason, safe for a log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class CompactToken:
    """A token taken apart, nothing of it believed yet."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def alg(self) -> str:
        return str(self.header["alg"])

    @property
    def kid(self) -> str | None:
        kid = self.header.get("kid")
        return None if kid is None else str(kid)


def load_compact(token: str) -> CompactToken:
    """Take a compact JWS apart; raises InvalidToken when it is not one, or is larger than MAX_TOKEN_BYTES."""
    if not isinstance(token, str) or not token.isascii():
        raise InvalidToken("the token is not ASCII text")
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken("the token is too large")
    raw = token.encode("ascii")
    parts = raw.split(b".")
    if len(parts) != 3:
        raise InvalidToken("the token does not have three parts")
    header = _load_object(parts[0], "header")
    _check_header(header)
    return CompactToken(header, _load_object(parts[1], "payload"), parts[0] + b"." + parts[1], _decode(parts[2]))


def allows_typ(header: Mapping[str, Any], typ: str | None) -> bool:
    """Whether the ``typ`` of a header is `typ`, whatever its case and with or without "application/".

    RFC 7515 section 4.1.9 and RFC 9068 section 4. With `typ` None the header must not have one.
    """
    found = header.get("typ")
    if typ is None or found is None:
        return typ is None and found is None
    return isinstance(found, str) and _plain_typ(found) == _plain_typ(typ)


def encode_part(part: bytes) -> bytes:
    """Unpadded base64url (RFC 7515 section 2)."""
    return urlsafe_b64encode(part)


def _plain_typ(typ: str) -> str:
    return typ.lower().removeprefix("application/")


def _check_header(header: Mapping[str, Any]) -> None:
    """RFC 7515 section 4.1: the members we read must be text, and nothing may be demanded that we do not know."""
    if not isinstance(header.get("alg"), str):
        raise InvalidToken("the header names no algorithm")
    if not isinstance(header.get("kid", ""), str):
        raise InvalidToken("the kid in the header is not text")
    if "crit" in header:
        raise InvalidToken("the header demands an extension (crit)")
    if "b64" in header:
        raise InvalidToken("the header asks for an unencoded payload (b64)")


def _decode(part: bytes) -> bytes:
    try:
        return urlsafe_b64decode(part)
    except (binascii.Error, ValueError):
        raise InvalidToken("a part of the token is not base64url") from None


def _load_object(part: bytes, name: str) -> dict[str, Any]:
    text = _decode(part)
    try:
        value = _read_json(text.decode("utf-8"))
        if b"\\u" in text:
            # "\ud800" is legal in JSON and yet no character: it would fail much later, where it is stored.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise InvalidToken(f"the {name} is not JSON without repeated names") from None
    if not isinstance(value, dict):
        raise InvalidToken(f"the {name} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated member name")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _read_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("the number is too large")  # 1e400: to be compared with a time, and never to be reached
    return number


_read_json = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_read_float
).decode
