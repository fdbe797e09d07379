"""Refresh tokens: opaque, stored as a hash, and each one's successor derived from it.

The successor is HMAC-SHA256 of the token under a key of the server, so the server can hand the same successor out again
to a repeated request without ever storing it. `docs/refresh-tokens.md` says why that is safe.
"""

import secrets

from idp.server import Server
from idp.store.database import hashed

_PREFIX = "rt_"
_PURPOSE = "refresh token successor"


def make_refresh_token() -> str:
    return _PREFIX + secrets.token_urlsafe(32)


def successor_of(server: Server, token: str) -> str:
    """The token that takes the place of this one."""
    return _PREFIX + server.secret_box.derive(_PURPOSE, token)


def find_stored_successor(server: Server, token: str, successor_hash: str) -> str | None:
    """The successor handed out before, also when `IDP_SECRET_KEY` has changed since (the former value is known)."""
    for value in server.secret_box.derive_all(_PURPOSE, token):
        if hashed(_PREFIX + value) == successor_hash:
            return _PREFIX + value
    return None
