"""Tokens signed by this server: JWS compact serialisation (RFC 7515), JWT (RFC 7519), and RFC 8725 for the checks.

Owns the signature and the header. What the claims mean, and whether they have expired, is the caller's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from joserfc.errors import JoseError

from idp.jose.compact import InvalidToken, allows_typ, encode_part, load_compact
from idp.jose.key_pair import SigningKey
from idp.jose.signing_keys import SigningKeys

__all__ = ["InvalidToken", "peek", "sign", "verify"]

_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def sign(claims: Mapping[str, Any], key: SigningKey, *, typ: str | None) -> str:
    """The claims as a token signed by `key`, with ``typ`` in its header (none when None).

    Costs little more than the bare signature: the header is prepared once per key, the private key once per process.
    """
    payload = encode_part(_to_json(claims if isinstance(claims, dict) else dict(claims)).encode("ascii"))
    signing_input = _header_part(key.alg, key.kid, typ) + b"." + payload
    signature = key.algorithm.model.sign(signing_input, key.material.private)
    return (signing_input + b"." + encode_part(signature)).decode("ascii")


def verify(token: str, keys: SigningKeys, now: int, *, typ: str | None) -> dict[str, Any]:
    """The claims of a token that one of our published keys signed; raises InvalidToken otherwise, and nothing else.

    The kid must be ours, the algorithm the one of that very key, and ``typ`` as given (RFC 8725 sections 3.1 and
    3.11; None demands that there is none). Expiry is not looked at.
    """
    parts = load_compact(token)
    if not allows_typ(parts.header, typ):
        raise InvalidToken("the token is of another type")
    key = keys.find(parts.kid, now) if parts.kid is not None else None
    if key is None:
        raise InvalidToken("the token names no key of this server")
    if parts.alg != key.alg:
        raise InvalidToken("the algorithm is not the one of the key")
    try:
        is_ours = key.algorithm.model.verify(parts.signing_input, parts.signature, key.material.public)
    except (ValueError, JoseError):
        is_ours = False
    if not is_ours:
        raise InvalidToken("the signature is wrong")
    return parts.claims


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token that nobody has verified; raises InvalidToken when it cannot be taken apart."""
    parts = load_compact(token)
    return parts.header, parts.claims


@lru_cache(maxsize=256)
def _header_part(alg: str, kid: str, typ: str | None) -> bytes:
    header = {"alg": alg, "kid": kid} if typ is None else {"typ": typ, "alg": alg, "kid": kid}
    return encode_part(_to_json(header).encode("ascii"))
