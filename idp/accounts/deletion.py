"""The deletion of an account by its person: asked for, undone while there is time, carried out when it is due.

`IDP_DELETION_DELAY` is the time in between; 0 deletes at once. From the moment it is asked for nobody is signed in any
more and every token is dead. A sign-in, or the link in the mail, can undo it. The link is `<user id>.<MAC>`, the MAC
over the time of the deletion as well: it is good for this one deletion and stored nowhere.
"""

import hmac
from urllib.parse import urlencode

import structlog

from idp import audit
from idp.accounts.notices import Scene, tell
from idp.mail.outbox import mailbox_of
from idp.protocol.identity import User
from idp.server import Server
from idp.store.database import is_storable

PURPOSE = "undo deletion"
BATCH = 100  # accounts at a time in one round of housekeeping
MAX_TOKEN_LENGTH = 256
_log = structlog.get_logger("idp.deletion")


def ask_deletion(server: Server, user: User, scene: Scene) -> int | None:
    """Sign the person out everywhere and let their account go; when it goes, in seconds since the epoch.

    None when it was to go already.
    """
    deletes_at = scene.now + server.settings.deletion_delay
    if not server.store.removal.schedule(user.id, deletes_at=deletes_at):
        return None
    server.store.users.sign_out_everywhere(user.id, now=scene.now, why="deletion asked")
    server.store.devices.remove_all(user.id)
    audit.record(server, audit.Event.DELETION_ASKED, now=scene.now, user_id=user.id)
    if deletes_at <= scene.now:
        _carry_out(server, user, now=scene.now)
    else:
        token = undo_token(server, user.id, deletes_at)
        undo_url = f"{server.endpoint('/keep-account')}?{urlencode({'token': token})}"
        tell(server, user, "account_deletion", now=scene.now, when=deletes_at, undo_url=undo_url)
    return deletes_at


def undo_deletion(server: Server, user: User, *, now: int, by: str) -> bool:
    """The account stays; False when there was nothing to undo. `by`, for the audit trail: `link`, `sign_in` or
    `email undo`."""
    if not server.store.removal.cancel(user.id):
        return False
    audit.record(server, audit.Event.DELETION_UNDONE, now=now, user_id=user.id, by=by)
    return True


def undo_token(server: Server, user_id: str, deletes_at: int) -> str:
    return f"{user_id}.{server.secret_box.derive(PURPOSE, user_id, str(deletes_at))}"


def find_by_undo_token(server: Server, token: str) -> User | None:
    """Whose deletion this link undoes; None when it is not waiting any more."""
    user_id, _, mac = token.rpartition(".")
    if not user_id or len(token) > MAX_TOKEN_LENGTH or not is_storable(token):
        return None
    user = server.store.users.find(user_id)
    if user is None or user.id != user_id or user.deletes_at is None:
        return None
    expected = server.secret_box.derive_all(PURPOSE, user_id, str(user.deletes_at))
    return user if any(hmac.compare_digest(mac.encode(), each.encode()) for each in expected) else None


def delete_due(server: Server, *, now: int) -> int:
    """Delete the accounts whose time has come; how many this process deleted. Others may be at it at the same time."""
    done = 0
    for user_id in server.store.removal.find_due(now=now, limit=BATCH):
        user = server.store.users.find(user_id)
        if user is not None and _carry_out(server, user, now=now):
            done += 1
    return done


def _carry_out(server: Server, user: User, *, now: int) -> bool:
    pseudonym = server.store.removal.remove(user.id, mailbox=mailbox_of(user), due_at=now)
    if pseudonym is None:
        return False
    server.store.audit_events.append(audit.Event.USER_REMOVED.value, at=now, user_id=pseudonym, detail={"by": "person"})
    _log.info(audit.Event.USER_REMOVED.value, user_id=pseudonym)
    tell(server, user, "account_deletion", now=now, is_gone=True, when=now, undo_url=None)
    return True
