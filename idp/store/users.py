"""People: their standard claims, roles, password hash. User names and e-mails are unique whatever their case."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Update, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.protocol.identity import User
from idp.store.database import Database, is_storable, to_json
from idp.store.tables import devices, grants, sessions, users

USER_COLUMNS = (
    (users.c.id, users.c.username, users.c.email, users.c.email_verified, users.c.phone_number)
    + (users.c.phone_number_verified, users.c.profile, users.c.roles, users.c.disabled_at, users.c.deletes_at)
    + (users.c.updated_at,)
)  # fmt: skip
PROFILE_CLAIMS = (
    ("name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website")
    + ("gender", "birthdate", "zoneinfo", "locale", "address")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person to store. `profile` holds those of PROFILE_CLAIMS that have a value; `password_changed_at`: when they
    chose the password themselves."""

    id: str
    username: str
    email: str | None = None
    email_verified: bool = False
    phone_number: str | None = None
    phone_number_verified: bool = False
    profile: Mapping[str, Any] | None = None
    roles: tuple[str, ...] = ()
    password_hash: str | None = None
    password_changed_at: int | None = None


_by_id = select(*USER_COLUMNS).where(users.c.id == bindparam("user_id"))
_by_email = select(*USER_COLUMNS, users.c.password_hash).where(users.c.email_key == bindparam("key"))
_by_login = select(*USER_COLUMNS, users.c.password_hash).where(
    or_(users.c.username_key == bindparam("key"), users.c.email_key == bindparam("key"))
)

_one_more = {users.c.sign_outs: func.coalesce(users.c.sign_outs, 0) + 1}
_count_sign_out = update(users).where(users.c.id == bindparam("u")).values(_one_more)


class UserStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, user_id: str) -> User | None:
        with self._database.reading() as connection:
            row = connection.execute(_by_id, {"user_id": user_id}).first()
        return None if row is None else to_user(row)

    def find_for_sign_in(self, login: str) -> tuple[User, str | None] | None:
        """The person of this user name or e-mail with their password hash. A user name wins over an e-mail."""
        key = lookup_key(login)
        if not is_storable(key):
            return None
        with self._database.reading() as connection:
            rows = connection.execute(_by_login, {"key": key}).all()
        rows = sorted(rows, key=lambda row: lookup_key(row.username) != key)
        return (to_user(rows[0]), rows[0].password_hash) if rows else None

    def find_by_email(self, email: str) -> tuple[User, bool] | None:
        """The person of this e-mail, confirmed or not, and whether they have a password."""
        key = lookup_key(email)
        if not is_storable(key):
            return None
        with self._database.reading() as connection:
            row = connection.execute(_by_email, {"key": key}).first()
        return None if row is None else (to_user(row), row.password_hash is not None)

    def has_password(self, user_id: str) -> bool:
        with self._database.reading() as connection:
            found = select(users.c.id).where(users.c.id == user_id, users.c.password_hash.is_not(None))
            return connection.execute(found).first() is not None

    def is_username_free(self, username: str) -> bool:
        with self._database.reading() as connection:
            taken = select(users.c.id).where(users.c.username_key == lookup_key(username))
            return connection.execute(taken).first() is None

    def confirm_email(self, user_id: str, email: str, *, now: int) -> bool:
        """The address of this person is proved to be theirs; False when it is another one by now."""
        theirs = (users.c.id == user_id, users.c.email_key == lookup_key(email))
        with self._database.writing() as connection:
            done = update(users).where(*theirs).values(email_verified=True, updated_at=now)
            return connection.execute(done).rowcount == 1

    def refresh_profile(self, user_id: str, taken: Mapping[str, Any], fresh: Mapping[str, Any], *, now: int) -> bool:
        """Bring claims up to date that still are as they were `taken` from a provider; what the person has edited since
        stays. Whether anything changed."""
        with self._database.writing() as connection:
            text = connection.execute(select(users.c.profile).where(users.c.id == user_id).with_for_update()).scalar()
            if text is None:
                return False
            profile = json.loads(text)
            changed = {
                name: fresh.get(name)
                for name in (*taken, *fresh)
                if name in PROFILE_CLAIMS
                and profile.get(name) == taken.get(name)
                and fresh.get(name) != taken.get(name)
            }
            if not changed:
                return False
            kept = {name: value for name, value in (profile | changed).items() if value}
            update_one = update(users).where(users.c.id == user_id)
            connection.execute(update_one.values(profile=to_json(kept), updated_at=now))
        return True

    def list(self, *, limit: int | None = None) -> list[User]:
        with self._database.reading() as connection:
            rows = connection.execute(select(*USER_COLUMNS).order_by(users.c.username_key).limit(limit))
            return [to_user(row) for row in rows]

    def add(self, user: NewUser, *, now: int, takes_email_from: str | None = None) -> bool:
        """Store a new person; False when the user name or the e-mail is taken.

        `takes_email_from`: a person who entered this e-mail and never confirmed it; they lose it at the same moment.
        """
        try:
            with self._database.writing() as connection:
                if takes_email_from is not None:
                    connection.execute(free_email(takes_email_from, user.email, now=now))
                connection.execute(insert(users), to_row(user) | {"created_at": now, "updated_at": now})
        except IntegrityError:
            return False
        return True

    def set_password_hash(self, user_id: str, password_hash: str | None, *, now: int) -> bool:
        """Another password, whatever the one before."""
        return self._change(user_id, password_hash=password_hash, password_changed_at=now, updated_at=now)

    def upgrade_password_hash(self, user_id: str, password_hash: str, *, instead_of: str) -> bool:
        """The same password, hashed anew; False when it is another password by now."""
        theirs = (users.c.id == user_id, users.c.password_hash == instead_of)
        with self._database.writing() as connection:
            upgraded = update(users).where(*theirs).values(password_hash=password_hash)
            return connection.execute(upgraded).rowcount == 1

    def set_roles(self, user_id: str, roles: tuple[str, ...], *, now: int) -> bool:
        return self._change(user_id, roles=to_json(list(roles)), updated_at=now)

    def set_disabled(self, user_id: str, disabled: bool, *, now: int) -> bool:
        return self._change(user_id, disabled_at=now if disabled else None, updated_at=now)

    def sign_out_everywhere(self, user_id: str, *, now: int, why: str) -> None:
        """End every session of a person, half-done sign-ins too, their trust in browsers, and everything granted in
        their name."""
        with self._database.writing() as connection:
            connection.execute(_count_sign_out, {"u": user_id})
            connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
            connection.execute(update(devices).where(devices.c.user_id == user_id).values(trusted_until=None))
            theirs = update(grants).where(grants.c.user_id == user_id, grants.c.revoked_at.is_(None))
            connection.execute(theirs.values(revoked_at=now, revoked_why=why))

    def end_half_sign_ins(self, user_id: str | None) -> None:
        """What owes its second factor now, of this person or of everybody, will not become a session."""
        with self._database.writing() as connection:
            if user_id is not None:
                connection.execute(_count_sign_out, {"u": user_id})
            else:
                connection.execute(update(users).values(_one_more))

    def count_sign_outs(self, user_id: str) -> int:
        """Changes with each of them: what has kept another count was begun before."""
        with self._database.reading() as connection:
            return connection.execute(select(users.c.sign_outs).where(users.c.id == user_id)).scalar() or 0

    def _change(self, user_id: str, **values: Any) -> bool:
        with self._database.writing() as connection:
            return connection.execute(update(users).where(users.c.id == user_id).values(**values)).rowcount == 1


