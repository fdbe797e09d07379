"""Refresh tokens: a family is a grant's chain of them, each used once (RFC 9700 §4.14.2).

A row knows its successor's hash. What a repeated use means is decided in `grants/refresh_token.py`.
"""

from dataclasses import dataclass

from sqlalchemy import bindparam, exists, insert, select, update

from idp.protocol.grant import Grant
from idp.protocol.identity import User
from idp.store.database import Database, hashed
from idp.store.grants import GRANT_COLUMNS, refresh_row, to_grant
from idp.store.tables import grants, refresh_tokens, users
from idp.store.users import USER_COLUMNS, to_user

_token_columns = (
    (refresh_tokens.c.issued_at, refresh_tokens.c.expires_at.label("token_expires_at"))
    + (refresh_tokens.c.used_at, refresh_tokens.c.successor_hash)
)  # fmt: skip
_find = (
    select(*_token_columns, *GRANT_COLUMNS, *USER_COLUMNS)
    .join_from(refresh_tokens, grants, grants.c.id == refresh_tokens.c.grant_id)
    .join(users, users.c.id == grants.c.user_id)
    .where(refresh_tokens.c.token_hash == bindparam("h"))
)
_grant_is_live = exists().where(grants.c.id == refresh_tokens.c.grant_id, grants.c.revoked_at.is_(None))
_use = (
    update(refresh_tokens)
    .where(refresh_tokens.c.token_hash == bindparam("h"), refresh_tokens.c.used_at.is_(None), _grant_is_live)
    .values(used_at=bindparam("now"), successor_hash=bindparam("next"))
)
_slide = (
    update(refresh_tokens)
    .where(refresh_tokens.c.token_hash == bindparam("h"), refresh_tokens.c.used_at.is_(None), _grant_is_live)
    .values(expires_at=bindparam("end"), issued_at=bindparam("now"))
)
_insert = insert(refresh_tokens)
_use_of_token = select(refresh_tokens.c.used_at).where(refresh_tokens.c.token_hash == bindparam("h"), _grant_is_live)


@dataclass(frozen=True, slots=True)
class StoredRefreshToken:
    """A refresh token as found. `expires_at` is its idle end, `ends_at` the absolute end of its family."""

    grant: Grant
    user: User
    expires_at: int
    ends_at: int
    used_at: int | None
    successor_hash: str | None
    is_revoked: bool


class RefreshTokenStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, token: str) -> StoredRefreshToken | None:
        with self._database.reading() as connection:
            row = connection.execute(_find, {"h": hashed(token)}).first()
        if row is None:
            return None
        return StoredRefreshToken(
            grant=to_grant(row),
            user=to_user(row),
            expires_at=row.token_expires_at,
            ends_at=row.refresh_expires_at or 0,
            used_at=row.used_at,
            successor_hash=row.successor_hash,
            is_revoked=row.revoked_at is not None,
        )

    def rotate(self, token: str, successor: str, grant_id: str, *, now: int, expires_at: int) -> bool:
        """Use a token, once among all who try, and store its successor in the same transaction."""
        with self._database.writing() as connection:
            used = connection.execute(_use, {"h": hashed(token), "now": now, "next": hashed(successor)})
            if used.rowcount != 1:
                return False
            connection.execute(_insert, refresh_row(successor, grant_id, now, expires_at))
        return True

    def slide(self, token: str, *, now: int, expires_at: int) -> bool:
        """Hand out a token that does not rotate once more: its idle end moves."""
        with self._database.writing() as connection:
            return connection.execute(_slide, {"h": hashed(token), "now": now, "end": expires_at}).rowcount == 1

    def is_unused(self, token: str) -> bool:
        """Whether the token waits to be used; what is revoked does not."""
        with self._database.reading() as connection:
            row = connection.execute(_use_of_token, {"h": hashed(token)}).first()
        return row is not None and row.used_at is None
