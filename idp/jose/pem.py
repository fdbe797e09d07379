"""A single private key that somebody gives us as PEM, such as the .p8 file that Apple hands out (RFC 7468 section 10).

Owns the reading. Keys of ours that rotate live in ``key_directory``.
"""

from __future__ import annotations

from typing import Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.jose.algorithms import SIGNING, PairedKey

_KEY_TYPES: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class InvalidPem(ValueError):
    """The text is no private key for the algorithm. The message is a plain sentence without any part of the key."""


def load_pem_key(pem: str, alg: str) -> PairedKey:
    """The private key for `alg`, one of ``SIGNING``; raises InvalidPem for anything else, encrypted keys included."""
    algorithm = SIGNING[alg]
    try:
        raw = load_pem_private_key(pem.encode("ascii"), None)
        key: PairedKey = _KEY_TYPES[algorithm.kty](cast(Any, raw), cast(Any, raw))
        members = key.as_dict(private=False)
    except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm, JoseError):
        raise InvalidPem(f"This is no private key for {alg} in PEM.") from None
    if not algorithm.is_fit(members["kty"], members.get("crv")):
        raise InvalidPem(f"The private key does not fit the algorithm {alg}.")
    return key
