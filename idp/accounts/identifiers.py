"""Random identifiers of people."""

import secrets
from base64 import b32encode

from idp.protocol.names import USER_ID_PREFIX


def new_user_id() -> str:
    """`u_` and 26 lower-case base32 characters, 128 random bits; never to be confused with a client id."""
    return USER_ID_PREFIX + b32encode(secrets.token_bytes(16)).decode("ascii").rstrip("=").lower()
