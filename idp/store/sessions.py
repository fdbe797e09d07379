"""Browser sessions. The cookie's value is stored as a hash; a session that is not here, or over its limits, is
nobody's."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from idp.protocol.identity import Session, User
from idp.store.database import Database, hashed, to_json
from idp.store.tables import sessions, users
from idp.store.users import USER_COLUMNS, to_user

TOUCH_AFTER_SECONDS = 60  # `last_seen_at` is written at most once a minute, so that a busy session costs no writes

_columns = (
    (sessions.c.sid, sessions.c.user_id, sessions.c.auth_time, sessions.c.acr, sessions.c.amr)
    + (sessions.c.upstream, sessions.c.auth_time_unproven)
    + (sessions.c.created_at.label("session_created_at"), sessions.c.last_seen_at, sessions.c.expires_at)
)  # fmt: skip
_find = (
    select(*_columns, *USER_COLUMNS)
    .join_from(sessions, users, users.c.id == sessions.c.user_id)
    .where(
        sessions.c.id_hash == bindparam("h"),
        sessions.c.expires_at > bindparam("now"),
        sessions.c.idle_expires_at > bindparam("now"),
        users.c.disabled_at.is_(None),
    )
)
_listed = (
    (sessions.c.sid, sessions.c.user_id, sessions.c.created_at, sessions.c.last_seen_at, sessions.c.auth_time)
    + (sessions.c.amr, sessions.c.upstream, sessions.c.address, sessions.c.user_agent, users.c.username)
)  # fmt: skip
_touch = (
    update(sessions)
    .where(sessions.c.id_hash == bindparam("h"))
    .values(last_seen_at=bindparam("seen"), idle_expires_at=bindparam("idle"))
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """How a person has just proved who they are, and from where.

    `upstream`: the connection that vouches for them; `auth_time`: when they proved it there, if it says so and that
    was not now. `auth_time_unproven`: it was known before that nobody knows.
    """

    user_id: str
    acr: str
    amr: tuple[str, ...]
    address: str | None = None
    user_agent: str | None = None
    upstream: str | None = None
    auth_time: int | None = None
    auth_time_unproven: bool = False

    def columns(self, now: int) -> dict[str, Any]:
        """What of it a session's row holds."""
        auth_time = now if self.auth_time is None else min(self.auth_time, now)
        return {
            "auth_time": auth_time,
            "acr": self.acr,
            "amr": to_json(list(self.amr)),
            "upstream": self.upstream,
            "auth_time_unproven": self.auth_time_unproven or (self.upstream is not None and self.auth_time is None),
        }


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session as it is listed: whose, since when, last seen when, and from where it was begun."""

    sid: str
    user_id: str
    created_at: int
    last_seen_at: int
    auth_time: int
    amr: tuple[str, ...]
    upstream: str | None
    address: str | None
    user_agent: str | None
    username: str | None


class SessionStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, cookie: str, *, now: int, idle_lifetime: int) -> tuple[Session, User] | None:
        """The session of this cookie value with its person, when within its limits and the person is not disabled."""
        with self._database.reading() as connection:
            row = connection.execute(_find, {"h": hashed(cookie), "now": now}).first()
        if row is None:
            return None
        if now - row.last_seen_at >= TOUCH_AFTER_SECONDS:
            with self._database.writing() as connection:
                connection.execute(_touch, {"h": hashed(cookie), "seen": now, "idle": now + idle_lifetime})
        return _to_session(row), to_user(row)

    def start(self, cookie: str, sid: str, sign_in: SignIn, *, now: int, idle: int, absolute: int) -> Session:
        """A new session for a person who has just signed in."""
        columns = sign_in.columns(now)
        row = {
            "id_hash": hashed(cookie),
            "sid": sid,
            "user_id": sign_in.user_id,
            **columns,
            "address": sign_in.address,
            "user_agent": (sign_in.user_agent or "")[:255] or None,
            "created_at": now,
            "last_seen_at": now,
            "idle_expires_at": now + idle,
            "expires_at": now + absolute,
        }
        with self._database.writing() as connection:
            connection.execute(insert(sessions), row)
        return Session(
            sid=sid,
            user_id=sign_in.user_id,
            auth_time=columns["auth_time"],
            acr=sign_in.acr,
            amr=sign_in.amr,
            created_at=now,
            last_seen_at=now,
            expires_at=now + absolute,
            upstream=sign_in.upstream,
            auth_time_unproven=columns["auth_time_unproven"],
        )

    def renew(self, old_cookie: str, new_cookie: str, sign_in: SignIn, *, now: int, idle: int, absolute: int) -> bool:
        """The same person proved themselves again: the same session under a new cookie value, the old one dead at
        once."""
        values = {
            "id_hash": hashed(new_cookie),
            **sign_in.columns(now),
            "last_seen_at": now,
            "idle_expires_at": now + idle,
            "expires_at": now + absolute,
        }
        ours = (sessions.c.id_hash == hashed(old_cookie), sessions.c.user_id == sign_in.user_id)
        with self._database.writing() as connection:
            return connection.execute(update(sessions).where(*ours).values(values)).rowcount == 1

    def list_live(
        self, user_id: str | None = None, *, now: int, sid: str | None = None, limit: int | None = None
    ) -> list[KnownSession]:
        """The sessions within their limits, of one person or of this name where given; the last used first."""
        query = select(*_listed).join_from(sessions, users, users.c.id == sessions.c.user_id, isouter=True)
        query = query.where(sessions.c.expires_at > now, sessions.c.idle_expires_at > now)
        if user_id is not None:
            query = query.where(sessions.c.user_id == user_id)
        if sid is not None:
            query = query.where(sessions.c.sid == sid)
        query = query.order_by(sessions.c.last_seen_at.desc(), sessions.c.created_at.desc()).limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [KnownSession(**{**row._mapping, "amr": tuple(json.loads(row.amr))}) for row in rows]

    def end_of_upstream(self, user_id: str, upstream: str, *, keep: str) -> list[str]:
        """End the sessions that a person began over this connection, but for the one to keep; their names."""
        theirs = (sessions.c.user_id == user_id, sessions.c.upstream == upstream, sessions.c.sid != keep)
        with self._database.writing() as connection:
            ended = list(connection.execute(select(sessions.c.sid).where(*theirs)).scalars())
            connection.execute(delete(sessions).where(sessions.c.sid.in_(ended)))
        return ended

    def end_others(self, user_id: str, *, keep: str | None) -> list[str]:
        """End the sessions of a person, but for the one to keep; their names."""
        theirs = [sessions.c.user_id == user_id]
        if keep is not None:
            theirs.append(sessions.c.sid != keep)
        with self._database.writing() as connection:
            ended = list(connection.execute(select(sessions.c.sid).where(*theirs)).scalars())
            connection.execute(delete(sessions).where(sessions.c.sid.in_(ended)))
        return ended

    def end(self, sid: str) -> bool:
        with self._database.writing() as connection:
            return connection.execute(delete(sessions).where(sessions.c.sid == sid)).rowcount == 1


def _to_session(row: Any) -> Session:
    return Session(
        sid=row.sid,
        user_id=row.user_id,
        auth_time=row.auth_time,
        acr=row.acr,
        amr=tuple(json.loads(row.amr)),
        created_at=row.session_created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        upstream=row.upstream,
        auth_time_unproven=bool(row.auth_time_unproven),
    )
