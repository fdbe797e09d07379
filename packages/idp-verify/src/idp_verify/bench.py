"""What a verification costs, beside what it cannot do without: one bare RSA-2048 signature check and one JSON parse.

    python -m idp_verify.bench

CPU time of this thread; both run turn by turn in short batches, so that whatever else the machine does slows both.
"""

import json
import statistics
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from idp_verify.compact import decode_part
from idp_verify.verifier import TokenVerifier

ISSUER, AUDIENCE, KID = "https://id.example.com", "https://api.example.com", "bench-1"
BATCH = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians in CPU seconds per call."""

    bare: float
    verified: float

    @property
    def ratio(self) -> float:
        return self.verified / self.bare


def measure(batches: int = 30) -> Measured:
    """Median batch times of a cached verification and of the bare work in it, interleaved."""
    bare, verified = prepare()
    times: tuple[list[float], list[float]] = ([], [])
    for function in (bare, verified):
        function()  # the keys are fetched, the caches filled
    for _ in range(batches):
        for function, found in zip((bare, verified), times, strict=True):
            found.append(_seconds_per_call(function))
    return Measured(*(statistics.median(found) for found in times))


def prepare() -> tuple[Callable[[], object], Callable[[], object]]:
    """The bare work, and the whole verification, of one ordinary access token."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = _make_token(key)
    signing_input, _, signature = token.rpartition(".")
    payload, data, signed = (
        decode_part(token.split(".")[1].encode()),
        signing_input.encode(),
        decode_part(signature.encode()),
    )
    public, pkcs1, digest = key.public_key(), padding.PKCS1v15(), SHA256()
    verifier = TokenVerifier(ISSUER, AUDIENCE, fetch=_make_fetch(key))

    def bare() -> object:
        public.verify(signed, data, pkcs1, digest)
        return json.loads(payload)

    return bare, lambda: verifier.verify(token)


def _seconds_per_call(function: Callable[[], object]) -> float:
    began = time.thread_time()
    for _ in range(BATCH):
        function()
    return (time.thread_time() - began) / BATCH


def _make_token(key: rsa.RSAPrivateKey) -> str:
    """What the server issues for a person with a few roles and scopes."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "u_3yk2rg7h5m9w1q8z6x4c0v2b",
        "aud": [AUDIENCE, ISSUER],
        "exp": now + 3600,
        "iat": now,
    }
    claims |= {"jti": "g_7h5m9w1q8z6x4c0v2b3yk2rg.Zm9vYmFyYmF6cXV1eA", "client_id": "client-0123456789ab"}
    claims |= {"scope": "openid profile orders.read orders.write", "auth_time": now, "acr": "aal1"}
    claims |= {"sid": "s_1q8z6x4c0v2b3yk2rg7h5m9w", "roles": ["reader", "Admin"]}
    header = {"typ": "at+jwt", "alg": "RS256", "kid": KID}
    signing_input = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
    return f"{signing_input}.{_encode(key.sign(signing_input.encode(), padding.PKCS1v15(), SHA256()))}"


def _make_fetch(key: rsa.RSAPrivateKey) -> Callable[[str], bytes]:
    numbers = key.public_key().public_numbers()
    n, e = _encode(numbers.n.to_bytes(256, "big")), _encode(numbers.e.to_bytes(3, "big"))
    jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": n, "e": e}
    metadata = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
    return lambda url: json.dumps({"keys": [jwk]} if url.endswith("/jwks") else metadata).encode()


def _encode(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def main() -> None:
    measured = measure()
    print(f"bare RSA-2048 verify and JSON parse   {measured.bare * 1e6:6.1f} µs")
    print(f"TokenVerifier.verify, keys cached     {measured.verified * 1e6:6.1f} µs   {measured.ratio:.2f} times that")


if __name__ == "__main__":
    main()
