"""The flows on every database: `--flows-on sqlite,postgresql,mariadb` repeats each test on a server with each of them.

A plain `pytest` runs them on SQLite; `scripts/test` in its full form on all three, but for those ABOUT_THE_WIRE.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.federation import Federation, running_federation
from tests.support.idp_server import ServerUnderTest, TimedServer, running_server, timed_server
from tests.support.machine import ProgramMissing
from tests.support.services import Bench

Servers = Callable[[str], ServerUnderTest]

# What a request must look like, what is sent to another provider, and what its odd answers lead to: that is the same
# whatever database stands behind it.
ABOUT_THE_WIRE = {
    "tests.flows.test_authorize_headers",
    "tests.flows.test_authorize_parameters",
    "tests.flows.test_authorize_prompt",
    "tests.flows.test_authorize_stage_one",
    "tests.flows.test_discovery",
    "tests.flows.test_token_request",
    "tests.flows.test_upstream_faults",
    "tests.flows.test_upstream_providers",
    "tests.flows.test_upstream_requests",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "flow_database" in metafunc.fixturenames:
        kinds = metafunc.config.getoption("flows_on").split(",")
        if metafunc.module.__name__ in ABOUT_THE_WIRE:
            kinds = kinds[:1]
        metafunc.parametrize("flow_database", kinds, scope="session", ids=None if len(kinds) > 1 else [""])


@pytest.fixture(scope="session")
def servers_by_database(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path
) -> Iterator[Servers]:
    """Gunicorn with two workers on each database, started when first asked for and kept until the end."""
    running: dict[str, ServerUnderTest] = {}
    with ExitStack() as stack:

        def get(kind: str) -> ServerUnderTest:
            if kind not in running:
                url = stack.enter_context(bench.fresh_database(kind))
                folder = tmp_path_factory.mktemp(f"server-{kind}")
                server = running_server(folder, keys_from=signing_keys, database_url=url)
                running[kind] = stack.enter_context(server)
            return running[kind]

        yield get


@pytest.fixture(scope="session")
def server(servers_by_database: Servers, flow_database: str) -> ServerUnderTest:
    try:
        return servers_by_database(flow_database)
    except ProgramMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def timed(tmp_path: Path, signing_keys: Path, bench: Bench, flow_database: str) -> Iterator[TimedServer]:
    with ExitStack() as stack:
        try:
            url = stack.enter_context(bench.fresh_database(flow_database))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        yield stack.enter_context(timed_server(tmp_path, keys_from=signing_keys, database_url=url))


# --- Sign-in with other providers ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def federation(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path, flow_database: str
) -> Iterator[Federation]:
    """Gunicorn with two workers, every provider and the further connections, each a stand-in."""
    folder = tmp_path_factory.mktemp("federation")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(bench.fresh_database(flow_database))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        yield stack.enter_context(running_federation(folder, keys_from=signing_keys, database_url=url))
