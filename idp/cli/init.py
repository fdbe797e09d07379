"""`idp init`: everything the server needs before it starts, made when it is missing and left alone when it is there."""

import time
from dataclasses import dataclass
from pathlib import Path

import click

from idp.cli.command import Command
from idp.cli.demo_data import save_demo_data, save_playground_client
from idp.cli.output import answer
from idp.jose.key_directory import KeyDirectory
from idp.jose.key_pair import KeyDirectoryError
from idp.settings import ConfigurationError, Settings, load_settings
from idp.store import Store, open_store
from idp.store.database import DatabaseUrlError
from idp.store.schema import is_current


@dataclass(frozen=True)
class Done:
    """What `initialise` found or made. `demo_file` is None in production."""

    migrated: bool
    algs: tuple[str, ...]
    demo_file: Path | None


@click.command(cls=Command)
def command() -> None:
    """Make what the server needs: folders, database, signing keys and, in development, demo data.

    Safe to run again: what is there stays. In production no demo data is made.
    """
    settings = load_settings()
    done = initialise(settings, now=int(time.time()))
    demo_file = None if done.demo_file is None else str(done.demo_file)
    sentences = [
        "The database has been migrated." if done.migrated else "The database is up to date.",
        f"Signing keys for {', '.join(done.algs)} are in {settings.keys_dir}/.",
    ]
    if demo_file is not None:
        sentences.append(f"The demo person and clients, with their secrets, are in {demo_file}.")
    answer({"migrated": done.migrated, "algs": list(done.algs), "demo_file": demo_file}, *sentences)


def initialise(settings: Settings, *, now: int) -> Done:
    """Migrate the database, make keys and, in development, demo data. Raises ConfigurationError with every problem.

    No connection and no thread is left behind, so that a server may fork afterwards.
    """
    settings.var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    problems: list[str] = []
    _make_keys(settings, problems, now)
    store = _open_store(settings, problems)
    try:
        if store is None or problems:
            raise ConfigurationError(problems)
        migrated = _migrate(store)
        demo_file = None if settings.is_production else save_demo_data(settings, store, now=now)
        if settings.playground_enabled:
            save_playground_client(settings, store, now=now)
    finally:
        if store is not None:
            store.database.dispose()
    return Done(migrated, settings.signing_algs, demo_file)


def _make_keys(settings: Settings, problems: list[str], now: int) -> None:
    try:
        KeyDirectory(settings.keys_dir).init(settings.signing_algs, now)
    except KeyDirectoryError as error:
        problems.append(f"IDP_KEYS_DIR: {error}")


def _open_store(settings: Settings, problems: list[str]) -> Store | None:
    try:
        store = open_store(settings.database_url, pool_size=1)
    except DatabaseUrlError as error:
        problems.append(f"IDP_DATABASE_URL: {error}")
        return None
    if not store.database.is_reachable():
        problems.append("The database (IDP_DATABASE_URL) cannot be reached.")
    return store


def _migrate(store: Store) -> bool:
    """Alembic is loaded only when there is something to migrate."""
    if is_current(store.database):
        return False
    from idp.store import migrations

    migrations.upgrade(store.database)
    return True
