"""PostgreSQL, MariaDB, SQLite and Redis for the tests: how each server is set up, and how each user gets its own part.

Settings trade safety on a crash for speed, since nothing here outlives the run. Owns what is particular to each kind;
that a server starts once per run, and stops with it, is the business of ``tests.support.services``.
"""

import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pymysql
import redis
from psycopg import sql

from tests.support.machine import find_needed, find_unprivileged_user, give_to, run_setup
from tests.support.processes import KeptProcess, start_on_a_free_port

if TYPE_CHECKING:
    from tests.support.services import Bench

DATABASE_KINDS = ("sqlite", "postgresql", "mariadb")
REDIS_DATABASES = 1000  # handed out in turn, and emptied when handed out


@dataclass(frozen=True)
class Endpoint:
    """Where a shared server listens on 127.0.0.1, and the password of its test user."""

    port: int
    password: str


# --- PostgreSQL ------------------------------------------------------------------------------------------------------

POSTGRESQL_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


def start_postgresql(bench: "Bench") -> Endpoint:
    """A new cluster with one superuser ``idp``, reached by TCP and password only."""
    programs, user = _find_postgresql(), find_unprivileged_user("postgres")
    home, password = bench.make_directory("postgresql", user), secrets.token_hex(16)
    password_file = home / "password"
    password_file.write_text(password)
    give_to(password_file, user)
    layout = ["--username=idp", f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
    run_setup([programs / "initdb", "--no-sync", *layout, "-D", home / "cluster"], home, user)
    settings = [argument for name, value in POSTGRESQL_SETTINGS.items() for argument in ("-c", f"{name}={value}")]

    def start(port: int) -> KeptProcess:
        command: list[str | Path] = [programs / "postgres", "-D", home / "cluster", "-p", str(port), *settings]
        return bench.start("postgresql", command, cwd=home, user=user, stop_signal=signal.SIGINT)

    def answers(port: int) -> bool:
        try:
            _connect_postgresql(Endpoint(port, password)).close()
        except psycopg.OperationalError:
            return False
        return True

    return Endpoint(start_on_a_free_port(start, answers), password)


@contextmanager
def _fresh_postgresql(bench: "Bench") -> Iterator[str]:
    endpoint, name = bench.find_shared("postgresql"), _make_database_name()
    with _connect_postgresql(endpoint) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"postgresql+psycopg://idp:{endpoint.password}@127.0.0.1:{endpoint.port}/{name}"
    finally:
        with _connect_postgresql(endpoint) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _connect_postgresql(endpoint: Endpoint) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        host="127.0.0.1",
        port=endpoint.port,
        user="idp",
        password=endpoint.password,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def _find_postgresql() -> Path:
    """The directory of initdb and postgres; Debian keeps them out of PATH, a directory per version."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    return (newest or find_needed("initdb", package="postgresql")).parent


# --- MariaDB ---------------------------------------------------------------------------------------------------------

MARIADB_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--max-connections=300",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-fast-shutdown=3",
    "--innodb-buffer-pool-size=64M",
    "--performance-schema=OFF",
)


def start_mariadb(bench: "Bench") -> Endpoint:
    """A new server with one test user ``idp``, reached by TCP and password; root is left without a way in by TCP."""
    install, server = (find_needed(name, package="mariadb-server") for name in ("mariadb-install-db", "mariadbd"))
    user = find_unprivileged_user("mysql")
    home, password = bench.make_directory("mariadb", user), secrets.token_hex(16)
    data = ["--no-defaults", f"--datadir={home / 'data'}"]
    run_setup([install, *data, "--auth-root-authentication-method=socket", "--skip-test-db"], home, user)
    first_words = home / "init.sql"
    first_words.write_text(
        f"CREATE OR REPLACE USER 'idp'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL PRIVILEGES ON *.* TO 'idp'@'127.0.0.1';\n"
    )
    give_to(first_words, user)
    files = [f"--socket={home / 'socket'}", f"--pid-file={home / 'pid'}", f"--init-file={first_words}"]

    def start(port: int) -> KeptProcess:
        command: list[str | Path] = [server, *data, *files, *MARIADB_OPTIONS, f"--port={port}"]
        return bench.start("mariadb", command, cwd=home, user=user)

    def answers(port: int) -> bool:
        try:
            _connect_mariadb(Endpoint(port, password)).close()
        except pymysql.OperationalError:
            return False
        return True

    return Endpoint(start_on_a_free_port(start, answers), password)


@contextmanager
def _fresh_mariadb(bench: "Bench") -> Iterator[str]:
    endpoint, name = bench.find_shared("mariadb"), _make_database_name()
    with _connect_mariadb(endpoint) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield f"mysql+pymysql://idp:{endpoint.password}@127.0.0.1:{endpoint.port}/{name}?charset=utf8mb4"
    finally:
        with _connect_mariadb(endpoint) as admin, admin.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (connection_id,) in cursor.fetchall():  # an open transaction would hold up the DROP
                with suppress(pymysql.OperationalError):  # it has gone by itself meanwhile
                    cursor.execute("KILL %s", (connection_id,))
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


def _connect_mariadb(endpoint: Endpoint) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host="127.0.0.1",
        port=endpoint.port,
        user="idp",
        password=endpoint.password,
        connect_timeout=5,
        autocommit=True,
    )


# --- SQLite and Redis ------------------------------------------------------------------------------------------------


@contextmanager
def _fresh_sqlite(bench: "Bench") -> Iterator[str]:
    directory = bench.make_directory("sqlite")
    try:
        yield f"sqlite:///{directory}/idp.db"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def start_redis(bench: "Bench") -> Endpoint:
    """A Redis that keeps everything in memory."""
    server, user = find_needed("redis-server", package="redis-server"), find_unprivileged_user("redis")
    home, password = bench.make_directory("redis", user), secrets.token_hex(16)
    settings = home / "redis.conf"  # a file, since a command line can be read by every user of the machine
    settings.write_text(
        f'bind 127.0.0.1\nrequirepass {password}\ndatabases {REDIS_DATABASES + 1}\nsave ""\nappendonly no\ndir {home}\n'
    )
    give_to(settings, user)

    def start(port: int) -> KeptProcess:
        return bench.start("redis", [server, settings, "--port", str(port)], cwd=home, user=user)

    def answers(port: int) -> bool:
        try:
            with redis.Redis(port=port, password=password, socket_connect_timeout=5) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    return Endpoint(start_on_a_free_port(start, answers), password)


def hand_out_redis(bench: "Bench") -> str:
    """The URL of an empty Redis database; its number comes round again after a thousand others."""
    endpoint = bench.find_shared("redis")
    base = f"redis://:{endpoint.password}@127.0.0.1:{endpoint.port}"
    with redis.Redis.from_url(f"{base}/0") as counter:
        number = 1 + int(counter.incr("databases handed out")) % REDIS_DATABASES
    with redis.Redis.from_url(f"{base}/{number}") as database:
        database.flushdb()
    return f"{base}/{number}"


SERVICES: dict[str, Callable[["Bench"], Endpoint]] = {
    "postgresql": start_postgresql,
    "mariadb": start_mariadb,
    "redis": start_redis,
}

DATABASES: dict[str, Callable[["Bench"], AbstractContextManager[str]]] = {
    "sqlite": _fresh_sqlite,
    "postgresql": _fresh_postgresql,
    "mariadb": _fresh_mariadb,
}


def _make_database_name() -> str:
    return f"idp_{secrets.token_hex(8)}"