def free_email(user_id: str, email: str | None, *, now: int) -> Update:
    """Takes this e-mail from a person, if they have it and never confirmed it."""
    theirs = (users.c.id == user_id, users.c.email_key == lookup_key(email or ""), users.c.email_verified.is_(False))
    return update(users).where(*theirs).values(email=None, email_key=None, updated_at=now)


def lookup_key(name: str) -> str:
    """How user names and e-mails are compared: NFKC, case-folded, without space around. None is left by the cut
    either, because MariaDB and MySQL compare without the spaces at the end."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()[:255].rstrip()


def to_user(row: Any) -> User:
    claims: dict[str, Any] = json.loads(row.profile)
    claims["preferred_username"] = row.username
    claims["updated_at"] = row.updated_at
    if row.email:
        claims["email"], claims["email_verified"] = row.email, bool(row.email_verified)
    if row.phone_number:
        claims["phone_number"] = row.phone_number
        claims["phone_number_verified"] = bool(row.phone_number_verified)
    roles = tuple(json.loads(row.roles))
    if roles:
        claims["roles"] = list(roles)
    return User(
        id=row.id,
        username=row.username,
        claims=claims,
        roles=roles,
        disabled=row.disabled_at is not None,
        deletes_at=row.deletes_at,
    )


def to_row(user: NewUser) -> dict[str, Any]:
    profile = {name: value for name, value in (user.profile or {}).items() if name in PROFILE_CLAIMS and value}
    return {
        "id": user.id,
        "username": user.username,
        "username_key": lookup_key(user.username),
        "email": user.email,
        "email_key": lookup_key(user.email) if user.email else None,
        "email_verified": user.email_verified,
        "phone_number": user.phone_number,
        "phone_number_verified": user.phone_number_verified,
        "profile": to_json(profile),
        "roles": to_json(list(user.roles)),
        "password_hash": user.password_hash,
        "password_changed_at": user.password_changed_at,
        "disabled_at": None,
    }
