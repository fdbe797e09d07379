"""Fixtures and rules for all tests: one bench of real servers per run, a browser, no outside network, honest marks.

``fresh_database`` repeats a test on SQLite, PostgreSQL and MariaDB, or on those that ``@pytest.mark.databases`` names.
A test whose program is not installed is skipped on a developer's machine, with one closing line that names the Debian
package. With ``CI=true`` nothing may be skipped: a skipped test is a failed one.
"""

import os
import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.databases import DATABASE_KINDS
from tests.support.machine import ProgramMissing
from tests.support.network import install_guard
from tests.support.services import Bench

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.chromium import Pages
    from tests.support.idp_server import ServerUnderTest, TimedServer
    from tests.support.relying_party import Browser as HttpBrowser

MARKS = (
    "spec(spec, section, level): the rule of a specification that the test shows; level is a word of RFC 2119",
    "asvs(id): the requirement of OWASP ASVS 5.0 that the test shows",
    "databases(*kinds): the databases fresh_database repeats the test on (default: all)",
    "browser: drives Chromium (set by itself on tests that ask for a page)",
    "interop: runs real clients of other projects",
    "slow: takes more than a few seconds",
)
LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "REQUIRED", "RECOMMENDED", "NOT RECOMMENDED", "OPTIONAL"}
BENCH = pytest.StashKey[Bench]()
REFUSED = pytest.StashKey[list[str]]()
BENCH_DIRECTORY = "idp_bench_directory"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--flows-on", default="sqlite", help="databases to run tests/flows on, with commas between them")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, guard the network, and open the run's bench or, in an xdist worker, join it."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    config.stash[REFUSED] = []
    config.add_cleanup(install_guard(config.stash[REFUSED]))
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.stash[BENCH] = Bench(Path(workerinput[BENCH_DIRECTORY]))
    else:
        config.stash[BENCH] = Bench.open()
        config.add_cleanup(config.stash[BENCH].close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the bench is."""
    node.workerinput[BENCH_DIRECTORY] = str(node.config.stash[BENCH].directory)


# --- Servers ---------------------------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat a test that uses ``database_kind``, directly or not, on each kind its mark names."""
    if "database_kind" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("databases")
    kinds = mark.args if mark is not None else DATABASE_KINDS
    if unknown := set(kinds) - set(DATABASE_KINDS):
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: no database is called {', '.join(sorted(unknown))}")
    metafunc.parametrize("database_kind", kinds, scope="module")


@pytest.fixture(scope="session")
def bench(pytestconfig: pytest.Config) -> Bench:
    """The servers of this run, for fixtures that need more than one database, or a server of their own."""
    return pytestconfig.stash[BENCH]


@pytest.fixture
def fresh_database(bench: Bench, database_kind: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database that only this test uses."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(bench.fresh_database(database_kind))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        yield url


@pytest.fixture
def redis_url(bench: Bench) -> str:
    """The URL of an empty Redis database that only this test uses."""
    try:
        return bench.fresh_redis()
    except ProgramMissing as missing:
        pytest.skip(str(missing))


# --- Browser ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """One Chromium per test process."""
    from tests.support.chromium import running_chromium

    with ExitStack() as stack:
        try:
            browser = stack.enter_context(running_chromium())
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        yield browser


@pytest.fixture
def browser_page(chromium: "Browser") -> "Iterator[Pages]":
    """Makes pages: ``browser_page(viewport=PHONE, colour_scheme="dark", locale="fr-FR", javascript=False)``."""
    from tests.support.chromium import Pages

    pages = Pages(chromium)
    yield pages
    pages.close()


# --- Rules -----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def refused_connections(pytestconfig: pytest.Config) -> Iterator[list[str]]:
    """Fails a test that tried to leave this machine, even if the code under test hid it. Clear it if that is meant."""
    refused = pytestconfig.stash[REFUSED]
    refused.clear()
    yield refused
    if refused:
        pytest.fail(f"the test tried to reach the outside network: {', '.join(refused)}", pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Check the marks that become the compliance table, and mark the tests that drive a browser."""
    for item in items:
        for mark in item.iter_markers("spec"):
            if len(mark.args) != 3 or mark.kwargs or mark.args[2] not in LEVELS:
                raise pytest.UsageError(f"{item.nodeid}: spec(spec, section, level), not spec{mark.args}")
        for mark in item.iter_markers("asvs"):
            if not mark.args or not all(re.fullmatch(r"\d+\.\d+\.\d+", str(number)) for number in mark.args):
                raise pytest.UsageError(f"{item.nodeid}: asvs('10.4.2'), not asvs{mark.args}")
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def _fail_if_skipped_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if _is_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"skipped, which CI does not allow: {_get_skip_reason(report)}"
        report.outcome = "failed"


def _get_skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a skipped test is a failed test."""
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, a skipped test module is a failed one."""
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line that says which Debian packages would have let the skipped tests run."""
    reasons = [_get_skip_reason(report) for report in terminalreporter.stats.get("skipped", [])]
    found = (re.search(r"needs the Debian package (\S+)", reason) for reason in reasons)
    missing = Counter(match[1] for match in found if match is not None)
    if missing:
        tests = ", ".join(f"{count} for want of {package}" for package, count in sorted(missing.items()))
        terminalreporter.write_line(f"Not run: {tests}. To run them: apt install {' '.join(sorted(missing))}")


# --- The server under test -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def signing_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key directory made once per process; servers under test start from a copy."""
    import time

    from idp.jose.algorithms import SIGNING
    from idp.jose.key_directory import KeyDirectory

    folder = tmp_path_factory.mktemp("signing") / "keys"
    KeyDirectory(folder).init(list(SIGNING), int(time.time()))
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> "Iterator[ServerUnderTest]":
    """gunicorn with two worker processes on SQLite, shared by the tests of one process."""
    from tests.support.idp_server import running_server

    with running_server(tmp_path_factory.mktemp("server"), keys_from=signing_keys) as running:
        yield running


@pytest.fixture
def timed(tmp_path: Path, signing_keys: Path) -> "Iterator[TimedServer]":
    """A server of this test's own, whose clock the test moves forward."""
    from tests.support.idp_server import timed_server

    with timed_server(tmp_path, keys_from=signing_keys) as running:
        yield running


@pytest.fixture
def browser(server: "ServerUnderTest") -> "HttpBrowser":
    """A person's browser without any cookie yet."""
    from tests.support.relying_party import Browser as HttpBrowser

    return HttpBrowser(server)
