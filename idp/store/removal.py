"""The end of an account: asked for and taken back (`users.deletes_at`), and what is left when it is gone.

Everything that names the person goes in one transaction. The audit trail stays, under a random pseudonym in place of
the person and without addresses, so that an investigation can still tell that one person did both of two things.
"""

import json
import secrets
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select, update

from idp.store import tables
from idp.store.database import Database, to_json
from idp.store.mail_outbox import mail_of
from idp.store.tables import audit_events, grants, mail_outbox, refresh_tokens, users

PSEUDONYM_PREFIX = "removed-"
# Details that events keep: words of ours, and names of clients and connections. Others may say who it was.
KEPT_DETAILS = frozenset({"amr", "by", "captcha", "limit", "place", "tries", "upstream", "what", "why"})
_OWNED: tuple[Table, ...] = (
    (tables.sessions, tables.consents, tables.identities, tables.totp, tables.recovery_codes)
    + (tables.passkeys, tables.devices)
)  # fmt: skip
_change_event = (
    update(audit_events)
    .where(audit_events.c.id == bindparam("event_id"))
    .values(user_id=bindparam("pseudonym"), address=None, request_id=None, detail=bindparam("text"))
)


class RemovalStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def schedule(self, user_id: str, *, deletes_at: int) -> bool:
        """The account is to go at this time; False when it is to go already, or is gone."""
        unasked = (users.c.id == user_id, users.c.deletes_at.is_(None))
        with self._database.writing() as connection:
            return connection.execute(update(users).where(*unasked).values(deletes_at=deletes_at)).rowcount == 1

    def cancel(self, user_id: str) -> bool:
        """The account stays; False when it was not to go, or is gone."""
        asked = (users.c.id == user_id, users.c.deletes_at.is_not(None))
        with self._database.writing() as connection:
            return connection.execute(update(users).where(*asked).values(deletes_at=None)).rowcount == 1

    def find_due(self, *, now: int, limit: int) -> list[str]:
        """Ids of people whose time has come, the longest waiting first."""
        due = select(users.c.id).where(users.c.deletes_at <= now).order_by(users.c.deletes_at).limit(limit)
        with self._database.reading() as connection:
            return list(connection.execute(due).scalars())

    def remove(self, user_id: str, *, mailbox: str | None = None, due_at: int | None = None) -> str | None:
        """Delete a person with all that is theirs; the pseudonym that the audit trail has for them from now on.

        `mailbox`: mails that were sent there before there was the account go too.
        None when there is nobody (any more), or, with `due_at`, when they are not to go by then: of two who try at the
        same instant, and of a deletion and its undoing, one succeeds.
        """
        theirs = [users.c.id == user_id]
        if due_at is not None:
            theirs.append(users.c.deletes_at <= due_at)
        pseudonym = PSEUDONYM_PREFIX + secrets.token_hex(12)
        with self._database.writing() as connection:
            if connection.execute(delete(users).where(*theirs)).rowcount != 1:
                return None
            _remove_belongings(connection, user_id, mailbox)
            _hide(connection, user_id, pseudonym)
        return pseudonym


def _remove_belongings(connection: Connection, user_id: str, mailbox: str | None) -> None:
    for table in _OWNED:
        connection.execute(delete(table).where(table.c.user_id == user_id))
    granted = select(grants.c.id).where(grants.c.user_id == user_id)
    connection.execute(delete(refresh_tokens).where(refresh_tokens.c.grant_id.in_(granted)))
    connection.execute(delete(grants).where(grants.c.user_id == user_id))
    connection.execute(delete(mail_outbox).where(mail_of(user_id, mailbox)))


def _hide(connection: Connection, user_id: str, pseudonym: str) -> None:
    rows = connection.execute(select(audit_events.c.id, audit_events.c.detail).where(audit_events.c.user_id == user_id))
    changes: list[dict[str, Any]] = [
        {"event_id": row.id, "pseudonym": pseudonym, "text": to_json(_kept(row.detail))} for row in rows
    ]
    if changes:
        connection.execute(_change_event, changes)


def _kept(detail: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(detail).items() if name in KEPT_DETAILS}
