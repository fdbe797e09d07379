"""Tries at passwords and at the codes of a second factor, counted before they are checked, so that parallel ones do not
slip through together.

A few tries are free; then each makes the wait before the next one longer. What is counted is forgotten after a while
without any, and at the first success. Owns no rule on whose tries count together: a key is a keyed hash of that.

A count is changed by one UPDATE that holds only as long as nobody else has changed it, so that any number of processes
count as one, and by no lock that strangers could queue up at.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database, hashed
from idp.store.tables import sign_in_failures as table

FREE_TRIES = 5
FORGET_AFTER_SECONDS = 3600
REMEMBER_SECONDS = 86_400  # once there was a wait
FIRST_WAIT_SECONDS = 30
LONGEST_WAIT_SECONDS = 900

_find = select(table).where(table.c.key_hash == bindparam("k"))
_insert = insert(table)
_advance = (
    update(table)
    .where(table.c.key_hash == bindparam("k"), table.c.failures == bindparam("seen"))
    .where(table.c.last_at == bindparam("seen_at"), table.c.blocked_until == bindparam("seen_until"))
    .values({name: bindparam(name) for name in ("failures", "last_at", "blocked_until", "expires_at")})
)
_give_back = (
    update(table)
    .where(table.c.key_hash == bindparam("k"), table.c.failures == bindparam("seen"))
    .values(failures=table.c.failures - 1, blocked_until=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One try. `wait`: seconds until the next one may be made when this one may not, otherwise 0. `tries`: as counted,
    this one included when it may be made. `next_wait`: seconds that it makes everybody wait after it."""

    wait: int
    tries: int
    next_wait: int = 0


class SignInFailureStore:
    """`key`: at most 64 characters. Every try counts as a failure until `forget` says that one was none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, key: str, *, now: int) -> Claim:
        """Count a try, if one may be made now."""
        while True:  # ends: whoever loses has seen another one being counted, and soon nobody may try any more
            claim = self._claim(key, now)
            if claim is not None:
                return claim

    def give_back(self, key: str, claim: Claim, *, now: int) -> None:
        """The try was never made. It stays counted when others have been made since."""
        with self._database.writing() as connection:
            connection.execute(_give_back, {"k": key, "seen": claim.tries, "now": now})

    def forget(self, keys: Collection[str], *, now: int) -> int:
        """Begin anew with these keys; how many tries were counted under them. The rows go at the next pruning."""
        with self._database.writing() as connection:
            mine = select(table.c.failures).where(table.c.key_hash.in_(keys), table.c.expires_at > now)
            tries = sum(map(int, connection.execute(mine).scalars()))
            empty = {"failures": 0, "blocked_until": 0, "expires_at": now}
            connection.execute(update(table).where(table.c.key_hash.in_(keys)).values(empty))
        return tries

    def _claim(self, key: str, now: int) -> Claim | None:
        """None when somebody else counted a try at the same instant."""
        with self._database.reading() as connection:
            row = connection.execute(_find, {"k": key}).first()
        if row is not None and row.blocked_until > now:
            return Claim(row.blocked_until - now, row.failures)
        tries = 1 if row is None or row.expires_at <= now else row.failures + 1
        wait = wait_after(tries)
        ends = now + wait + (REMEMBER_SECONDS if wait else FORGET_AFTER_SECONDS)
        values = {"failures": tries, "last_at": now, "blocked_until": now + wait, "expires_at": ends}
        is_counted = self._add(key, values) if row is None else self._change(key, row, values)
        return Claim(0, tries, wait) if is_counted else None

    def _add(self, key: str, values: dict[str, int]) -> bool:
        try:
            with self._database.writing() as connection:
                connection.execute(_insert, {"key_hash": key, **values})
        except IntegrityError:
            return False
        return True

    def _change(self, key: str, row: Any, values: dict[str, int]) -> bool:
        seen = {"k": key, "seen": row.failures, "seen_at": row.last_at, "seen_until": row.blocked_until}
        with self._database.writing() as connection:
            return connection.execute(_advance, seen | values).rowcount == 1


def wait_after(tries: int) -> int:
    """Seconds before the next try, after so many."""
    if tries < FREE_TRIES:
        return 0
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * int(2 ** min(tries - FREE_TRIES, 10)))


def key_of_codes(user_id: str) -> str:
    """Under which the tries at this person's codes count."""
    return hashed(f"second factor {user_id}")
