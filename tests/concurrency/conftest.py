"""Servers of several worker processes on each kind of database."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.machine import ProgramMissing
from tests.support.services import Bench


@contextmanager
def database_of(bench: Bench, kind: str) -> Iterator[str]:
    """The URL of an empty database; skips the test when its server is not installed."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(bench.fresh_database(kind))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        yield url


def check_no_fault(server: ServerUnderTest) -> None:
    """Nothing that the tests did was a fault of the server: its log has no unexpected error."""
    faults = [line for line in server.log_text().splitlines() if '"unexpected"' in line or "Traceback" in line]
    assert faults == []


def redis_of(bench: Bench) -> str:
    try:
        return bench.fresh_redis()
    except ProgramMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def busy_server(
    bench: Bench, database_kind: str, signing_keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerUnderTest]:
    """gunicorn with three worker processes, on each kind of database in turn."""
    folder = tmp_path_factory.mktemp(f"busy-{database_kind}")
    with (
        database_of(bench, database_kind) as url,
        running_server(folder, keys_from=signing_keys, database_url=url, workers="3") as server,
    ):
        yield server
        server.store.database.dispose()
        check_no_fault(server)
