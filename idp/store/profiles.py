"""What people change about themselves: their profile, user name, phone number, e-mail address and password.

Every change of a name or an address that others may want too is one statement whose uniqueness the database decides.
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database, to_json
from idp.store.tables import users
from idp.store.users import PROFILE_CLAIMS, free_email, lookup_key


class ProfileStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def edit(
        self,
        user_id: str,
        claims: Mapping[str, str | None],
        *,
        now: int,
        username: str | None = None,
        phone_number: str | None = None,
        changes_phone: bool = False,
    ) -> bool:
        """Change these PROFILE_CLAIMS (empty: taken away) and leave the others as they are; a new phone number is not
        verified. False when the user name is taken, or nobody is there."""
        values: dict[str, Any] = {"updated_at": now}
        if username is not None:
            values |= {"username": username, "username_key": lookup_key(username)}
        if changes_phone:
            values |= {"phone_number": phone_number or None, "phone_number_verified": False}
        this = users.c.id == user_id
        try:
            with self._database.writing() as connection:
                text = connection.execute(select(users.c.profile).where(this).with_for_update()).scalar()
                if text is None:
                    return False
                edited = json.loads(text) | {name: claims[name] for name in PROFILE_CLAIMS if name in claims}
                values["profile"] = to_json({name: value for name, value in edited.items() if value})
                connection.execute(update(users).where(this).values(values))
        except IntegrityError:
            return False
        return True

    def change_email(self, user_id: str, email: str, *, instead_of: str | None, now: int) -> bool:
        """The address, proved to be theirs, in place of the one they had; False when they have another one by now, or
        somebody else has this one."""
        return self._set_email(email, now, users.c.id == user_id, _has_email(instead_of))

    def restore_email(
        self, user_id: str, email: str, *, instead_of: str | None, takes_from: str | None = None, now: int
    ) -> bool:
        """An address that was theirs before; False when they have another one than `instead_of` by now, or somebody
        else has this one.

        `takes_from`: a person who entered it since and never confirmed it; they lose it at the same moment.
        """
        return self._set_email(email, now, users.c.id == user_id, _has_email(instead_of), takes_from=takes_from)

    def change_password(self, user_id: str, password_hash: str, *, instead_of: str | None, now: int) -> bool:
        """A password that its person has chosen; False when the hash is another one by now."""
        had = users.c.password_hash.is_(None) if instead_of is None else users.c.password_hash == instead_of
        values = {"password_hash": password_hash, "password_changed_at": now, "updated_at": now}
        with self._database.writing() as connection:
            return connection.execute(update(users).where(users.c.id == user_id, had).values(values)).rowcount == 1

    def password_changed_at(self, user_id: str) -> int | None:
        """When the person chose their password; None when that is not known."""
        with self._database.reading() as connection:
            return connection.execute(select(users.c.password_changed_at).where(users.c.id == user_id)).scalar()

    def _set_email(self, email: str, now: int, *theirs: Any, takes_from: str | None = None) -> bool:
        values = {"email": email, "email_key": lookup_key(email), "email_verified": True, "updated_at": now}
        try:
            with self._database.writing() as connection:
                if takes_from is not None:
                    if connection.execute(select(users.c.id).where(*theirs).with_for_update()).first() is None:
                        return False
                    connection.execute(free_email(takes_from, email, now=now))
                return connection.execute(update(users).where(*theirs).values(values)).rowcount == 1
        except IntegrityError:
            return False


def _has_email(email: str | None) -> ColumnElement[bool]:
    return users.c.email_key.is_(None) if email is None else users.c.email_key == lookup_key(email)
