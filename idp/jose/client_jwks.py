"""A client's JWKS (RFC 7517): what may be registered, and which of its keys may verify which signature.

Owns the judgement of keys that strangers wrote: public halves only, RSA from 2048 bits on, meant for signatures, and
of the type that the algorithm asks for (RFC 8725 section 3.1).
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from idp.jose.algorithms import CLIENT_KEY, RSA_BITS, Algorithm, PairedKey

MAX_KEYS = 50
"""More keys than this in one JWKS are not looked at: each may cost a signature check."""

MAX_RSA_BITS = 8192
"""Verifying with a larger RSA key is work that a stranger could make us do."""

_MEMBERS: dict[str, tuple[str, ...]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})


class InvalidKeys(Exception):
    """A JWKS that cannot be registered; the text is a plain sentence for the client's developer."""


def check_client_jwks(jwks: object) -> None:
    """RFC 7591 section 2, OpenID Connect Registration section 2: a JWKS that a client may register.

    At least one key to verify signatures with, all of them public, RSA from 2048 bits on, each kid once; keys for
    encryption and of kinds that we do not know may stand beside them. Raises InvalidKeys with a plain sentence.
    """
    keys = load_keys(jwks)
    for place, jwk in enumerate(keys, start=1):
        _check_public(jwk, place)
    kids = [jwk["kid"] for jwk in keys if "kid" in jwk]
    if len(set(kids)) != len(kids):
        raise InvalidKeys("The JWKS has two keys with the same kid.")
    if not any(is_usable(jwk, algorithm) for jwk in keys for algorithm in CLIENT_KEY.values()):
        raise InvalidKeys("The JWKS has no key that a signature of this client could be verified with.")


def _check_public(jwk: Mapping[str, Any], place: int) -> None:
    """One key of a JWKS to register: public, and, where we know its kind, whole."""
    if jwk.get("kty") == "oct" or not _PRIVATE_MEMBERS.isdisjoint(jwk):
        raise InvalidKeys(f"Key {place} of the JWKS is secret; register public keys only.")
    if not isinstance(jwk.get("kty"), str) or not isinstance(jwk.get("kid", ""), str):
        raise InvalidKeys(f"Key {place} of the JWKS has no kty, or a kid that is not text.")
    fits_something = any(algorithm.is_fit(jwk["kty"], jwk.get("crv")) for algorithm in CLIENT_KEY.values())
    if fits_something and jwk.get("use", "sig") == "sig" and find_key(jwk) is None:
        raise InvalidKeys(f"Key {place} of the JWKS is malformed, or an RSA key of less than {RSA_BITS} bits.")


def load_keys(jwks: object) -> list[Mapping[str, Any]]:
    """The keys in a JWKS, nothing of them checked yet; raises InvalidKeys when it is not a JWKS of reasonable size."""
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS or not all(isinstance(jwk, Mapping) for jwk in keys):
        raise InvalidKeys(f"The JWKS must be an object with 1 to {MAX_KEYS} objects in its member keys.")
    return keys


def is_usable(jwk: Mapping[str, Any], algorithm: Algorithm) -> bool:
    """RFC 7517 section 4: whether the key is a public one, for verifying, and fits the algorithm."""
    key_ops = jwk.get("key_ops")
    return (
        algorithm.is_fit(jwk.get("kty"), jwk.get("crv"))
        and jwk.get("use", "sig") == "sig"
        and (key_ops is None or (isinstance(key_ops, list) and "verify" in key_ops))
        and jwk.get("alg", algorithm.name) in _names_of(algorithm)
        and _PRIVATE_MEMBERS.isdisjoint(jwk)
        and find_key(jwk) is not None
    )


def _names_of(algorithm: Algorithm) -> tuple[str, ...]:
    """RFC 9864 section 2.2: EdDSA with Ed25519 is the same thing as Ed25519."""
    return ("EdDSA", "Ed25519") if algorithm.kty == "OKP" else (algorithm.name,)


def find_key(jwk: Mapping[str, Any]) -> PairedKey | None:
    """The public key in a JWK, or None when its members do not make one that we accept."""
    kty = jwk.get("kty")
    members = tuple(jwk.get(name) for name in _MEMBERS.get(kty, ())) if isinstance(kty, str) else ()
    if not members or not all(isinstance(member, str) and len(member) <= 2048 for member in members):
        return None
    return _import_public(str(kty), tuple(str(member) for member in members))


@lru_cache(maxsize=512)
def _import_public(kty: str, members: tuple[str, ...]) -> PairedKey | None:
    """Import once what is used again and again; the public members alone decide what comes out."""
    jwk: dict[str, Any] = dict(zip(_MEMBERS[kty], members, strict=True))
    try:
        if kty == "RSA":
            # Looked at before joserfc does, which would import a short key with no more than a warning.
            bits = int.from_bytes(urlsafe_b64decode(jwk["n"].encode("ascii")), "big").bit_length()
            return RSAKey.import_key({"kty": kty, **jwk}) if RSA_BITS <= bits <= MAX_RSA_BITS else None
        return ECKey.import_key({"kty": kty, **jwk}) if kty == "EC" else OKPKey.import_key({"kty": kty, **jwk})
    except (ValueError, TypeError, KeyError, OverflowError, binascii.Error, UnsupportedAlgorithm, JoseError):
        return None
