"""Browsers in which a person has signed in before, and those of them that they have chosen to trust: there they are
not asked for their second factor for a while.

A browser is known by a random cookie, kept as a hash. One browser may be known, and trusted, by several people. Each
person has at most MAX_DEVICES; the one that was not seen for the longest time goes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from idp.store.database import Database, hashed
from idp.store.tables import devices

MAX_DEVICES = 20

_find = select(devices.c.trusted_until).where(
    devices.c.id_hash == bindparam("h"), devices.c.user_id == bindparam("u"), devices.c.trusted_until > bindparam("now")
)
_seen = (
    update(devices)
    .where(devices.c.id_hash == bindparam("h"), devices.c.user_id == bindparam("u"))
    .values(last_seen_at=bindparam("now"))
)
_theirs = (devices.c.user_id == bindparam("u"), devices.c.expires_at > bindparam("now"))
_known = select(devices.c.created_at).where(devices.c.id_hash == bindparam("h"), *_theirs)
_any = select(devices.c.id_hash).where(*_theirs).limit(1)
_by_age = select(devices.c.id_hash).where(devices.c.user_id == bindparam("u")).order_by(devices.c.last_seen_at.desc())


@dataclass(frozen=True, slots=True)
class TrustedDevice:
    """`key` is what a form names it by: the hash of its cookie."""

    key: str
    address: str | None
    user_agent: str | None
    created_at: int
    last_seen_at: int
    trusted_until: int


class DeviceStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def trust(
        self, old_cookie: str | None, cookie: str, user_id: str, *, until: int, now: int, **where: str | None
    ) -> None:
        """Trust this browser, which gets a new cookie value; others who know it go on doing so under the new value.

        `where`: `address` and `user_agent` to show it by.
        """
        self._renew(
            old_cookie, cookie, _row(cookie, user_id, now, where) | {"trusted_until": until, "expires_at": until}
        )

    def remember(
        self, old_cookie: str | None, cookie: str, user_id: str, *, until: int, now: int, **where: str | None
    ) -> None:
        """Know this browser until then, under a new cookie value, like `trust`."""
        self._renew(
            old_cookie, cookie, _row(cookie, user_id, now, where) | {"trusted_until": None, "expires_at": until}
        )

    def touch(self, cookie: str, user_id: str, *, until: int, now: int) -> None:
        """A known browser has been used for a sign-in; it is known until then."""
        mine = (devices.c.id_hash == hashed(cookie), devices.c.user_id == user_id)
        with self._database.writing() as connection:
            connection.execute(update(devices).where(*mine).values(last_seen_at=now, expires_at=until))

    def is_known(self, cookie: str, user_id: str, *, now: int) -> bool:
        """Whether this person has signed in before in the browser of this cookie."""
        return self.find_known_since(cookie, user_id, now=now) is not None

    def find_known_since(self, cookie: str, user_id: str, *, now: int) -> int | None:
        """Since when this person is known in the browser of this cookie; the same when others renew the cookie."""
        with self._database.reading() as connection:
            since = connection.execute(_known, {"h": hashed(cookie), "u": user_id, "now": now}).scalar()
        return None if since is None else int(since)

    def knows_any(self, user_id: str, *, now: int) -> bool:
        """Whether there is any browser that this person has signed in with."""
        with self._database.reading() as connection:
            return connection.execute(_any, {"u": user_id, "now": now}).first() is not None

    def _renew(self, old_cookie: str | None, cookie: str, row: dict[str, Any]) -> None:
        user_id = row["user_id"]
        with self._database.writing() as connection:
            if old_cookie is not None:
                old = devices.c.id_hash == hashed(old_cookie)
                mine = select(devices.c.expires_at).where(old, devices.c.user_id == user_id)
                row["expires_at"] = max(row["expires_at"], connection.execute(mine).scalar() or 0)
                connection.execute(delete(devices).where(old, devices.c.user_id == user_id))
                connection.execute(update(devices).where(old).values(id_hash=hashed(cookie)))
            connection.execute(insert(devices), row)
            surplus = list(connection.execute(_by_age, {"u": user_id}).scalars())[MAX_DEVICES:]
            if surplus:
                connection.execute(delete(devices).where(devices.c.user_id == user_id, devices.c.id_hash.in_(surplus)))

    @staticmethod
    def key_of(cookie: str) -> str:
        """The key under which `list_trusted` names the browser of this cookie."""
        return hashed(cookie)

    def is_trusted(self, cookie: str, user_id: str, *, now: int) -> bool:
        """Whether this person trusts the browser of this cookie; if so, it has been seen now."""
        with self._database.reading() as connection:
            row = connection.execute(_find, {"h": hashed(cookie), "u": user_id, "now": now}).first()
        if row is None:
            return False
        with self._database.writing() as connection:
            connection.execute(_seen, {"h": hashed(cookie), "u": user_id, "now": now})
        return True

    def list_trusted(self, user_id: str, *, now: int) -> list[TrustedDevice]:
        """The browsers that a person trusts, the last used first."""
        theirs = select(devices).where(devices.c.user_id == user_id, devices.c.trusted_until > now)
        with self._database.reading() as connection:
            rows = connection.execute(theirs.order_by(devices.c.last_seen_at.desc())).all()
        return [
            TrustedDevice(row.id_hash, row.address, row.user_agent, row.created_at, row.last_seen_at, row.trusted_until)
            for row in rows
        ]

    def remove_all(self, user_id: str) -> int:
        """Know none of the browsers of a person any more."""
        with self._database.writing() as connection:
            return connection.execute(delete(devices).where(devices.c.user_id == user_id)).rowcount

    def end_trust(self, user_id: str, key: str | None = None) -> int:
        """Trust one browser no longer, or (without `key`) none of them."""
        theirs = update(devices).where(devices.c.user_id == user_id, devices.c.trusted_until.is_not(None))
        if key is not None:
            theirs = theirs.where(devices.c.id_hash == key)
        with self._database.writing() as connection:
            return connection.execute(theirs.values(trusted_until=None)).rowcount


def _row(cookie: str, user_id: str, now: int, where: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "id_hash": hashed(cookie),
        "user_id": user_id,
        "address": where.get("address"),
        "user_agent": (where.get("user_agent") or "")[:255] or None,
        "created_at": now,
        "last_seen_at": now,
    }
