"""The authenticator app of a person: its encrypted secret, and the last time step that was accepted (RFC 6238 §5.2)."""

from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database
from idp.store.tables import totp
from idp.store.ways_in import count_factors, lock_person

_find = select(totp).where(totp.c.user_id == bindparam("u"))
_use = (
    update(totp)
    .where(totp.c.user_id == bindparam("u"), totp.c.last_step < bindparam("step"))
    .values(last_step=bindparam("step"), last_used_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class StoredTotp:
    """`secret` is encrypted."""

    secret: str = field(repr=False)
    last_step: int
    created_at: int
    last_used_at: int | None


class TotpStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, user_id: str) -> StoredTotp | None:
        with self._database.reading() as connection:
            row = connection.execute(_find, {"u": user_id}).first()
        return None if row is None else StoredTotp(row.secret, row.last_step, row.created_at, row.last_used_at)

    def save(self, user_id: str, secret: str, *, step: int, now: int, replaces: bool = True) -> bool:
        """The app of this person from now on, instead of any other; `step` has just been used to confirm it. False when
        it `replaces` none, and there is one."""
        row = {"user_id": user_id, "secret": secret, "last_step": step, "created_at": now, "last_used_at": None}
        try:
            with self._database.writing() as connection:
                if replaces:
                    connection.execute(delete(totp).where(totp.c.user_id == user_id))
                connection.execute(insert(totp), row)
        except IntegrityError:
            return False
        return True

    def claim_step(self, user_id: str, step: int, *, now: int) -> bool:
        """Use a time step, once among all who try; those before it are used up as well."""
        with self._database.writing() as connection:
            return connection.execute(_use, {"u": user_id, "step": step, "now": now}).rowcount == 1

    def remove(self, user_id: str, *, keeps_last: bool = False) -> bool:
        """False when there is none, or it `keeps_last` and this is the last factor of the person."""
        with self._database.writing() as connection:
            lock_person(connection, user_id)
            if keeps_last and count_factors(connection, user_id) < 2:
                return False
            return connection.execute(delete(totp).where(totp.c.user_id == user_id)).rowcount == 1
