"""What the database says of the refresh tokens of one grant."""

from sqlalchemy import select

from idp.store import Store
from idp.store.database import hashed
from idp.store.tables import grants, refresh_tokens


def grant_of(store: Store, refresh_token: str) -> str:
    query = select(refresh_tokens.c.grant_id).where(refresh_tokens.c.token_hash == hashed(refresh_token))
    with store.database.reading() as connection:
        return str(connection.execute(query).scalar_one())


def unused_hashes(store: Store, grant_id: str) -> list[str]:
    """The hashes of the tokens that could still be used: the live branches of a family."""
    query = select(refresh_tokens.c.token_hash).where(
        refresh_tokens.c.grant_id == grant_id, refresh_tokens.c.used_at.is_(None)
    )
    with store.database.reading() as connection:
        return list(connection.execute(query).scalars())


def revoked_why(store: Store, grant_id: str) -> str | None:
    with store.database.reading() as connection:
        return connection.execute(select(grants.c.revoked_why).where(grants.c.id == grant_id)).scalar()
