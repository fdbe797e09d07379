"""`client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1).

Secrets are random and long, so their SHA-256 is stored; they are compared in constant time. A client may have several
at a time, so that one can be replaced without a gap.
"""

import hmac
from urllib.parse import quote_plus, unquote, unquote_plus

from idp.client_auth.presented import Presented
from idp.protocol.client import Client
from idp.protocol.findings import Finding, duration, measured, moment
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
        detail = f"wrong or expired secret for {client.client_id}"
        raise presented.refusal(detail, _explain(client, presented.credential, now))


def _explain(client: Client, sent: str, now: int) -> Finding:
    """Why no secret fits: it has expired, or something happened to it on its way here. Only its length is shown."""
    stored = {secret.hash: secret for secret in client.secrets if secret.hash is not None}
    old = stored.get(hashed(sent))
    received = measured(sent)
    if old is not None:
        ended = f"one that expired at {moment(old.expires_at)}, {duration(now - old.expires_at)} ago {received}"
        return Finding("client_secret", ("a secret that is still valid",), ended, "Use the newer secret.")
    variants = {
        "It would be right without the white space around it.": sent.strip(),
        "It would be right without the quotes around it.": sent.strip("'\""),
        "It would be right if it were percent-decoded once more: it was encoded twice.": unquote(sent),
        "It would be right form-decoded once more: it was encoded twice.": unquote_plus(sent),
        "A + in it came as a space: form-encode the secret before it goes into Basic (RFC 6749, 2.3.1).": (
            sent.replace(" ", "+")
        ),
        "It would be right form-encoded: it was decoded once too often.": quote_plus(sent),
    }
    hint = next((words for words, variant in variants.items() if hashed(variant) in stored), "")
    hint = hint or "Compare where the client reads it from, or make a new one: idp clients update --new-secret."
    known = f"one of the secrets stored, {len(stored)} in all" if stored else "a secret, of which none is stored"
    return Finding("client_secret", (known,), received, hint)
