"""What follows a change of somebody's second factors: the audit trail, a mail to them (ASVS 6.3.7), and the end of
their other sessions (7.4.3) and of the trust in their browsers.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from idp import audit
from idp.accounts.notices import Scene, tell, tell_way_in_changed
from idp.protocol.identity import User
from idp.server import Server
from idp.store import Store


class Change(StrEnum):
    """What may happen to a factor; each is a key of the mail that tells of it."""

    TOTP_ADDED = "totp_added"
    TOTP_REMOVED = "totp_removed"
    CODES_MADE = "recovery_codes_made"
    CODE_USED = "recovery_code_used"
    CODES_LOW = "recovery_codes_low"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_COPIED = "passkey_copied"
    FACTORS_RESET = "factors_reset"


EVENTS: Mapping[Change, audit.Event] = {
    Change.TOTP_ADDED: audit.Event.FACTOR_ADDED,
    Change.TOTP_REMOVED: audit.Event.FACTOR_REMOVED,
    Change.CODES_MADE: audit.Event.RECOVERY_CODES_MADE,
    Change.CODE_USED: audit.Event.RECOVERY_CODE_USED,
    Change.PASSKEY_ADDED: audit.Event.FACTOR_ADDED,
    Change.PASSKEY_REMOVED: audit.Event.FACTOR_REMOVED,
    Change.PASSKEY_COPIED: audit.Event.PASSKEY_COPIED,
}


def announce(server: Server, user: User, change: Change, scene: Scene, **detail: Any) -> None:
    """Record a change and tell the person."""
    event = EVENTS.get(change)
    if event is not None:
        audit.record(server, event, now=scene.now, user_id=user.id, what=change.value, **detail)
    tell_way_in_changed(server, user, change.value, scene)


def warn_of_guessing(server: Server, user: User, tries: int, scene: Scene) -> None:
    """Somebody knows the password and guesses codes: recorded and told once, when the waits begin."""
    audit.record(server, audit.Event.FACTOR_LIMITED, now=scene.now, user_id=user.id, tries=tries)
    seen: dict[str, Any] = {"when": scene.now, "address": scene.address, "tries": tries, "how_far": "password"}
    tell(server, user, "suspicious_sign_in", now=scene.now, **seen, recover_url=server.endpoint("/recover"))


def end_other_sessions(store: Store, user_id: str, *, keep: str | None, now: int) -> None:
    """End what was begun with other factors, but for the session that makes the change: half-done sign-ins too, and the
    trust in browsers."""
    store.users.end_half_sign_ins(user_id)
    store.devices.end_trust(user_id)
    for sid in store.sessions.end_others(user_id, keep=keep):
        store.grants.revoke_for_session(sid, client_id=None, now=now)
