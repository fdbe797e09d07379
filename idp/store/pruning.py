"""Deleting what has expired, in small batches, so that tables stay as large as what is alive.

A row goes at the latest `KEEP_SECONDS` plus one round after its end. One process of all instances does a round.
"""

from sqlalchemy import Column, Table, delete, select

from idp.store import tables
from idp.store.database import Database
from idp.store.ephemeral import Ephemeral

KEEP_SECONDS = 86_400  # a dead grant answers "used before" for a day, then "unknown"
ROUND_SECONDS = 300
BATCH = 500

# (table, its key, the column that says when a row ends, how long it is kept after that)
_EXPIRING: tuple[tuple[Table, Column[str], Column[int], int], ...] = (
    (tables.ephemeral, tables.ephemeral.c.key_hash, tables.ephemeral.c.expires_at, 0),
    (tables.revoked_access_tokens, tables.revoked_access_tokens.c.jti, tables.revoked_access_tokens.c.expires_at, 0),
    (tables.sessions, tables.sessions.c.id_hash, tables.sessions.c.expires_at, 0),
    (tables.sessions, tables.sessions.c.id_hash, tables.sessions.c.idle_expires_at, 0),
    (tables.refresh_tokens, tables.refresh_tokens.c.token_hash, tables.refresh_tokens.c.expires_at, KEEP_SECONDS),
    (tables.grants, tables.grants.c.id, tables.grants.c.expires_at, KEEP_SECONDS),
)


def prune(database: Database, *, now: int) -> dict[str, int]:
    """Delete every expired row; how many by table."""
    counts: dict[str, int] = {}
    for table, key, ends, keep in _EXPIRING:
        counts[table.name] = counts.get(table.name, 0) + _prune_table(database, table, key, ends, now - keep)
    return counts


def prune_in_turn(database: Database, ephemeral: Ephemeral, *, now: int) -> dict[str, int]:
    """Like `prune`, but only in the process that is first in this round; empty in the others."""
    first = ephemeral.put_new("prune", "round", {}, lifetime=ROUND_SECONDS - 10, now=now)
    return prune(database, now=now) if first else {}


def _prune_table(database: Database, table: Table, key: Column[str], ends: Column[int], before: int) -> int:
    total = 0
    while True:
        with database.reading() as connection:
            keys = list(connection.execute(select(key).where(ends <= before).limit(BATCH)).scalars())
        if keys:
            with database.writing() as connection:
                total += connection.execute(delete(table).where(key.in_(keys), ends <= before)).rowcount
        if len(keys) < BATCH:
            return total
