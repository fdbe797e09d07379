"""From a JWKS to keys that verify: RFC 7517, RFC 7518 §6.

Owns which published keys are taken: public ones, for signatures, large enough, of a kind that an allowed algorithm
needs. Others are passed over, so that a server may publish keys that we do not know.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from idp_verify.algorithms import ALGORITHMS, Algorithm, PublicKey, Verify
from idp_verify.compact import decode_part, load_json_object
from idp_verify.errors import InvalidToken

MAX_KEYS = 50
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192

KeySet = Mapping[tuple[str, str], Verify]
"""By algorithm and kid (a `Header` is such a pair): a key is only ever used with the algorithm that it is published for
(RFC 8725 §3.1)."""

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: Mapping[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}


class UnusableKeySet(Exception):
    """The document is no JWKS, or has no key for us; the text is for the log."""


def load_key_set(document: bytes, algs: Collection[str]) -> KeySet:
    """The keys of a JWKS for these algorithms. Raises UnusableKeySet."""
    try:
        jwks = load_json_object(document).get("keys")
    except InvalidToken:
        raise UnusableKeySet("the key set is not JSON") from None
    if not isinstance(jwks, list) or len(jwks) > MAX_KEYS:
        raise UnusableKeySet(f"the key set is not a list of at most {MAX_KEYS} keys")
    found = [entry for jwk in jwks if isinstance(jwk, dict) for entry in _load_entries(jwk, algs)]
    names = Counter(name for name, _ in found)  # of two keys with one name, neither can be meant
    keys = {name: verify for name, verify in found if names[name] == 1}
    if not keys:
        raise UnusableKeySet(f"the key set has no key for {', '.join(algs)}")
    return keys


def _load_entries(jwk: Mapping[str, Any], algs: Collection[str]) -> list[tuple[tuple[str, str], Verify]]:
    kid = jwk.get("kid")
    fitting = [alg for alg in algs if _is_fit(jwk, alg, ALGORITHMS[alg])]
    key = _find_key(jwk) if fitting and isinstance(kid, str) and kid else None
    return [] if key is None else [((alg, str(kid)), ALGORITHMS[alg].bind(key)) for alg in fitting]


def _is_fit(jwk: Mapping[str, Any], name: str, algorithm: Algorithm) -> bool:
    """RFC 7517 §4.1 to §4.4: of the right type, and meant for verifying with this algorithm."""
    key_ops = jwk.get("key_ops")
    return (
        jwk.get("kty") == algorithm.kty
        and (algorithm.crv is None or jwk.get("crv") == algorithm.crv)
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", name) == name
        and (key_ops is None or (isinstance(key_ops, list) and "verify" in key_ops))
        and _PRIVATE_MEMBERS.isdisjoint(jwk)
    )


def _find_key(jwk: Mapping[str, Any]) -> PublicKey | None:
    """RFC 7518 §6.2.1 and §6.3.1: the public key, or None when its members do not make one that we accept."""
    try:
        return _load_rsa(jwk) if jwk["kty"] == "RSA" else _load_ec(jwk)
    except (KeyError, ValueError, UnsupportedAlgorithm, InvalidToken):
        return None


def _load_rsa(jwk: Mapping[str, Any]) -> PublicKey:
    modulus, exponent = _load_number(jwk, "n"), _load_number(jwk, "e")
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise ValueError("an RSA key too small to be safe, or too large to be honest")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _load_ec(jwk: Mapping[str, Any]) -> PublicKey:
    curve, size = _CURVES[jwk["crv"]]
    x, y = _load_number(jwk, "x", size), _load_number(jwk, "y", size)
    return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()


def _load_number(jwk: Mapping[str, Any], name: str, size: int | None = None) -> int:
    value = jwk[name]
    if not isinstance(value, str) or not value.isascii():
        raise ValueError(f"{name} is no text")
    octets = decode_part(value.encode("ascii"))
    if size is not None and len(octets) != size:
        raise ValueError(f"{name} has not {size} bytes")
    return int.from_bytes(octets, "big")
