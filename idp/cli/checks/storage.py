"""The database, its schema, Redis, and the disk: there, of a version that works, and set up not to lose anything."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from idp.cli.checks.finding import Finding, unknown, warning, well, wrong
from idp.cli.checks.subject import Subject
from idp.settings import Settings
from idp.store.condition import DatabaseCondition, RedisUnreachable, condition_of, redis_condition
from idp.store.database import Database, DatabaseUrlError
from idp.store.schema import age_of_schema

SLOW_MILLISECONDS = 50
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MariaDB or MySQL", "mariadb": "MariaDB"}
REDIS_NEEDED = (6, 2)  # GETDEL, with which something is claimed once
LITTLE_SPACE, NO_SPACE = 500 * 2**20, 50 * 2**20  # bytes
# setting of a database → (the values that are safe, what others mean)
_DURABLE: dict[str, tuple[frozenset[str], str]] = {
    "fsync": (frozenset({"on"}), "a power cut can destroy the database"),
    "full_page_writes": (frozenset({"on"}), "a power cut can destroy the database"),
    "synchronous_commit": (
        frozenset({"on", "local", "remote_write", "remote_apply"}),
        "after a power cut a used code or refresh token may count as unused",
    ),
    "innodb_flush_log_at_trx_commit": (
        frozenset({"1"}),
        "after a power cut a used code or refresh token may count as unused",
    ),
}


def examine_database(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    try:
        database = Database(settings.database_url, pool_size=1)
    except DatabaseUrlError as error:
        yield wrong("database", f"IDP_DATABASE_URL: {error}")
        return
    try:
        if not database.is_reachable():
            yield wrong("database", _why_not(database))
            return
        found = condition_of(database)
        yield _version(found)
        yield from _examine_condition(found, settings, subject)
        yield from _examine_schema(database)
    finally:
        database.dispose()


def _why_not(database: Database) -> str:
    name = NAMES[database.kind]
    if database.kind == "sqlite":
        return "The SQLite file of IDP_DATABASE_URL cannot be opened: see that its folder can be written."
    return (
        f"{name} (IDP_DATABASE_URL) cannot be reached: see that it runs, and that host, port, name and password are "
        "those of the URL."
    )


def _version(found: DatabaseCondition) -> Finding:
    sentence = f"{NAMES[found.kind]} {found.version} answers in {found.milliseconds:.1f} ms."
    if found.milliseconds > SLOW_MILLISECONDS:
        return warning("database", f"{sentence} That is slow: a sign-in asks it many times. Bring the two closer.")
    return well("database", sentence)


def _examine_condition(found: DatabaseCondition, settings: Settings, subject: Subject) -> Iterator[Finding]:
    if found.is_read_only:
        yield wrong("database", "It takes no changes (a replica, or read-only): name the primary in IDP_DATABASE_URL.")
    for name, (safe, meaning) in _DURABLE.items():
        value = found.settings.get(name)
        if value is not None and value.lower() not in safe:
            yield warning("database", f"Its setting {name} is {value}: {meaning}.")
    charset = found.settings.get("character_set_database") or found.settings.get("server_encoding") or "utf8"
    if charset.lower() not in {"utf8", "utf8mb4"}:
        yield wrong("database", f"It stores text as {charset}, which has not every name; make it anew with UTF-8.")
    if found.settings.get("journal_mode") not in {None, "wal", "memory"}:
        yield warning(
            "database",
            f"SQLite's journal is {found.settings['journal_mode']}, not WAL, so readers wait for writers: the disk may "
            "be a network one, which SQLite is not made for.",
        )
    if found.kind == "sqlite" and settings.is_production and subject.is_public:
        yield well("database", "SQLite serves one instance on one machine; several need PostgreSQL or MariaDB.")
    yield from _examine_connections(found, settings)


def _examine_connections(found: DatabaseCondition, settings: Settings) -> Iterator[Finding]:
    """The pool against the threads that use it, and against what the database server has to give."""
    workers = settings.workers or os.cpu_count() or 1
    threads = settings.threads + (settings.upstream_concurrency if settings.upstream else 0)
    if found.max_connections is None:
        return
    wanted = workers * settings.database_pool_size
    if wanted > found.max_connections - 3:
        yield wrong(
            "database",
            f"This instance may open {wanted} connections ({workers} workers × IDP_DATABASE_POOL_SIZE "
            f"{settings.database_pool_size}), and the database has {found.max_connections} for everybody: raise its "
            "max_connections, or lower one of the two.",
        )
    else:
        others = found.in_use
        sentence = f"It has {found.max_connections} connections, {others} in use; this instance opens up to {wanted}."
        yield well("database", sentence)
    if settings.database_pool_size * 2 < threads:
        yield warning(
            "database",
            f"{threads} threads of a worker share {settings.database_pool_size} connections and may wait for each "
            "other: raise IDP_DATABASE_POOL_SIZE.",
        )


def _examine_schema(database: Database) -> Iterator[Finding]:
    age = age_of_schema(database)
    if age == "current":
        yield well("schema", "The database has the schema of this version.")
    elif age == "newer":
        yield warning(
            "schema",
            "It has the schema of a newer version: well during an update, otherwise update here too.",
        )
    elif age == "older":
        yield wrong("schema", "The database has the schema of an older version. Run: idp db upgrade")
    else:
        yield wrong("schema", "The database has no schema yet. Run: idp db upgrade (or idp init)")


def examine_redis(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    if settings.redis_url is None:
        yield _without_redis(settings)
        return
    try:
        found = redis_condition(settings.redis_url)
    except ImportError:
        yield wrong("redis", "IDP_REDIS_URL is set, but the redis package is not installed: pip install 'idp[redis]'.")
        return
    except RedisUnreachable as error:
        yield wrong("redis", f"Redis (IDP_REDIS_URL) cannot be used: {error}. See that it runs and takes the password.")
        return
    yield well("redis", f"Redis {found.version} answers in {found.milliseconds:.1f} ms, and counts the limits for all.")
    numbers = tuple(int(part) for part in found.version.split(".")[:2] if part.isdigit())
    if numbers and numbers < REDIS_NEEDED:
        yield wrong("redis", f"Redis {found.version} is too old: 6.2 or newer is needed.")
    if found.role != "master":
        yield wrong("redis", "It is a replica, which takes no changes: name the primary in IDP_REDIS_URL.")
    if found.eviction != "noeviction":
        yield _eviction(found.eviction, found.max_memory)
    if found.is_kept is False and settings.is_production:
        yield warning(
            "redis",
            "It writes nothing to disk: when it restarts, sign-ins under way must begin again, and it forgets which "
            "one-time values were used. Switch on its append-only file.",
        )


def _eviction(policy: str, max_memory: int) -> Finding:
    meaning = "sign-ins under way and marks of used one-time values disappear when its memory is full"
    advice = "Set maxmemory-policy noeviction."
    if max_memory:
        return wrong("redis", f"Its maxmemory-policy is {policy}: {meaning}. {advice}")
    return warning("redis", f"Its maxmemory-policy is {policy}; with a maxmemory, {meaning}. {advice}")


def _without_redis(settings: Settings) -> Finding:
    workers = settings.workers or os.cpu_count() or 1
    if settings.ratelimit_enabled and workers > 1 and settings.is_production:
        return warning(
            "redis",
            f"There is none, so limits are counted in each of the {workers} worker processes apart, and an address may "
            f"reach {workers} times the limit. Set IDP_REDIS_URL to count them together.",
        )
    return well("redis", "There is none; short-lived state is kept in the database, which is enough for one instance.")


def examine_disk(subject: Subject) -> Iterator[Finding]:
    settings, folders = subject.settings, set[Path]()
    if settings.database_url.startswith("sqlite:///"):
        file = Path(settings.database_url.removeprefix("sqlite:///").partition("?")[0])
        if file.name not in {"", ":memory:"}:
            folders.add(file.parent)
            yield from _examine_file(file, is_production=settings.is_production)
    folders.add(settings.keys_dir)
    for folder in sorted(folders):
        yield _space(folder)


def _examine_file(file: Path, *, is_production: bool) -> Iterator[Finding]:
    folder = file.parent
    if folder.is_dir() and not os.access(folder, os.W_OK):
        yield wrong("disk", f"{folder} cannot be written by this account, and SQLite needs to write beside its file.")
    if is_production and file.exists() and file.stat().st_mode & 0o007:
        yield warning("disk", f"{file} can be read by everybody on this machine; run: chmod o-rwx {file}")


def _space(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return unknown("disk", f"{folder}: {error.strerror}.")
    sentence = f"{folder} has {free / 2**30:.1f} GB free."
    if free < NO_SPACE:
        return wrong("disk", f"{sentence} Make room now: without it nothing can be stored.")
    return warning("disk", f"{sentence} Make room soon.") if free < LITTLE_SPACE else well("disk", sentence)
