"""JWTs that this server signs as somebody's client, with a key that the other side gave out (RFC 7523 section 2.2).

Owns the signature. Such a key comes as PEM from the settings, not from the key directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from idp.jose.algorithms import SIGNING
from idp.jose.compact import encode_part

ALG = "ES256"


class UnusableKey(Exception):
    """The text is not a PEM file with a private key for ES256; safe for a log."""


def sign_assertion(claims: Mapping[str, Any], pem: str, *, kid: str) -> str:
    """The claims as a JWT signed with ES256; raises UnusableKey."""
    key = _load_key(pem)
    header = encode_part(json.dumps({"alg": ALG, "kid": kid}).encode("ascii"))
    signing_input = header + b"." + encode_part(json.dumps(dict(claims)).encode("ascii"))
    signature = SIGNING[ALG].model.sign(signing_input, key)
    return (signing_input + b"." + encode_part(signature)).decode("ascii")


def check_assertion_key(pem: str) -> None:
    """RFC 7518 section 3.4: a private key on the curve P-256. Raises UnusableKey."""
    _load_key(pem)


@lru_cache(maxsize=16)
def _load_key(pem: str) -> ECKey:
    try:
        raw = load_pem_private_key(pem.strip().encode("utf-8"), None)
        key = ECKey(cast(Any, raw), cast(Any, raw))
        fits = SIGNING[ALG].is_fit("EC", key.as_dict(private=False).get("crv"))
    except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm, JoseError):
        raise UnusableKey("this is not a private key in PEM") from None
    if not fits:
        raise UnusableKey("the key is not one for ES256 (curve P-256)")
    return key
