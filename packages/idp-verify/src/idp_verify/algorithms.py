"""Signature algorithms for public keys: RFC 7518 §3.3 to §3.5, as one literal table.

Owns which key fits which algorithm. There is no shared secret and no "none" here, so no token can ask for one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
Verify = Callable[[bytes, bytes], None]
"""Signature and signed bytes; raises cryptography's InvalidSignature. May be called by many threads at once."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`kty` and, for EC, `crv` of the keys that fit; `bind` makes a key into what verifies with it."""

    kty: str
    crv: str | None
    bind: Callable[[PublicKey], Verify]


def _rs(digest: HashAlgorithm) -> Algorithm:
    def bind(key: PublicKey) -> Verify:
        assert isinstance(key, rsa.RSAPublicKey)
        check, pkcs1 = key.verify, padding.PKCS1v15()
        return lambda signature, data: check(signature, data, pkcs1, digest)

    return Algorithm("RSA", None, bind)


def _ps(digest: HashAlgorithm) -> Algorithm:
    """RFC 7518 §3.5: the salt is as long as the hash."""

    def bind(key: PublicKey) -> Verify:
        assert isinstance(key, rsa.RSAPublicKey)
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        check = key.verify
        return lambda signature, data: check(signature, data, pss, digest)

    return Algorithm("RSA", None, bind)


def _es(digest: HashAlgorithm, crv: str, size: int) -> Algorithm:
    """RFC 7518 §3.4: the signature is two numbers of `size` bytes each."""

    def bind(key: PublicKey) -> Verify:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        algorithm = ec.ECDSA(digest)

        def verify(signature: bytes, data: bytes) -> None:
            if len(signature) != 2 * size:
                raise InvalidSignature
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            key.verify(encode_dss_signature(r, s), data, algorithm)

        return verify

    return Algorithm("EC", crv, bind)


ALGORITHMS: dict[str, Algorithm] = {
    "RS256": _rs(SHA256()),
    "RS384": _rs(SHA384()),
    "RS512": _rs(SHA512()),
    "PS256": _ps(SHA256()),
    "PS384": _ps(SHA384()),
    "PS512": _ps(SHA512()),
    "ES256": _es(SHA256(), "P-256", 32),
    "ES384": _es(SHA384(), "P-384", 48),
    "ES512": _es(SHA512(), "P-521", 66),
}
