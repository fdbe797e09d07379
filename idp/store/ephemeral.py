"""Short-lived state with a lifetime: interactions, one-time values, replay marks. In Redis when configured, else in
SQL.

Keys are hashed, because some of them are secrets. A value is a JSON object. `claim_once` gives a value to one caller
only, however many ask at the same instant, in however many processes.
"""

import json
from collections.abc import Collection
from typing import Any, Protocol

from sqlalchemy import Update, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.store.database import Database, hashed, to_json
from idp.store.tables import ephemeral as table

Value = dict[str, Any]


class Ephemeral(Protocol):
    """`kind` separates the uses of keys; `lifetime` is in seconds; `now` in seconds since the epoch."""

    def put(self, kind: str, key: str, value: Value, *, lifetime: int, now: int) -> None: ...

    def put_new(self, kind: str, key: str, value: Value, *, lifetime: int, now: int) -> bool:
        """Whether the key was free; a taken one keeps its value. How a replayed `jti` is caught."""
        ...

    def replace(self, kind: str, key: str, value: Value, *, now: int) -> bool:
        """Change a value and keep its lifetime; False when it is not there any more."""
        ...

    def get(self, kind: str, key: str, *, now: int) -> Value | None: ...

    def find_taken(self, kind: str, keys: Collection[str], *, now: int) -> set[str]:
        """Those of the keys that have a value."""
        ...

    def claim_once(self, kind: str, key: str, *, now: int) -> Value | None: ...

    def is_reachable(self) -> bool: ...


_select = select(table.c.value).where(table.c.key_hash == bindparam("k"), table.c.expires_at > bindparam("now"))
_delete = delete(table).where(table.c.key_hash == bindparam("k"))
_insert = insert(table)
_update = update(table).where(table.c.key_hash == bindparam("k")).values(value=bindparam("v"))
_replace = _update.where(table.c.expires_at > bindparam("now"))
_overwrite = _update.values(expires_at=bindparam("end"))
_overwrite_expired = _overwrite.where(table.c.expires_at <= bindparam("now"))


class SqlEphemeral:
    """In the database, table `ephemeral`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, kind: str, key: str, value: Value, *, lifetime: int, now: int) -> None:
        name, text, end = _name(kind, key), to_json(value), now + lifetime
        while not (self._insert(name, text, end) or self._change(_overwrite, {"k": name, "v": text, "end": end})):
            continue  # whoever had the key let go of it between the two

    def put_new(self, kind: str, key: str, value: Value, *, lifetime: int, now: int) -> bool:
        name, text, end = _name(kind, key), to_json(value), now + lifetime
        change = {"k": name, "v": text, "end": end, "now": now}
        return self._insert(name, text, end) or self._change(_overwrite_expired, change)

    def replace(self, kind: str, key: str, value: Value, *, now: int) -> bool:
        return self._change(_replace, {"k": _name(kind, key), "v": to_json(value), "now": now})

    def get(self, kind: str, key: str, *, now: int) -> Value | None:
        with self._database.reading() as connection:
            text = connection.execute(_select, {"k": _name(kind, key), "now": now}).scalar()
        return None if text is None else json.loads(text)

    def find_taken(self, kind: str, keys: Collection[str], *, now: int) -> set[str]:
        names = {_name(kind, key): key for key in keys}
        query = select(table.c.key_hash).where(table.c.key_hash.in_(list(names)), table.c.expires_at > now)
        with self._database.reading() as connection:
            return {names[name] for name in connection.execute(query).scalars()}

    def claim_once(self, kind: str, key: str, *, now: int) -> Value | None:
        with self._database.writing() as connection:
            text = connection.execute(_select, {"k": _name(kind, key), "now": now}).scalar()
            if text is None or connection.execute(_delete, {"k": _name(kind, key)}).rowcount != 1:
                return None
        return json.loads(text)  # type: ignore[no-any-return]

    def is_reachable(self) -> bool:
        return self._database.is_reachable()

    def _insert(self, name: str, text: str, end: int) -> bool:
        try:
            with self._database.writing() as connection:
                connection.execute(_insert, {"key_hash": name, "value": text, "expires_at": end})
        except IntegrityError:
            return False
        return True

    def _change(self, statement: Update, values: dict[str, Any]) -> bool:
        with self._database.writing() as connection:
            return connection.execute(statement, values).rowcount == 1


class RedisEphemeral:
    """In Redis, keys `idp:<hash>`; Redis drops them at their end by itself."""

    def __init__(self, url: str) -> None:
        import redis  # an extra: only a deployment with Redis has it

        self._redis: Any = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, decode_responses=True)

    def put(self, kind: str, key: str, value: Value, *, lifetime: int, now: int) -> None:
        self._redis.set(_redis_name(kind, key), to_json(value), ex=lifetime)

    def put_new(self, kind: str, key: str, value: Value, *, lifetime: int, now: int) -> bool:
        return bool(self._redis.set(_redis_name(kind, key), to_json(value), ex=max(1, lifetime), nx=True))

    def replace(self, kind: str, key: str, value: Value, *, now: int) -> bool:
        return bool(self._redis.set(_redis_name(kind, key), to_json(value), xx=True, keepttl=True))

    def get(self, kind: str, key: str, *, now: int) -> Value | None:
        text = self._redis.get(_redis_name(kind, key))
        return None if text is None else json.loads(text)

    def find_taken(self, kind: str, keys: Collection[str], *, now: int) -> set[str]:
        names = [_redis_name(kind, key) for key in keys]
        values = self._redis.mget(names) if names else []
        return {key for key, value in zip(keys, values, strict=True) if value is not None}

    def claim_once(self, kind: str, key: str, *, now: int) -> Value | None:
        text = self._redis.getdel(_redis_name(kind, key))
        return None if text is None else json.loads(text)

    def is_reachable(self) -> bool:
        import redis

        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False


def open_ephemeral(database: Database, redis_url: str | None) -> Ephemeral:
    return SqlEphemeral(database) if redis_url is None else RedisEphemeral(redis_url)


def _name(kind: str, key: str) -> str:
    return hashed(f"{kind}:{key}")


def _redis_name(kind: str, key: str) -> str:
    return f"idp:{_name(kind, key)}"
