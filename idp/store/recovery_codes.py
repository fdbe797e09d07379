"""Recovery codes: kept as hashes (they have 120 random bits), each used once, a new set in place of the old one."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, insert, select, update

from idp.store.database import Database, hashed
from idp.store.tables import recovery_codes

_use = (
    update(recovery_codes)
    .where(
        recovery_codes.c.code_hash == bindparam("h"),
        recovery_codes.c.user_id == bindparam("u"),
        recovery_codes.c.used_at.is_(None),
    )
    .values(used_at=bindparam("now"))
)


class RecoveryCodeStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def replace_all(self, user_id: str, codes: Sequence[str], *, now: int) -> None:
        """A new set; none of the old one works any more. No codes: none at all."""
        rows = [{"code_hash": hashed(code), "user_id": user_id, "created_at": now, "used_at": None} for code in codes]
        with self._database.writing() as connection:
            connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
            if rows:
                connection.execute(insert(recovery_codes), rows)

    def claim(self, user_id: str, code: str, *, now: int) -> bool:
        """Use a code of this person, once among all who try."""
        with self._database.writing() as connection:
            return connection.execute(_use, {"h": hashed(code), "u": user_id, "now": now}).rowcount == 1

    def count_unused(self, user_id: str) -> int:
        theirs = (recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(recovery_codes).where(*theirs)).scalar_one()
