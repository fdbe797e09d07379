"""Many people at once: look-up and storing of a batch in one statement or one transaction each, for imports.

Owns no rule on who may be stored or changed.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, case, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database, to_json
from idp.store.identities import Key, LinkedIdentity, to_identity_row
from idp.store.tables import identities, users
from idp.store.users import PROFILE_CLAIMS, NewUser, to_row

_KNOWN_COLUMNS = (
    (users.c.id, users.c.username_key, users.c.email, users.c.email_key, users.c.email_verified, users.c.phone_number)
    + (users.c.phone_number_verified, users.c.profile, users.c.roles, users.c.password_hash)
    + (users.c.password_changed_at,)
)  # fmt: skip
_CLAIMS = ("email", "email_key", "email_verified", "phone_number", "phone_number_verified", "profile", "roles")
CHANGEABLE = (*_CLAIMS, "password_hash")
_insert = insert(users)
_insert_link = insert(identities)
_hash = case(  # somebody may be choosing a password at this moment
    (users.c.password_changed_at.is_(None), bindparam("imported_hash", type_=users.c.password_hash.type)),
    else_=users.c.password_hash,
)
_values: dict[str, Any] = {name: bindparam(name) for name in (*_CLAIMS, "updated_at")} | {"password_hash": _hash}
_update = update(users).where(users.c.id == bindparam("user_id")).values(_values)


@dataclass(frozen=True, slots=True)
class KnownUser:
    """What an import must know of somebody who is there."""

    id: str
    username_key: str
    email: str | None
    email_key: str | None
    email_verified: bool
    phone_number: str | None
    phone_number_verified: bool
    profile: Mapping[str, Any]
    roles: tuple[str, ...]
    password_hash: str | None
    password_changed_at: int | None


@dataclass(frozen=True, slots=True)
class AddedUser:
    """Somebody new, since when they have had their account, whether it is locked, and their accounts elsewhere."""

    user: NewUser
    created_at: int
    is_disabled: bool = False
    links: Sequence[LinkedIdentity] = ()


class UserBatches:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find_known(self, ids: Collection[str], keys: Collection[str]) -> list[KnownUser]:
        """Everybody who has one of the ids, or one of the look-up keys as their user name or e-mail."""
        wanted = or_(users.c.id.in_(ids), users.c.username_key.in_(keys), users.c.email_key.in_(keys))
        with self._database.reading() as connection:
            return [_known(row) for row in connection.execute(select(*_KNOWN_COLUMNS).where(wanted))]

    def find_owners(self, keys: Collection[Key]) -> dict[Key, str]:
        """Which of these accounts at other providers are linked, and to whom: account → user id."""
        subjects: dict[tuple[str, str], set[str]] = {}
        for key in keys:
            subjects.setdefault((key.upstream, key.issuer), set()).add(key.subject)
        found: dict[Key, str] = {}
        with self._database.reading() as connection:
            for (upstream, issuer), wanted in subjects.items():
                of_provider = (identities.c.upstream == upstream, identities.c.issuer == issuer)
                query = select(identities.c.subject, identities.c.user_id).where(*of_provider)
                rows = connection.execute(query.where(identities.c.subject.in_(wanted)))
                found |= {Key(upstream, issuer, row.subject): row.user_id for row in rows}
        return found

    def save(
        self,
        added: Sequence[AddedUser],
        changed: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        now: int,
    ) -> bool:
        """Store new people and change others (id → all of CHANGEABLE), all or nothing; False when a user name, an
        e-mail or an account elsewhere has been taken meanwhile. A password that its person has chosen meanwhile
        stays."""
        new = [
            to_row(each.user)
            | {"created_at": each.created_at, "updated_at": now, "disabled_at": now if each.is_disabled else None}
            for each in added
        ]
        links = [to_identity_row(link) for each in added for link in each.links]
        old = [{"user_id": user_id, "updated_at": now} | _storable(values) for user_id, values in changed]
        try:
            with self._database.writing() as connection:
                if new:
                    connection.execute(_insert, new)
                if links:
                    connection.execute(_insert_link, links)
                if old:
                    connection.execute(_update, old)
        except IntegrityError:
            return False
        return True


def _known(row: Any) -> KnownUser:
    return KnownUser(
        row.id,
        row.username_key,
        row.email,
        row.email_key,
        bool(row.email_verified),
        row.phone_number,
        bool(row.phone_number_verified),
        json.loads(row.profile),
        tuple(json.loads(row.roles)),
        row.password_hash,
        row.password_changed_at,
    )


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    profile = {name: value for name, value in values["profile"].items() if name in PROFILE_CLAIMS and value}
    claims = {name: values[name] for name in _CLAIMS} | {"profile": to_json(profile)}
    return claims | {"roles": to_json(list(values["roles"])), "imported_hash": values["password_hash"]}
