"""Signature algorithms: RFC 7518 section 3, RFC 8037 section 3.1 and RFC 9864, as literal tables.

Owns which algorithm fits which key. An algorithm is always chosen by the server's own record (the key, or
the client's registration); the ``alg`` of a token is only ever compared with it (RFC 8725 section 3.1).

The joserfc models are called directly and not through its registry, which neither signs with "EdDSA"
without a warning (RFC 9864 calls the same algorithm "Ed25519") nor keeps up with the cost of a bare signature.
"""

from __future__ import annotations

from dataclasses import dataclass

from joserfc.jwa import EdDSAAlgorithm, ESAlgorithm, HMACAlgorithm, JWSAlgModel, RSAAlgorithm, RSAPSSAlgorithm
from joserfc.jwk import ECKey, OKPKey, RSAKey

PairedKey = RSAKey | ECKey | OKPKey
"""A key with a public half; never a shared secret."""


@dataclass(frozen=True)
class Algorithm:
    """One JWS algorithm: its registered name, the key that fits it (``kty``, ``crv``), and the code that runs it."""

    name: str
    kty: str
    crv: str | None
    model: JWSAlgModel

    def is_fit(self, kty: object, crv: object) -> bool:
        """Whether a key of this type (and, for EC and OKP, this curve) may be used with the algorithm."""
        return kty == self.kty and (self.crv is None or crv == self.crv)


_RS256 = Algorithm("RS256", "RSA", None, RSAAlgorithm(256))
_RS384 = Algorithm("RS384", "RSA", None, RSAAlgorithm(384))
_RS512 = Algorithm("RS512", "RSA", None, RSAAlgorithm(512))
_PS256 = Algorithm("PS256", "RSA", None, RSAPSSAlgorithm(256))
_PS384 = Algorithm("PS384", "RSA", None, RSAPSSAlgorithm(384))
_PS512 = Algorithm("PS512", "RSA", None, RSAPSSAlgorithm(512))
_ES256 = Algorithm("ES256", "EC", "P-256", ESAlgorithm("ES256", "P-256", 256))
_ES384 = Algorithm("ES384", "EC", "P-384", ESAlgorithm("ES384", "P-384", 384))
_ES512 = Algorithm("ES512", "EC", "P-521", ESAlgorithm("ES512", "P-521", 512))
_EDDSA = Algorithm("EdDSA", "OKP", "Ed25519", EdDSAAlgorithm())
_ED25519 = Algorithm("Ed25519", "OKP", "Ed25519", EdDSAAlgorithm())
_HS256 = Algorithm("HS256", "oct", None, HMACAlgorithm(256))
_HS384 = Algorithm("HS384", "oct", None, HMACAlgorithm(384))
_HS512 = Algorithm("HS512", "oct", None, HMACAlgorithm(512))

SIGNING: dict[str, Algorithm] = {a.name: a for a in (_RS256, _PS256, _ES256, _EDDSA)}
"""What this server can sign with; which of them it does sign with is decided by its key directory."""

CLIENT_KEY: dict[str, Algorithm] = {
    a.name: a for a in (_RS256, _RS384, _RS512, _PS256, _PS384, _PS512, _ES256, _ES384, _ES512, _EDDSA, _ED25519)
}
"""What a client may sign an assertion with when it has a key of its own (private_key_jwt)."""

CLIENT_SECRET: dict[str, Algorithm] = {a.name: a for a in (_HS256, _HS384, _HS512)}
"""What a client may sign an assertion with when it has only its secret (client_secret_jwt)."""

RSA_BITS = 2048
"""The size of the RSA keys we make, and the least we accept from others (RFC 7518 section 3.3)."""


def generate_key(alg: str) -> PairedKey:
    """A fresh private key for `alg`, one of ``SIGNING``: RSA-2048, P-256 or Ed25519.

    Raises ValueError for an algorithm this server does not sign with.
    """
    if alg not in SIGNING:
        raise ValueError(f"This server does not sign with the algorithm {alg!r}.")
    match SIGNING[alg].kty:
        case "RSA":
            return RSAKey.generate_key(RSA_BITS)
        case "EC":
            return ECKey.generate_key("P-256")
        case _:
            return OKPKey.generate_key("Ed25519")
