"""The keys of one stand-in, made when first needed, changed at a word; their JWKS; id_tokens, good and forged ones.

Signs by hand, header included, because the forgeries that a relying party must refuse (RFC 8725 §2.1, §2.2) are what no
library would make. Everything that verifies lives elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from idp.jose.algorithms import SIGNING, PairedKey, generate_key
from idp.jose.compact import encode_part

ALG = "RS256"
KEPT_KEYS = 8
"""Keys published at the same time: those that signed a moment ago must stay, for sign-ins that are still going on."""


@dataclass(frozen=True)
class RingKey:
    """A key pair and the members of its public JWK."""

    kid: str
    pair: PairedKey
    jwk: Mapping[str, Any]


class KeyRing:
    """The newest key signs, the latest eight are published. Safe for several threads."""

    def __init__(self, *, typ: str | None = "JWT") -> None:
        self._typ = typ
        self._keys: list[RingKey] = []
        self._lock = threading.Lock()

    def jwks(self) -> dict[str, Any]:
        """RFC 7517 §5."""
        self.newest()
        with self._lock:
            return {"keys": [dict(key.jwk) for key in self._keys]}

    def newest(self) -> RingKey:
        with self._lock:
            if not self._keys:
                self._keys.append(_make_key())
            return self._keys[-1]

    def rotate(self) -> RingKey:
        """A new key, published at once, that signs from now on."""
        key = _make_key()
        with self._lock:
            self._keys = [*self._keys, key][-KEPT_KEYS:]
        return key

    def sign(self, claims: Mapping[str, Any], fault: str | None = None) -> str:
        """The claims as an id_token, or as the forgery that the fault names."""
        key = self.rotate() if fault == "key_rotated" else self.newest()
        alg = {"alg_none": "none", "hs256": "HS256"}.get(fault or "", ALG)
        header = {"alg": alg, "kid": key.kid} | ({"typ": self._typ} if self._typ else {})
        signing_input = _part(header) + b"." + _part(claims)
        if fault == "alg_none":
            signature = b""
        elif fault == "hs256":
            signature = hmac.digest(key.pair.as_pem(private=False), signing_input, "sha256")
        else:
            pair = _strangers_key() if fault == "bad_signature" else key.pair
            signature = SIGNING[ALG].model.sign(signing_input, pair)
        return (signing_input + b"." + encode_part(signature)).decode("ascii")


def half_hash(token: str) -> str:
    """OpenID Connect Core §3.1.3.6: at_hash of an access token, for an id_token signed with SHA-256."""
    return encode_part(hashlib.sha256(token.encode("ascii")).digest()[:16]).decode("ascii")


def _make_key() -> RingKey:
    pair = generate_key(ALG)
    kid = pair.thumbprint()
    return RingKey(kid, pair, {**pair.as_dict(private=False), "kid": kid, "alg": ALG, "use": "sig"})


@lru_cache(maxsize=1)
def _strangers_key() -> PairedKey:
    """A key that nobody publishes."""
    return generate_key(ALG)


def _part(value: Mapping[str, Any]) -> bytes:
    return encode_part(json.dumps(value, separators=(",", ":")).encode("utf-8"))
