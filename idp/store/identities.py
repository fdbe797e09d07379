"""Who people are at other providers: the link between one account there and one person here.

The key is (connection, issuer, subject): a connection whose issuer is changed never finds the people of the old one.
An e-mail is kept to show which account it is, and never links anything.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from idp.protocol.identity import User
from idp.store.database import Database, is_deadlock, to_json
from idp.store.tables import identities, users
from idp.store.users import USER_COLUMNS, NewUser, free_email, to_row, to_user
from idp.store.ways_in import Offered, has_way_beside_link, lock_person


@dataclass(frozen=True, slots=True)
class Key:
    """One account at another provider."""

    upstream: str
    issuer: str
    subject: str

    def columns(self) -> dict[str, str]:
        return {"upstream": self.upstream, "issuer": self.issuer, "subject": self.subject}


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """A link. `profile` holds the claims taken from the provider, as they were taken; `tokens` is encrypted."""

    key: Key
    user_id: str
    linked_how: str
    email: str | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    tokens: str | None = field(default=None, repr=False)
    linked_at: int = 0
    last_used_at: int = 0


_is_this = (
    (identities.c.upstream == bindparam("k_upstream"))
    & (identities.c.issuer == bindparam("k_issuer"))
    & (identities.c.subject == bindparam("k_subject"))
)
_find = (
    select(identities, *(column.label(f"person_{column.name}") for column in USER_COLUMNS))
    .join_from(identities, users, users.c.id == identities.c.user_id)
    .where(_is_this)
)


class IdentityStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: Key) -> tuple[LinkedIdentity, User] | None:
        """The link of this account with its person, disabled ones too."""
        with self._database.reading() as connection:
            row = connection.execute(_find, _parameters(key)).first()
        if row is None or row.subject != key.subject or row.issuer != key.issuer:
            return None
        return _to_identity(row), to_user(_UserRow(row))

    def list_of(self, user_id: str) -> list[LinkedIdentity]:
        """The links of one person, the oldest first."""
        query = select(identities).where(identities.c.user_id == user_id)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(identities.c.linked_at, identities.c.upstream)).all()
        return [_to_identity(row) for row in rows]

    def add(self, identity: LinkedIdentity) -> bool:
        """Store a link; False when that account is linked already, to whomever."""
        try:
            with self._database.writing() as connection:
                connection.execute(insert(identities), to_identity_row(identity))
        except IntegrityError:
            return False
        return True

    def add_with_user(
        self, user: NewUser, identity: LinkedIdentity, *, now: int, takes_email_from: str | None = None
    ) -> bool:
        """Store a new person and their link, both or neither; False when user name, e-mail or link is taken.

        `takes_email_from`: a person who entered this e-mail and never confirmed it; they lose it at the same moment.
        """
        while True:  # ends: of those who wait for each other, at most all but one are undone
            try:
                return self._add_with_user(user, identity, now, takes_email_from)
            except OperationalError as error:  # MariaDB has all who waited for one that failed wait for each other
                if not is_deadlock(error):
                    raise

    def _add_with_user(self, user: NewUser, identity: LinkedIdentity, now: int, takes_email_from: str | None) -> bool:
        try:
            with self._database.writing() as connection:
                if takes_email_from is not None:
                    connection.execute(free_email(takes_email_from, user.email, now=now))
                connection.execute(insert(users), to_row(user) | {"created_at": now, "updated_at": now})
                connection.execute(insert(identities), to_identity_row(identity))
        except IntegrityError:
            return False
        return True

    def used(
        self, key: Key, *, email: str | None, profile: Mapping[str, Any] | None, tokens: str | None, now: int
    ) -> None:
        """Remember a sign-in. `profile` None: what was taken stays; `tokens` None: none are kept."""
        values: dict[str, Any] = {"last_used_at": now, "email": email, "tokens": tokens}
        if profile is not None:
            values["profile"] = to_json(dict(profile))
        with self._database.writing() as connection:
            connection.execute(update(identities).where(_is_this).values(values), _parameters(key))

    def remove_unless_last(self, key: Key, user_id: str, offered: Offered) -> bool:
        """Delete a link of this person, when they keep another way in of those that are offered."""
        theirs = delete(identities).where(_is_this, identities.c.user_id == user_id)
        with self._database.writing() as connection:
            if not lock_person(connection, user_id):
                return False
            if not has_way_beside_link(connection, user_id, key.columns(), offered):
                return False
            return connection.execute(theirs, _parameters(key)).rowcount == 1

    def remove_since(self, user_id: str, since: int) -> int:
        """Delete the links of a person that were made at this time or later, also the last one; how many."""
        theirs = (identities.c.user_id == user_id, identities.c.linked_at >= since)
        with self._database.writing() as connection:
            return connection.execute(delete(identities).where(*theirs)).rowcount

    def remove_all(self, user_id: str) -> int:
        """Delete every link of this person; how many there were."""
        with self._database.writing() as connection:
            return connection.execute(delete(identities).where(identities.c.user_id == user_id)).rowcount


class _UserRow:
    """The person's columns of a row that has them beside the link's."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"person_{name}")


def _parameters(key: Key) -> dict[str, str]:
    return {f"k_{name}": value for name, value in key.columns().items()}


def to_identity_row(identity: LinkedIdentity) -> dict[str, Any]:
    """A link as the table has it."""
    return identity.key.columns() | {
        "user_id": identity.user_id,
        "email": identity.email,
        "profile": to_json(dict(identity.profile)),
        "tokens": identity.tokens,
        "linked_how": identity.linked_how,
        "linked_at": identity.linked_at,
        "last_used_at": identity.last_used_at,
    }


def _to_identity(row: Any) -> LinkedIdentity:
    return LinkedIdentity(
        key=Key(row.upstream, row.issuer, row.subject),
        user_id=row.user_id,
        linked_how=row.linked_how,
        email=row.email,
        profile=json.loads(row.profile),
        tokens=row.tokens,
        linked_at=row.linked_at,
        last_used_at=row.last_used_at,
    )
