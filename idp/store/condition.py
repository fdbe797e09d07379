"""In what condition the database and Redis are: versions, settings and clocks, for `idp doctor`. Changes nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from idp.store.database import Database

READINGS = 5
REDIS_SECONDS = 4  # for one answer


@dataclass(frozen=True, slots=True)
class DatabaseCondition:
    """`milliseconds`: of one small query at its quickest. `clock`: seconds since the epoch; None where it is ours.

    `max_connections`, `in_use`: of the whole database server, None where it counts none. `settings`: what bears on
    durability and on text, by the database's own names. `file`: of SQLite.
    """

    kind: str
    version: str
    milliseconds: float
    clock: float | None
    is_read_only: bool
    max_connections: int | None
    in_use: int | None
    settings: dict[str, str]
    file: str | None


def condition_of(database: Database) -> DatabaseCondition:
    """Asks the database. Raises whatever its driver raises when it cannot be reached."""
    with database.reading() as connection:
        took = _milliseconds_of(lambda: connection.exec_driver_sql("SELECT 1").scalar())
        look = {"sqlite": _sqlite, "postgresql": _postgresql}.get(database.kind, _mariadb)
        return DatabaseCondition(kind=database.kind, milliseconds=took, **look(connection))


def _milliseconds_of(ask: Callable[[], Any]) -> float:
    """The quickest of a few, since what made one slow may be this machine."""
    took = []
    for _ in range(READINGS):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return min(took) * 1000


def _one(connection: Connection, statement: str) -> str:
    return str(connection.exec_driver_sql(statement).scalar())


def _sqlite(connection: Connection) -> dict[str, Any]:
    pragmas = {name: _one(connection, f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")}
    files = [row[2] for row in connection.exec_driver_sql("PRAGMA database_list")]
    return {
        "version": _one(connection, "SELECT sqlite_version()"),
        "clock": None,
        "is_read_only": False,
        "max_connections": None,
        "in_use": None,
        "settings": pragmas,
        "file": next((file for file in files if file), None),
    }


def _postgresql(connection: Connection) -> dict[str, Any]:
    names = ("fsync", "synchronous_commit", "full_page_writes", "server_encoding")
    is_read_only = _one(connection, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool")
    return {
        "version": _one(connection, "SHOW server_version").split()[0],
        "clock": float(_one(connection, "SELECT extract(epoch from clock_timestamp())")),
        "is_read_only": is_read_only == "True",
        "max_connections": int(_one(connection, "SHOW max_connections")),
        "in_use": int(_one(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")),
        "settings": {name: _one(connection, f"SHOW {name}") for name in names},
        "file": None,
    }


def _mariadb(connection: Connection) -> dict[str, Any]:
    names = ("innodb_flush_log_at_trx_commit", "character_set_database")
    in_use = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'").one()
    return {
        "version": _one(connection, "SELECT version()").split("-")[0],
        "clock": float(_one(connection, "SELECT unix_timestamp(now(6))")),
        "is_read_only": _one(connection, "SELECT @@read_only") not in {"0", "OFF"},
        "max_connections": int(_one(connection, "SELECT @@max_connections")),
        "in_use": int(in_use[1]),
        "settings": {name: _one(connection, f"SELECT @@{name}") for name in names},
        "file": None,
    }


class RedisUnreachable(Exception):
    """The text says why, without the URL, which may hold a password."""


@dataclass(frozen=True, slots=True)
class RedisCondition:
    """`max_memory`: bytes, 0 for no limit. `is_kept`: whether a restart remembers. `clock`: seconds since the epoch."""

    version: str
    milliseconds: float
    clock: float
    role: str
    max_memory: int
    eviction: str
    is_kept: bool | None


def redis_condition(url: str) -> RedisCondition:
    """Asks Redis. Raises RedisUnreachable."""
    import redis  # an extra: only a deployment with Redis has it

    try:
        client: Any = redis.Redis.from_url(
            url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, decode_responses=True
        )
        try:
            return _look_at_redis(client)
        finally:
            client.close()
    except (redis.RedisError, ValueError) as error:
        words = {redis.AuthenticationError: "it wants another password", ValueError: "the URL is malformed"}
        raise RedisUnreachable(words.get(type(error), type(error).__name__)) from None


def _look_at_redis(client: Any) -> RedisCondition:
    took = _milliseconds_of(client.ping)
    seconds, microseconds = client.time()
    info = client.info()
    return RedisCondition(
        version=str(info.get("redis_version", "unknown")),
        milliseconds=took,
        clock=seconds + microseconds / 1_000_000,
        role=str(info.get("role", "master")),
        max_memory=int(info.get("maxmemory", 0)),
        eviction=str(info.get("maxmemory_policy", "noeviction")),
        is_kept=_is_kept(client, info),
    )


def _is_kept(client: Any, info: dict[str, Any]) -> bool | None:
    """Whether anything is written to disk; None where Redis does not tell (hosted ones forbid the question)."""
    import redis

    if info.get("aof_enabled"):
        return True
    try:
        return bool(client.config_get("save").get("save"))
    except redis.RedisError:
        return None
