"""Passkeys: the public keys of a person's authenticators (WebAuthn §4, credential record).

Credential ids are up to a kilobyte, so a row is found by the hash of its id.
"""

import json
from dataclasses import dataclass

from sqlalchemy import Row, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database, hashed, to_json
from idp.store.tables import passkeys
from idp.store.ways_in import Offered, count_factors, has_way_beside_passkey, lock_person

MAX_NAME_LENGTH = 100

_by_id = select(passkeys).where(passkeys.c.id_hash == bindparam("h"))
_of_user = select(passkeys).where(passkeys.c.user_id == bindparam("u")).order_by(passkeys.c.created_at)
_use = (
    update(passkeys)
    .where(
        passkeys.c.id_hash == bindparam("h"),
        or_(
            passkeys.c.sign_count < bindparam("count"),
            and_(passkeys.c.sign_count == 0, bindparam("count") == 0),
        ),
    )
    .values(sign_count=bindparam("count"), backed_up=bindparam("backed_up"), last_used_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Passkey:
    """`credential_id` and `public_key` (COSE) are base64url. `backed_up`: it is on other devices of the person too."""

    user_id: str
    credential_id: str
    public_key: str
    sign_count: int
    name: str
    transports: tuple[str, ...] = ()
    backed_up: bool = False
    created_at: int = 0
    last_used_at: int | None = None

    @property
    def key(self) -> str:
        """What a form names it by."""
        return hashed(self.credential_id)


class PasskeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, credential_id: str) -> Passkey | None:
        with self._database.reading() as connection:
            row = connection.execute(_by_id, {"h": hashed(credential_id)}).first()
        return None if row is None else _to_passkey(row)

    def list_of(self, user_id: str) -> list[Passkey]:
        """Those of one person, the oldest first."""
        with self._database.reading() as connection:
            return [_to_passkey(row) for row in connection.execute(_of_user, {"u": user_id})]

    def add(self, passkey: Passkey, *, now: int) -> bool:
        """Store a new one; False when there is one with this id, whosever."""
        row = {
            "id_hash": passkey.key,
            "user_id": passkey.user_id,
            "credential_id": passkey.credential_id,
            "public_key": passkey.public_key,
            "sign_count": passkey.sign_count,
            "name": passkey.name[:MAX_NAME_LENGTH],
            "transports": to_json(list(passkey.transports)),
            "backed_up": passkey.backed_up,
            "created_at": now,
            "last_used_at": None,
        }
        try:
            with self._database.writing() as connection:
                connection.execute(insert(passkeys), row)
        except IntegrityError:
            return False
        return True

    def claim_use(self, passkey: Passkey, *, sign_count: int, backed_up: bool, now: int) -> bool:
        """WebAuthn §7.2: the counter must have grown, or be absent (0) as ever. False: there is a copy of the key, or
        the same answer came twice."""
        values = {"h": passkey.key, "count": sign_count, "backed_up": backed_up, "now": now}
        with self._database.writing() as connection:
            return connection.execute(_use, values).rowcount == 1

    def is_last_way_in(self, user_id: str, key: str, offered: Offered) -> bool:
        """Whether nobody could sign in to this account any more without this passkey."""
        with self._database.reading() as connection:
            return not has_way_beside_passkey(connection, user_id, key, offered)

    def remove(self, user_id: str, key: str, *, keeps_last: bool = False, offered: Offered | None = None) -> bool:
        """False when it is not there, or it `keeps_last` and this is the last factor of the person, or it is the last
        way in of those that are `offered`."""
        theirs = (passkeys.c.user_id == user_id, passkeys.c.id_hash == key)
        with self._database.writing() as connection:
            lock_person(connection, user_id)
            if keeps_last and count_factors(connection, user_id) < 2:
                return False
            if offered is not None and not has_way_beside_passkey(connection, user_id, key, offered):
                return False
            return connection.execute(delete(passkeys).where(*theirs)).rowcount == 1

    def remove_all(self, user_id: str) -> int:
        with self._database.writing() as connection:
            return connection.execute(delete(passkeys).where(passkeys.c.user_id == user_id)).rowcount


def _to_passkey(row: Row[tuple[object, ...]]) -> Passkey:
    return Passkey(
        user_id=row.user_id,
        credential_id=row.credential_id,
        public_key=row.public_key,
        sign_count=row.sign_count,
        name=row.name,
        transports=tuple(json.loads(row.transports)),
        backed_up=bool(row.backed_up),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )
