"""`client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1).

Secrets are random and long, so their SHA-256 is stored; they are compared in constant time. A client may have several
at a time, so that one can be replaced without a gap.
"""

import hmac

from idp.client_auth.presented import Presented
from idp.protocol.client import Client
from idp.server import Server
from idp.store.database import hashed


def check(_server: Server, client: Client, presented: Presented, now: int) -> None:
    digest = hashed(presented.credential)
    matches = [
        hmac.compare_digest(digest, secret.hash)
        for secret in client.secrets
        if secret.hash is not None and secret.is_valid_at(now)
    ]
    if not any(matches):
        raise presented.refusal(f"wrong or expired secret for {client.client_id}")
