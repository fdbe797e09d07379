"""The `state` of a sign-in at another provider: random, used once, ten minutes, for one browser and one connection.

Kept on the server (RFC 6749 §10.12, RFC 9700 §4.7), so that it may be begun on one instance and finished on another.
What must stay secret of it, the code_verifier, is encrypted there.
"""

import hmac
import json
import secrets
from dataclasses import asdict, dataclass, fields

from idp.jose.encryption import DecryptionFailed
from idp.server import Server
from idp.store.database import hashed
from idp.upstream.errors import StateRefused

KIND = "upstream_state"
LIFETIME_SECONDS = 600
_PURPOSE = "upstream state"


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that is under way. Exactly one of these is who it is for: an interaction, a person who is signed in and
    links another way in (`links_user_id`), or, without both, the browser alone (`returns_to`).

    `not_before`: the earliest moment at which the person must have proved themselves over there, when it matters;
    `max_age`: the same in seconds before the answer.
    """

    connection: str
    nonce: str
    code_verifier: str
    started_at: int
    interaction_id: str | None = None
    links_user_id: str | None = None
    returns_to: str | None = None
    not_before: int | None = None
    max_age: int | None = None

    @property
    def demands_fresh_sign_in(self) -> bool:
        return self.not_before is not None or self.max_age is not None


def keep_pending(server: Server, pending: Pending, browser: str, *, now: int) -> str:
    """Keep it for this browser (its secret value); the `state` to send along."""
    state = secrets.token_urlsafe(32)
    sealed = server.secret_box.encrypt(json.dumps(asdict(pending)), purpose=_PURPOSE)
    value = {"browser": hashed(browser), "connection": pending.connection, "pending": sealed}
    server.store.ephemeral.put(KIND, state, value, lifetime=LIFETIME_SECONDS, now=now)
    return state


def claim_pending(server: Server, state: str | None, *, connection: str, browser: str | None, now: int) -> Pending:
    """What this `state` stands for, once. Raises StateRefused; a foreign browser or provider does not use it up."""
    if not state:
        raise StateRefused("no state")
    value = server.store.ephemeral.get(KIND, state, now=now)
    if value is None:
        raise StateRefused("unknown, used or expired state")
    if browser is None or not hmac.compare_digest(value["browser"], hashed(browser)):
        raise StateRefused("state of another browser")
    if value["connection"] != connection:
        raise StateRefused("state of another provider")
    if server.store.ephemeral.claim_once(KIND, state, now=now) is None:
        raise StateRefused("used state")
    try:
        found = json.loads(server.secret_box.decrypt(value["pending"], purpose=_PURPOSE))
    except DecryptionFailed:
        raise StateRefused("state kept under another secret key") from None
    return Pending(**{field.name: found[field.name] for field in fields(Pending) if field.name in found})
