"""What each person has allowed each client, by scope."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database, to_json
from idp.store.tables import consents, grants, refresh_tokens

_find = select(consents.c.scopes).where(
    consents.c.user_id == bindparam("user_id"), consents.c.client_id == bindparam("client_id")
)


@dataclass(frozen=True, slots=True)
class Access:
    """What a client may have of a person: the scopes consented to or granted, since when, and when it was given a token
    last (None: not lately). Times are seconds since the epoch."""

    client_id: str
    scopes: frozenset[str]
    granted_at: int
    last_used_at: int | None


class ConsentStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, user_id: str, client_id: str) -> frozenset[str]:
        """The scopes allowed before; empty when the person was never asked."""
        with self._database.reading() as connection:
            text = connection.execute(_find, {"user_id": user_id, "client_id": client_id}).scalar()
        return frozenset() if text is None else frozenset(json.loads(text))

    def list_access(self, user_id: str, *, now: int) -> list[Access]:
        """Every client with a consent of this person, or a grant that is alive (first-party clients ask for none)."""
        alive = (grants.c.user_id == user_id, grants.c.revoked_at.is_(None), grants.c.expires_at > now)
        renewed = select(refresh_tokens.c.grant_id, func.max(refresh_tokens.c.issued_at).label("at"))
        renewed = renewed.join(grants, grants.c.id == refresh_tokens.c.grant_id).where(*alive)
        last = renewed.group_by(refresh_tokens.c.grant_id).subquery()
        granted = select(grants.c.client_id, grants.c.scopes, grants.c.created_at, last.c.at)
        granted = granted.outerjoin(last, last.c.grant_id == grants.c.id)
        with self._database.reading() as connection:
            allowed = connection.execute(select(consents).where(consents.c.user_id == user_id)).all()
            used = connection.execute(granted.where(*alive, grants.c.code_used_at.is_not(None))).all()
        found = {row.client_id: Access(row.client_id, _scopes(row), row.created_at, None) for row in allowed}
        for row in used:
            before = found.get(row.client_id, Access(row.client_id, frozenset(), row.created_at, None))
            found[row.client_id] = Access(
                row.client_id,
                before.scopes | _scopes(row),
                min(before.granted_at, row.created_at),
                max(before.last_used_at or 0, row.created_at, row.at or 0),
            )
        return sorted(found.values(), key=lambda each: -(each.last_used_at or each.granted_at))

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


def _scopes(row: Any) -> frozenset[str]:
    return frozenset(json.loads(row.scopes))
