"""JWTs that this server signs as somebody's client, with a key that the other side gave out (RFC 7523 section 2.2).

Owns the signature. Such a key comes as PEM from the settings, not from the key directory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from idp.jose.algorithms import SIGNING
from idp.jose.compact import encode_part
from idp.jose.pem import load_pem_key

ALG = "ES256"
_load = lru_cache(maxsize=16)(load_pem_key)


def sign_assertion(claims: Mapping[str, Any], pem: str, *, kid: str) -> str:
    """The claims as a JWT signed with ES256; raises InvalidPem."""
    header = encode_part(json.dumps({"alg": ALG, "kid": kid}).encode("ascii"))
    signing_input = header + b"." + encode_part(json.dumps(dict(claims)).encode("ascii"))
    signature = SIGNING[ALG].model.sign(signing_input, _load(pem, ALG))
    return (signing_input + b"." + encode_part(signature)).decode("ascii")


def check_assertion_key(pem: str) -> None:
    """RFC 7518 section 3.4: a private key on the curve P-256. Raises InvalidPem."""
    _load(pem, ALG)
