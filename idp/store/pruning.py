"""Deleting what has expired, in small batches, so that tables stay as large as what is alive.

A row goes at the latest `KEEP_SECONDS` plus one round after its end. One process of all instances does a round.
"""

from typing import Any

from sqlalchemy import Column, Table, delete, func, select

from idp.store import tables
from idp.store.database import Database
from idp.store.ephemeral import Ephemeral
from idp.store.refusals import KEPT

KEEP_SECONDS = 3600  # a used code or refresh token is known as such for an hour after its end, then merely unknown
KEEP_MAIL_SECONDS = 86_400  # for a developer to read, and for an operator to see what became of it
ROUND_SECONDS = 300
BATCH = 500

# (table, its key, the column that says when a row ends, how long it is kept after that)
Rule = tuple[Table, Column[Any], Column[int], int]
_EXPIRING: tuple[Rule, ...] = (
    (tables.ephemeral, tables.ephemeral.c.key_hash, tables.ephemeral.c.expires_at, 0),
    (tables.revoked_access_tokens, tables.revoked_access_tokens.c.jti, tables.revoked_access_tokens.c.expires_at, 0),
    (tables.sessions, tables.sessions.c.id_hash, tables.sessions.c.expires_at, 0),
    (tables.sessions, tables.sessions.c.id_hash, tables.sessions.c.idle_expires_at, 0),
    (tables.refresh_tokens, tables.refresh_tokens.c.token_hash, tables.refresh_tokens.c.expires_at, KEEP_SECONDS),
    (tables.grants, tables.grants.c.id, tables.grants.c.expires_at, KEEP_SECONDS),
    (tables.mail_outbox, tables.mail_outbox.c.id, tables.mail_outbox.c.expires_at, KEEP_MAIL_SECONDS),
    (tables.devices, tables.devices.c.id_hash, tables.devices.c.expires_at, 0),
    (tables.sign_in_failures, tables.sign_in_failures.c.key_hash, tables.sign_in_failures.c.expires_at, 0),
)


def prune(
    database: Database, *, now: int, audit_retention: int | None = None, refusal_retention: int | None = None
) -> dict[str, int]:
    """Delete expired rows, and audit events and refusals older than so many seconds (None: none); counts by table. Of
    the refusals, no more than KEPT stay."""
    counts: dict[str, int] = {}
    rules: list[Rule] = [*_EXPIRING]
    if audit_retention is not None:
        rules.append((tables.audit_events, tables.audit_events.c.id, tables.audit_events.c.at, audit_retention))
    if refusal_retention is not None:
        rules.append((tables.refusals, tables.refusals.c.id, tables.refusals.c.at, refusal_retention))
    for table, key, ends, keep in rules:
        counts[table.name] = counts.get(table.name, 0) + _prune_table(database, table, key, ends, now - keep)
    table, key = tables.refusals, tables.refusals.c.id
    with database.reading() as connection:
        newest = connection.execute(select(func.max(key))).scalar() or 0
    counts[table.name] = counts.get(table.name, 0) + _prune_table(database, table, key, key, newest - KEPT)
    return counts


def prune_in_turn(
    database: Database,
    ephemeral: Ephemeral,
    *,
    now: int,
    audit_retention: int | None = None,
    refusal_retention: int | None = None,
) -> dict[str, int]:
    """Like `prune`, but only in the process that is first in this round; empty in the others."""
    first = ephemeral.put_new("prune", "round", {}, lifetime=ROUND_SECONDS - 10, now=now)
    if not first:
        return {}
    return prune(database, now=now, audit_retention=audit_retention, refusal_retention=refusal_retention)


def _prune_table(database: Database, table: Table, key: Column[Any], ends: Column[int], before: int) -> int:
    total = 0
    while True:
        with database.reading() as connection:
            keys = list(connection.execute(select(key).where(ends <= before).limit(BATCH)).scalars())
        if keys:
            with database.writing() as connection:
                total += connection.execute(delete(table).where(key.in_(keys), ends <= before)).rowcount
        if len(keys) < BATCH:
            return total
