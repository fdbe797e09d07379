"""What each person has allowed each client, by scope."""

import json
from collections.abc import Iterable

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database, to_json
from idp.store.tables import consents, grants

_find = select(consents.c.scopes).where(
    consents.c.user_id == bindparam("user_id"), consents.c.client_id == bindparam("client_id")
)


class ConsentStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, user_id: str, client_id: str) -> frozenset[str]:
        """The scopes allowed before; empty when the person was never asked."""
        with self._database.reading() as connection:
            text = connection.execute(_find, {"user_id": user_id, "client_id": client_id}).scalar()
        return frozenset() if text is None else frozenset(json.loads(text))

    def add(self, user_id: str, client_id: str, scopes: Iterable[str], *, now: int) -> None:
        """Remember further scopes; those allowed before stay."""
        try:
            self._merge(user_id, client_id, scopes, now)
        except IntegrityError:  # two first consents at the same instant: the second one finds the row of the first
            self._merge(user_id, client_id, scopes, now)

    def revoke(self, user_id: str, client_id: str, *, now: int) -> bool:
        """Withdraw a consent: forgets it and revokes all that was granted to this client in the person's name."""
        with self._database.writing() as connection:
            row = (consents.c.user_id == user_id, consents.c.client_id == client_id)
            done = connection.execute(delete(consents).where(*row)).rowcount == 1
            theirs = update(grants).where(grants.c.user_id == user_id, grants.c.client_id == client_id)
            theirs = theirs.where(grants.c.revoked_at.is_(None))
            connection.execute(theirs.values(revoked_at=now, revoked_why="consent withdrawn"))
        return done

    def _merge(self, user_id: str, client_id: str, scopes: Iterable[str], now: int) -> None:
        ids = {"user_id": user_id, "client_id": client_id}
        with self._database.writing() as connection:
            text = connection.execute(_find.with_for_update(), ids).scalar()
            merged = to_json(sorted({*scopes, *(json.loads(text) if text is not None else ())}))
            if text is None:
                connection.execute(insert(consents), ids | {"scopes": merged, "created_at": now, "updated_at": now})
            else:
                row = (consents.c.user_id == user_id, consents.c.client_id == client_id)
                connection.execute(update(consents).where(*row).values(scopes=merged, updated_at=now))
