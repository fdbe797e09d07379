"""Random identifiers and secrets that the command line hands out."""

import secrets
from base64 import b32encode


def new_client_id() -> str:
    """26 lower-case base32 characters. Not a secret; random so that it tells nothing and never collides."""
    return b32encode(secrets.token_bytes(16)).decode("ascii").rstrip("=").lower()


def new_client_secret() -> str:
    """43 characters, 256 random bits: enough for client_secret_jwt with HS256 too (RFC 7518 §3.2)."""
    return secrets.token_urlsafe(32)


def new_password() -> str:
    """16 characters, 96 random bits, which people can still type."""
    return secrets.token_urlsafe(12)
