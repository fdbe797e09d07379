"""One migrated database per test module and kind; tests keep apart by random names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from idp.store import Store, migrations, open_store
from tests.support.crowd import Processes
from tests.support.machine import ProgramMissing
from tests.support.services import Bench


@contextmanager
def migrated(bench: Bench, kind: str) -> Iterator[str]:
    """The URL of a database of this kind with all tables; skips the test when its server is not installed."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(bench.fresh_database(kind))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        store = open_store(url)
        migrations.upgrade(store.database)
        store.database.dispose()
        yield url


@contextmanager
def opened(url: str, redis_url: str | None = None) -> Iterator[Store]:
    """Stores whose connections are closed afterwards."""
    store = open_store(url, pool_size=16, redis_url=redis_url)
    try:
        yield store
    finally:
        store.database.dispose()


@pytest.fixture(scope="module")
def migrated_url(bench: Bench, database_kind: str) -> Iterator[str]:
    with migrated(bench, database_kind) as url:
        yield url


@pytest.fixture(scope="module")
def store(migrated_url: str) -> Iterator[Store]:
    """The stores on each kind of database in turn."""
    with opened(migrated_url) as store:
        yield store


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Three processes that open the same database as the test."""
    processes = Processes(3)
    yield processes
    processes.close()
