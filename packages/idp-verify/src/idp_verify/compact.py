"""The strict reading of a JWT in its compact form (RFC 7515 §7.1, RFC 7519 §7.2, RFC 8725).

Owns the limits and refusals that need no key: size, three parts, canonical base64url, JSON objects in UTF-8 without a
repeated name, and a header that asks for nothing but an algorithm and a key of the server. Whatever the text, the only
exception is InvalidToken.
"""

import json
import math
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any, NamedTuple

from idp_verify.errors import InvalidToken

MAX_TOKEN_BYTES = 16 * 1024
MAX_KID_BYTES = 256

# RFC 7515 §4.1.2 to §4.1.6: where a token brings its own key. §4.1.11: extensions, of which we understand none.
_REFUSED_MEMBERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})

_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/   ")  # the strict decoder refuses the spaces
_PADDING = (b"", b"", b"==", b"=")
# The last character of a part may hold 4 or 2 bits that decode to nothing: they must be zero, else a token could be
# written in several ways (RFC 4648 §3.5). By the length of the part modulo 4.
_LAST = (None, None, frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))


class Header(NamedTuple):
    """What the header names: an algorithm and a key. Both are only ever looked up."""

    alg: str
    kid: str


Parts = tuple[bytes, bytes, bytes, bytes]
"""Header, payload, both as they were signed, and the signature, decoded. Nothing of it is believed yet."""


def load_parts(token: str) -> Parts:
    """Split a token; raises InvalidToken when it is too large or has no three parts."""
    if not isinstance(token, str) or not token.isascii():
        raise InvalidToken("it is not ASCII text")
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken(f"it is larger than {MAX_TOKEN_BYTES} bytes")
    signing_input, _, signature = token.encode("ascii").rpartition(b".")
    header, _, payload = signing_input.partition(b".")
    if not header or not payload or b"." in payload:
        raise InvalidToken("it does not have three parts")
    return header, payload, signing_input, decode_part(signature)


def load_header(part: bytes, *, typ: str) -> Header:
    """RFC 7515 §4.1, RFC 9068 §4: the header of a token of this type. Raises InvalidToken."""
    header = load_object(part)
    if refused := _REFUSED_MEMBERS & header.keys():
        raise InvalidToken(f"its header has {min(refused)}, which is never used")
    _check_typ(header, typ)
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str):
        raise InvalidToken("its header names no algorithm")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_BYTES:
        raise InvalidToken("its header names no key (kid)")
    return Header(alg, kid)


def _check_typ(header: Mapping[str, Any], typ: str) -> None:
    """RFC 9068 §4, RFC 7515 §4.1.9: the type in any case, with or without "application/"."""
    found = header.get("typ")
    if not isinstance(found, str) or found.lower().removeprefix("application/") != typ:
        raise InvalidToken(f"its typ is not {typ}: it is another kind of token")


def decode_part(part: bytes) -> bytes:
    """RFC 7515 §2: base64url without padding, in its one canonical spelling. Raises InvalidToken."""
    spare = len(part) & 3
    last = _LAST[spare]
    if last is not None and part[-1] not in last:
        raise InvalidToken("it is not in canonical base64url")
    try:
        return a2b_base64(part.translate(_TO_STANDARD) + _PADDING[spare], strict_mode=True)
    except ValueError:
        raise InvalidToken("it is not in base64url") from None


def load_object(part: bytes) -> dict[str, Any]:
    """A JSON object from base64url. Raises InvalidToken."""
    return load_json_object(decode_part(part))


def load_json_object(text: bytes) -> dict[str, Any]:
    """RFC 7519 §4, RFC 8259: UTF-8, no name twice, no number that is none. Raises InvalidToken."""
    try:
        value = _read_json(text.decode("utf-8"))
        if b"\\" in text:  # "\ud800" is legal in JSON and yet no character: it would fail much later
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise InvalidToken("a part of it is not strict JSON") from None
    if type(value) is not dict:
        raise InvalidToken("a part of it is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _read_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


_decoder: Any = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_read_float)
_scan = _decoder.scan_once
_WHITESPACE = " \t\n\r"


def _read_json(text: str) -> Any:
    """What `JSONDecoder.decode` does, without its two searches for white space."""
    text = text.strip(_WHITESPACE)
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value
