"""The database connection: SQLite, PostgreSQL, MariaDB or MySQL, each set up so that the same code is correct on all.

`reading()` sees committed data and holds no lock; `writing()` is one transaction, committed at its end or rolled back
by any exception. Isolation is READ COMMITTED (SQLite: writers one after the other).
"""

import hashlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

SQLITE_BUSY_MILLISECONDS = 15_000
POOL_TIMEOUT_SECONDS = 10
_DEADLOCK_MARIADB, _DEADLOCK_POSTGRESQL = 1213, "40P01"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class DatabaseUrlError(Exception):
    """The database URL cannot be used; the message says why and does not repeat it, because it may hold a password."""


class Database:
    """An engine with the two ways to use it. Opening connects to nothing; a forked process gets its own connections."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self._url, self._pool_size = _parse(url), pool_size
        self.kind = self._url.get_backend_name()
        self.engine = self._create_engine()
        self._is_sqlite = self.kind == "sqlite"  # there, a connection is in no transaction until BEGIN
        self._reader = self.engine if self._is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._pid = os.getpid()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for SELECTs: no transaction is opened, each statement sees what is committed."""
        self._leave_parent()
        return self._reader.connect()

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction. On SQLite it takes the write lock at once, so it never fails half-way with SQLITE_BUSY."""
        self._leave_parent()
        return self._begun_at_once() if self._is_sqlite else self.engine.begin()

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A connection whose transactions the caller begins and ends; SQLite's single writer waits for its turn."""
        self._leave_parent()
        with self.engine.connect() as connection:
            if self._is_sqlite:
                event.listen(connection, "begin", _begin_immediate)
            yield connection
            connection.commit()

    def is_reachable(self) -> bool:
        try:
            with self.reading() as connection:
                return bool(connection.exec_driver_sql("SELECT 1").scalar() == 1)
        except Exception:  # whatever the driver raises, the answer is no
            return False

    def dispose(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _begun_at_once(self) -> Iterator[Connection]:
        """Without an event of the engine, which would cost every statement of every connection."""
        with self.engine.begin() as connection:
            _begin_immediate(connection)
            yield connection

    def _leave_parent(self) -> None:
        """After a fork, connections of the parent must not be touched."""
        if self._pid != os.getpid():
            self.engine.dispose(close=False)
            self._pid = os.getpid()

    def _create_engine(self) -> Engine:
        options: dict[str, Any] = {"json_serializer": to_json, "hide_parameters": True}  # errors are logged, rows never
        if self.kind == "sqlite":
            options["connect_args"] = {"check_same_thread": False, "timeout": SQLITE_BUSY_MILLISECONDS / 1000}
            if self._url.database in {None, "", ":memory:"}:
                options["poolclass"] = StaticPool
        else:
            options |= {"pool_size": self._pool_size, "max_overflow": 0, "pool_timeout": POOL_TIMEOUT_SECONDS}
            options |= {"pool_pre_ping": True, "pool_recycle": 1800, "isolation_level": "READ COMMITTED"}
        engine = create_engine(self._url, **options)
        if self.kind == "sqlite":
            _set_up_sqlite(engine, self._url)
        return engine


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise DatabaseUrlError(f"The database URL cannot be used ({type(error).__name__}).") from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql", "mysql", "mariadb"}:
        raise DatabaseUrlError("The database must be SQLite, PostgreSQL, MariaDB or MySQL.")
    if parsed.get_backend_name() in {"mysql", "mariadb"} and "charset" not in parsed.query:
        parsed = parsed.update_query_dict({"charset": "utf8mb4"})
    return parsed


def _set_up_sqlite(engine: Engine, url: URL) -> None:
    """WAL, so that readers and the writer do not wait for each other; transactions begin as `writing()` says."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        cursor = connection.cursor()
        _switch_to_wal(cursor)
        for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Of several processes that open a new file at the same instant, SQLite turns all but one away, without waiting as
    it does elsewhere."""
    ends = time.monotonic() + SQLITE_BUSY_MILLISECONDS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= ends:
                raise
            time.sleep(0.01)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def is_deadlock(error: DBAPIError) -> bool:
    """Whether the database undid a transaction because it and another one waited for each other. Made again, it may
    succeed."""
    state, numbers = getattr(error.orig, "sqlstate", None), getattr(error.orig, "args", ())
    return state == _DEADLOCK_POSTGRESQL or numbers[:1] == (_DEADLOCK_MARIADB,)


def hashed(secret: str) -> str:
    """How a secret of at least 128 random bits is stored and looked up: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_storable(text: str) -> bool:
    """Whether a database can hold this text, or be asked for it: PostgreSQL takes no NUL, none a lone surrogate."""
    return _UNSTORABLE.search(text) is None


def to_json(value: Any) -> str:
    """Compact JSON; escaped throughout where a value has a lone surrogate, which a JSON document may bring along."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if is_storable(text) else json.dumps(value, separators=(",", ":"))
