"""The applications that the stand-ins know, and how these prove who they are (RFC 6749 §2.3.1, Apple's signed secret).

Each stand-in knows two: ours, and another one, so that a code can be offered by somebody it was not made for. Their
secrets are public: they guard nothing.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from flask import Request

from idp.jose.client_keys import InvalidToken, verify_with_keys
from idp.jose.compact import load_compact
from idp.jose.pem import load_pem_key

APPLE_TEAM_ID = "SANDBOX123"
APPLE_KEY_ID = "SANDBOXKEY"
APPLE_AUDIENCE = "https://appleid.apple.com"
APPLE_LONGEST = 15_777_000  # seconds; six months, as Apple's documentation counts them

CLIENT_IDS: Mapping[str, str] = {
    "google": "100000000001-sandbox.apps.googleusercontent.com",
    "facebook": "1000000000000001",
    "discord": "1000000000000000001",
    "apple": "com.example.sandbox.signin",
    "github": "Iv1.5a4db0c5a4db0c01",
    "microsoft": "5a4db0c5-0000-4000-8000-000000000001",
    "oidc": "sandbox",
}
OTHER_CLIENT_ID = "another-application"


@dataclass(frozen=True)
class Client:
    """One application. Apple's has a public key in the place of a secret."""

    client_id: str
    secret: str
    public_jwk: Mapping[str, Any] | None = None


def client_secret(kind: str) -> str:
    return f"{kind}-sandbox-secret-that-everybody-knows"


def registered_clients(kind: str, apple_private_key: str) -> dict[str, Client]:
    """The applications that the stand-in of this kind knows, by their ids."""
    jwk = None
    if kind == "apple":
        public = load_pem_key(apple_private_key, "ES256").as_dict(private=False)
        jwk = {"kty": public["kty"], "crv": public["crv"], "x": public["x"], "y": public["y"], "kid": APPLE_KEY_ID}
    ours = Client(CLIENT_IDS[kind], client_secret(kind), jwk)
    return {client.client_id: client for client in (ours, Client(OTHER_CLIENT_ID, client_secret("another"), jwk))}


def read_credentials(request: Request, *, basic: bool, query: bool = False) -> tuple[str, str]:
    """Client id and secret, empty when absent: from the form, the Basic header (`basic`), or the query (`query`)."""
    header = request.headers.get("Authorization", "")
    if basic and header[:6].lower() == "basic ":
        try:
            user, _, password = base64.b64decode(header[6:], validate=True).decode("utf-8").partition(":")
        except ValueError:  # no base64, or no UTF-8
            return "", ""
        return unquote_plus(user), unquote_plus(password)  # RFC 6749 §2.3.1: each is form-encoded first
    source = request.values if query else request.form
    return source.get("client_id", ""), source.get("client_secret", "")


def is_secret_of(client: Client, secret: str) -> bool:
    return hmac.compare_digest(client.secret.encode(), secret.encode())


def is_apple_secret_of(client: Client, secret: str, now: int) -> bool:
    """Whether the secret is a JWT as Apple wants it: ES256, kid, iss the team, sub the client, six months at most."""
    try:
        claims = verify_with_keys(secret, {"keys": [dict(client.public_jwk or {})]}, algs=["ES256"])
        kid = load_compact(secret).kid
    except InvalidToken:
        return False
    begin, end = claims.get("iat"), claims.get("exp")
    return (
        kid == APPLE_KEY_ID
        and claims.get("iss") == APPLE_TEAM_ID
        and claims.get("sub") == client.client_id
        and claims.get("aud") == APPLE_AUDIENCE
        and isinstance(begin, int)
        and isinstance(end, int)
        and now < end <= now + APPLE_LONGEST
        and begin <= now + 60
    )


def is_loopback_url(url: str) -> bool:
    """Whether a redirect URI stays on this machine; nobody has to register one here."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return (
            parts.scheme in ("http", "https")
            and not parts.fragment
            and (host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback)
        )
    except ValueError:
        return False
