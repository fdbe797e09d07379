"""An authenticator in Python: it makes passkeys and signs with them, honestly by default; each lie is one argument.

What it is asked for is what a page hands to the browser (`data-options`), and its answers are what `passkey.js` sends.
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, MAY_BE_COPIED, IS_COPIED, HAS_KEY = 0x01, 0x04, 0x08, 0x10, 0x40


def to_text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def to_bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey on one device. `count` is its counter; one that stays 0 has none, as that of a synced key."""

    origin: str
    verifies: bool = True
    is_synced: bool = False
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: str = ""

    def create(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to a registration (WebAuthn §6.3.2)."""
        self.user_handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        credential = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(cose)
        data = self._data(options["rp"]["id"], HAS_KEY, lies) + credential
        response = {
            "clientDataJSON": to_text(self._client_data("webauthn.create", options, lies)),
            "attestationObject": to_text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": lies.get("transports", ["internal"]),
        }
        return self._answer(response)

    def get(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to an authentication (WebAuthn §6.3.3)."""
        if self.count and not lies.get("stands_still"):
            self.count += 1
        client_data = self._client_data("webauthn.get", options, lies)
        data = self._data(options["rpId"], 0, lies)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": to_text(client_data),
            "authenticatorData": to_text(data),
            "signature": to_text(lies.get("signature", signature)),
            "userHandle": lies.get("user_handle", self.user_handle),
        }
        return self._answer(response)

    def _answer(self, response: dict[str, Any]) -> str:
        name = to_text(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    def _client_data(self, kind: str, options: dict[str, Any], lies: dict[str, Any]) -> bytes:
        said = {
            "type": lies.get("type", kind),
            "challenge": lies.get("challenge", options["challenge"]),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(said).encode()

    def _data(self, rp_id: str, more: int, lies: dict[str, Any]) -> bytes:
        flags = more | (0 if lies.get("absent") else PRESENT) | (VERIFIED if self.verifies else 0)
        flags |= MAY_BE_COPIED | IS_COPIED if self.is_synced else 0
        return (
            hashlib.sha256(lies.get("rp_id", rp_id).encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")
        )


def authenticator_for(issuer: str, **how: Any) -> Authenticator:
    """One that has been shown the pages of this server."""
    parts = urlsplit(issuer)
    return Authenticator(f"{parts.scheme}://{parts.netloc}", **how)
