"""Small secrets at rest, and deterministic values, both derived from the server's secret key.

Owns the keys made of IDP_SECRET_KEY: HKDF-SHA256 (RFC 5869) with a label per purpose, so that no two uses share a
key; AES-256-GCM for encryption, HMAC-SHA256 (RFC 2104) for derived values. After a change of the secret, what was
made under a previous one can still be read.
"""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.util import urlsafe_b64decode

_VERSION = "1."
_NONCE_BYTES = 12


class DecryptionFailed(Exception):
    """The text was not encrypted for this purpose under any secret key we have, or it has been changed."""


class SecretBox:
    """Encrypts and derives under `secret_key`; reads what was made under one of `previous` as well."""

    def __init__(self, secret_key: str, previous: Sequence[str] = ()) -> None:
        if not secret_key or not all(previous):
            raise ValueError("A secret key must not be empty.")
        self._secrets = tuple(secret.encode("utf-8") for secret in (secret_key, *previous))
        self._key = lru_cache(maxsize=64)(_expand)

    def __repr__(self) -> str:
        return "SecretBox()"

    def encrypt(self, text: str, *, purpose: str) -> str:
        """`text` as URL-safe ciphertext that only `decrypt` with the same purpose opens; different every time."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._key(self._secrets[0], "encrypt", purpose)).encrypt(nonce, text.encode("utf-8"), None)
        return _VERSION + _encode(nonce + sealed)

    def decrypt(self, sealed: str, *, purpose: str) -> str:
        """The text again; raises DecryptionFailed when no secret key opens it for this purpose."""
        if not sealed.startswith(_VERSION) or not sealed.isascii():
            raise DecryptionFailed("This is not an encrypted text.")
        try:
            raw = urlsafe_b64decode(sealed[len(_VERSION) :].encode("ascii"))
        except (Base64Error, ValueError):
            raise DecryptionFailed("This is not an encrypted text.") from None
        for secret in self._secrets:
            try:
                box = AESGCM(self._key(secret, "encrypt", purpose))
                return box.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode("utf-8")
            except (InvalidTag, ValueError):
                continue
        raise DecryptionFailed("No secret key opens this text for this purpose.")

    def derive(self, purpose: str, *parts: str, length: int = 32) -> str:
        """A value that `parts` always lead to under the secret key, and nobody else can find: `length` bytes, URL-safe.

        The parts are kept apart: ("ab", "c") and ("a", "bc") give different values. `length` is 16 to 32 bytes.
        """
        return next(self.derive_all(purpose, *parts, length=length))

    def derive_all(self, purpose: str, *parts: str, length: int = 32) -> Iterator[str]:
        """The value of `derive` under the current secret key, then under each previous one."""
        if not 16 <= length <= 32:
            raise ValueError("A derived value is 16 to 32 bytes long.")
        encoded = [part.encode("utf-8") for part in parts]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        for secret in self._secrets:
            digest = hmac.digest(self._key(secret, "derive", purpose), message, "sha256")
            yield _encode(digest[:length])


def _expand(secret: bytes, use: str, purpose: str) -> bytes:
    """The 256-bit key for one use and purpose. The salt is absent: the secret key is long and random already."""
    return HKDF(SHA256(), 32, None, f"idp {use}: {purpose}".encode()).derive(secret)


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
