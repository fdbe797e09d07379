"""What is stored about one person in every table, for their own eyes: each column that says something about them.

The columns are named one by one. Hashes, secrets, tokens, keys, and the nonces and addresses of applications are not
among them, and a new column comes here only by being added.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, select

from idp.store import tables
from idp.store.database import Database
from idp.store.mail_outbox import mail_of

Rows = list[dict[str, Any]]

_t = tables
_ACCOUNT_TIMES = (_t.users.c.created_at, _t.users.c.updated_at, _t.users.c.password_changed_at) + (
    _t.users.c.disabled_at,
    _t.users.c.deletes_at,
)
_COLUMNS: Mapping[str, tuple[Column[Any], ...]] = {
    "identities": (_t.identities.c.upstream, _t.identities.c.issuer, _t.identities.c.subject, _t.identities.c.email)
    + (_t.identities.c.profile, _t.identities.c.linked_how, _t.identities.c.linked_at, _t.identities.c.last_used_at),
    "passkeys": (_t.passkeys.c.name, _t.passkeys.c.backed_up, _t.passkeys.c.created_at, _t.passkeys.c.last_used_at),
    "totp": (_t.totp.c.created_at, _t.totp.c.last_used_at),
    "recovery_codes": (_t.recovery_codes.c.created_at, _t.recovery_codes.c.used_at),
    "sessions": (_t.sessions.c.auth_time, _t.sessions.c.acr, _t.sessions.c.amr, _t.sessions.c.upstream)
    + (_t.sessions.c.address, _t.sessions.c.user_agent, _t.sessions.c.created_at, _t.sessions.c.last_seen_at)
    + (_t.sessions.c.idle_expires_at, _t.sessions.c.expires_at),
    "devices": (_t.devices.c.address, _t.devices.c.user_agent, _t.devices.c.trusted_until, _t.devices.c.created_at)
    + (_t.devices.c.last_seen_at, _t.devices.c.expires_at),
    "consents": (_t.consents.c.client_id, _t.consents.c.scopes, _t.consents.c.created_at, _t.consents.c.updated_at),
    "grants": (_t.grants.c.client_id, _t.grants.c.scopes, _t.grants.c.resources, _t.grants.c.claims)
    + (_t.grants.c.auth_time, _t.grants.c.acr, _t.grants.c.amr, _t.grants.c.created_at, _t.grants.c.expires_at)
    + (_t.grants.c.code_used_network, _t.grants.c.revoked_at, _t.grants.c.revoked_why, _t.grants.c.upstream),
    "mail_outbox": (_t.mail_outbox.c.template, _t.mail_outbox.c.recipient, _t.mail_outbox.c.created_at)
    + (_t.mail_outbox.c.sent_at, _t.mail_outbox.c.failed_at),
}


@dataclass(frozen=True, slots=True)
class Belongings:
    """Rows by column name. `account_times`: of the account itself, seconds since the epoch or None."""

    has_password: bool
    account_times: Mapping[str, int | None]
    identities: Rows
    passkeys: Rows
    totp: dict[str, Any] | None
    recovery_codes: Rows
    sessions: Rows
    devices: Rows
    consents: Rows
    grants: Rows
    mails: Rows


class BelongingStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self, user_id: str, *, mailbox: str | None = None) -> Belongings:
        """All of it; empty where there is nobody. `mailbox`: mails that were sent there before there was the account
        are theirs too; what the mails said is not kept."""
        owner = {name: columns[0].table.c.user_id == user_id for name, columns in _COLUMNS.items()}
        owner["mail_outbox"] = mail_of(user_id, mailbox)
        rows = {name: self._rows(columns, owner[name]) for name, columns in _COLUMNS.items()}
        apps, mails = rows.pop("totp"), rows.pop("mail_outbox")
        with self._database.reading() as connection:
            person = select(*_ACCOUNT_TIMES, _t.users.c.password_hash.is_not(None).label("has"))
            row = connection.execute(person.where(_t.users.c.id == user_id)).first()
        return Belongings(
            has_password=row is not None and bool(row.has),
            account_times={column.name: getattr(row, column.name, None) for column in _ACCOUNT_TIMES},
            totp=apps[0] if apps else None,
            mails=mails,
            **rows,
        )

    def _rows(self, columns: tuple[Column[Any], ...], is_theirs: ColumnElement[bool]) -> Rows:
        with self._database.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(select(*columns).where(is_theirs))]
