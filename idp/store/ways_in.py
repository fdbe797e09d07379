"""What a person has left to sign in with, as one who is about to take something of it away must know it.

Owns the rule on the last way in, which always stays, and on what counts as one. Whoever takes one away locks the person
first, so that of two that go at the same instant the second sees what the first has left, whatever either of them is.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, not_, select

from idp.store.tables import identities, passkeys, totp, users


@dataclass(frozen=True, slots=True)
class Offered:
    """What people can sign in with at this server besides passkeys: passwords or not, and connections by name."""

    passwords: bool
    upstreams: frozenset[str]


def lock_person(connection: Connection, user_id: str) -> bool:
    """Keep everybody else from taking a way in or a factor of this person away until the transaction ends (SQLite has
    one writer at a time anyway); False when there is nobody."""
    return connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update()).first() is not None


def count_factors(connection: Connection, user_id: str) -> int:
    """Authenticator apps and passkeys."""
    return sum(_count(connection, table, table.c.user_id == user_id) for table in (totp, passkeys))


def has_way_beside_link(connection: Connection, user_id: str, key: dict[str, str], offered: Offered) -> bool:
    """Whether a password or another link stays when the link with this key (its columns) goes. A passkey does not
    count, because it can be lost with its device, nor does a mailbox to get a password by."""
    this = and_(*(identities.c[name] == value for name, value in key.items()))
    has_password = _has(connection, user_id, users.c.password_hash)
    return (offered.passwords and has_password) or _has_link(connection, user_id, offered, not_(this))


def has_way_beside_passkey(connection: Connection, user_id: str, key: str, offered: Offered) -> bool:
    """Whether anything is left when this passkey goes: another one, a link, a password, or a mailbox to get one by."""
    if offered.passwords and any(_has(connection, user_id, each) for each in (users.c.password_hash, users.c.email)):
        return True
    others = and_(passkeys.c.user_id == user_id, passkeys.c.id_hash != key)
    return _count(connection, passkeys, others) > 0 or _has_link(connection, user_id, offered)


def _has(connection: Connection, user_id: str, column: ColumnElement[Any]) -> bool:
    return _count(connection, users, and_(users.c.id == user_id, column.is_not(None))) > 0


def _has_link(connection: Connection, user_id: str, offered: Offered, *which: ColumnElement[bool]) -> bool:
    """Only of connections that are offered here: one that is not configured any more lets nobody in."""
    theirs = and_(identities.c.user_id == user_id, identities.c.upstream.in_(offered.upstreams), *which)
    return _count(connection, identities, theirs) > 0


def _count(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()
