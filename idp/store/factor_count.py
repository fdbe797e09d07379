"""How many second factors a person has, as one who is about to take one away must know it: nobody else takes another
away meanwhile."""

from sqlalchemy import Connection, func, select

from idp.store.tables import passkeys, totp, users


def count_factors(connection: Connection, user_id: str) -> int:
    """Apps and passkeys. The person's row stays locked until the transaction ends, so that of two removals at the same
    instant the second sees what the first has left (SQLite has one writer at a time anyway)."""
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    counts = (select(func.count()).select_from(table).where(table.c.user_id == user_id) for table in (totp, passkeys))
    return sum(connection.execute(count).scalar_one() for count in counts)
