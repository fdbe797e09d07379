"""One examination of `idp doctor`: what is opened, with patience for each, and which checks are run on it."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from idp.cli.checks import CHECKS, CLIENT_CHECKS, connection_checks, run_checks
from idp.cli.checks.finding import Finding, wrong
from idp.cli.checks.subject import Subject, make_site
from idp.cli.command import Refused
from idp.settings import ConfigurationError, Settings, load_settings
from idp.store import Store, open_store
from idp.store.database import DatabaseUrlError
from idp.store.schema import is_current

OPENING_SECONDS = 3.0
POOL_SIZE = 6  # several checks ask the database at the same time


def examine_deployment(*, offline: bool) -> tuple[str | None, list[Finding]]:
    """The issuer, and what all checks say. With settings that cannot be used at all, only what is wrong with them."""
    settings, problems = _read_settings()
    if settings is None:
        return None, [wrong("settings", problem) for problem in problems]
    with _opened(settings) as store:
        subject = Subject(
            settings,
            make_site(settings, now=int(time.time())),
            time.time,
            problems=problems,
            store=store,
            offline=offline,
        )
        return settings.issuer, run_checks((*CHECKS, *connection_checks(settings)), subject)


def examine_client(client_id: str, *, offline: bool) -> tuple[str, list[Finding]]:
    """The issuer, and what all checks of one client say. Raises Refused when there is none, or no database."""
    settings = load_settings()
    with _opened(settings) as store:
        if store is None:
            raise Refused("The database (IDP_DATABASE_URL) cannot be used. Run: idp doctor")
        client = store.clients.find(client_id)
        if client is None:
            raise Refused(f"There is no client {client_id}. See: idp clients list")
        site = make_site(settings, now=int(time.time()))
        subject = Subject(settings, site, time.time, store=store, client=client, offline=offline)
        return settings.issuer, run_checks(CLIENT_CHECKS, subject)


def _read_settings() -> tuple[Settings | None, list[str]]:
    try:
        return load_settings(), []
    except ConfigurationError as error:
        return error.usable, error.problems


@contextmanager
def _opened(settings: Settings) -> Iterator[Store | None]:
    """The stores, or None when the database cannot be used within OPENING_SECONDS, or has another schema."""
    opened: queue.SimpleQueue[Store | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: opened.put(_open(settings)), daemon=True).start()
    try:
        store = opened.get(timeout=OPENING_SECONDS)
    except queue.Empty:
        store = None
    try:
        yield store
    finally:
        if store is not None:
            store.database.dispose()


def _open(settings: Settings) -> Store | None:
    try:
        store = open_store(settings.database_url, pool_size=POOL_SIZE, redis_url=settings.redis_url)
    except (DatabaseUrlError, ImportError, ValueError):  # the last for a Redis URL; the checks say which, and why
        return None
    if store.database.is_reachable() and is_current(store.database):
        return store
    store.database.dispose()
    return None
