"""The test bench keeps its own promises: real servers, a database for each test, nothing left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
import requests
import sqlalchemy as sa
from playwright.sync_api import Error as BrowserError

from tests.support.chromium import PHONE, Pages
from tests.support.machine import ProgramMissing, ServerFailed, accepts_connections, find_free_port
from tests.support.network import OutsideNetworkRefused, is_local
from tests.support.processes import find_process
from tests.support.services import Bench

VERSION_QUERY = {
    "sqlite": ("SELECT sqlite_version()", r"3\.\d+\.\d+"),
    "postgresql": ("SELECT version()", r"PostgreSQL \d+\.\d+"),
    "mariadb": ("SELECT version()", r"\d+\.\d+\.\d+-MariaDB"),
}
NOWHERE = "192.0.2.1"  # RFC 5737: a documentation address, never routed
REPOSITORY = Path(__file__).parent.parent


def run_sql(url: str, statement: str) -> object:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- Databases -------------------------------------------------------------------------------------------------------


def test_each_database_answers_and_says_what_it_is(fresh_database: str, database_kind: str) -> None:
    query, expected = VERSION_QUERY[database_kind]
    assert run_sql(fresh_database, "SELECT 1") == 1
    assert re.match(expected, str(run_sql(fresh_database, query)))


def test_two_users_of_one_server_get_different_empty_databases(
    bench: Bench, fresh_database: str, database_kind: str
) -> None:
    run_sql(fresh_database, "CREATE TABLE shared (id INTEGER)")
    with bench.fresh_database(database_kind) as other:
        assert other != fresh_database
        run_sql(other, "CREATE TABLE shared (id INTEGER)")  # fails where the first one can be seen


def test_a_worker_that_joins_the_bench_finds_the_server_the_first_one_started(bench: Bench) -> None:
    with bench.fresh_database("postgresql") as ours, Bench(bench.directory).fresh_database("postgresql") as theirs:
        assert sa.make_url(ours).port == sa.make_url(theirs).port
        assert sa.make_url(ours).database != sa.make_url(theirs).database


@pytest.mark.databases("postgresql", "mariadb")
def test_a_database_is_dropped_even_while_a_transaction_is_open_in_it(bench: Bench, database_kind: str) -> None:
    with bench.fresh_database(database_kind) as url:
        run_sql(url, "CREATE TABLE held (id INTEGER)")
        engine = sa.create_engine(url)
        connection = engine.connect()
        connection.execute(sa.text("SELECT * FROM held"))
    with pytest.raises(sa.exc.OperationalError):
        run_sql(url, "SELECT 1")
    connection.invalidate()
    connection.close()
    engine.dispose()


@pytest.mark.databases("mariadb")
def test_a_text_of_any_language_survives(fresh_database: str) -> None:
    run_sql(fresh_database, "CREATE TABLE words (word VARCHAR(20))")
    run_sql(fresh_database, "INSERT INTO words VALUES ('Zoë 🔑 王')")
    assert run_sql(fresh_database, "SELECT word FROM words") == "Zoë 🔑 王"


def test_the_database_servers_do_not_run_as_root(bench: Bench) -> None:
    for kind in ("postgresql", "mariadb"):
        with bench.fresh_database(kind):
            pass
    bench.fresh_redis()
    processes = [find_process(directory) for directory in bench.directory.iterdir()]
    servers = {p.name: Path(f"/proc/{p.pid}").stat().st_uid for p in processes if p is not None and p.is_running()}
    assert {"postgresql", "mariadb", "redis"} <= servers.keys()
    assert 0 not in servers.values()


def test_redis_answers_and_hands_out_empty_databases(bench: Bench, redis_url: str) -> None:
    other = bench.fresh_redis()
    assert other != redis_url
    with redis.Redis.from_url(redis_url) as ours, redis.Redis.from_url(other) as theirs:
        assert ours.ping()
        ours.set("key", "ours")
        assert theirs.dbsize() == 0


# --- Caddy and other servers -----------------------------------------------------------------------------------------


def test_caddy_serves_https_that_its_own_authority_vouches_for(bench: Bench, tmp_path: Path) -> None:
    port = find_free_port()
    caddyfile = tmp_path / "Caddyfile"
    caddyfile.write_text(
        "{\n\tauto_https disable_redirects\n}\nhttps://localhost:{$PORT} {\n\ttls internal\n\trespond hello\n}\n"
    )
    with bench.caddy(caddyfile, port=port, environment={"PORT": str(port)}) as caddy:
        session = requests.Session()
        session.trust_env = False
        answer = session.get(f"https://localhost:{port}/", verify=str(caddy.root_certificate), timeout=30)
        session.close()
    assert (answer.text, answer.headers["Server"]) == ("hello", "Caddy")


def test_a_server_stops_with_its_block_even_when_the_test_fails(bench: Bench) -> None:
    port = find_free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with pytest.raises(ZeroDivisionError), bench.running("web", command, is_ready=lambda: accepts_connections(port)):
        raise ZeroDivisionError
    assert not accepts_connections(port)


def test_a_server_that_does_not_start_says_why(bench: Bench) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such key')"]
    with pytest.raises(ServerFailed, match=r"(?s)ended while starting.*no such key"):
        bench.running("broken", command, is_ready=lambda: False).__enter__()


def test_a_command_that_does_not_exist_is_reported(bench: Bench) -> None:
    with pytest.raises(ServerFailed, match="no-such-program"):
        bench.start("absent", ["/nowhere/no-such-program"])


OPEN_A_BENCH_AND_WAIT = """
import sys, time
from tests.support.services import Bench
bench = Bench.open()
bench.start("sleeper", ["sleep", "600"])
bench.fresh_redis()
print(bench.directory, flush=True)
time.sleep(600)
"""


def test_a_test_run_that_is_killed_leaves_no_server_and_no_file() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OPEN_A_BENCH_AND_WAIT], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        directory = Path(run.stdout.readline().strip())
        found = [find_process(path) for path in directory.iterdir()]
        servers = {process.name: process for process in found if process is not None}
        assert servers.keys() == {"sleeper", "redis"}
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (alive := {name for name, server in servers.items() if exists(server.pid)}) or directory.exists():
        assert time.monotonic() < deadline, f"still running: {alive}; still there: {directory}"
        time.sleep(0.05)


def test_a_missing_program_is_named_by_its_debian_package(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.machine.find_program", lambda name: None)
    with pytest.raises(ProgramMissing, match="needs the Debian package caddy"):
        bench.caddy(Path("Caddyfile"), port=1).__enter__()


# --- Browser ---------------------------------------------------------------------------------------------------------

PAGE = """<!doctype html><title>t</title><h1 id="greeting">Hello</h1><p id="wide"></p>
<style>@media (prefers-color-scheme: dark) { body { color: rgb(1, 2, 3) } }</style>
<script>document.getElementById("wide").textContent = innerWidth + " " + navigator.language</script>"""


def test_chromium_renders_a_page_as_it_was_asked_to(browser_page: Pages) -> None:
    page = browser_page(viewport=PHONE, colour_scheme="dark", locale="fr-FR")
    page.set_content(PAGE)
    assert page.inner_text("#greeting") == "Hello"
    assert page.inner_text("#wide") == "390 fr-FR"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(1, 2, 3)"


def test_a_page_without_javascript_runs_none(browser_page: Pages) -> None:
    page = browser_page(javascript=False)
    page.set_content(PAGE)
    assert page.inner_text("#greeting") == "Hello"
    assert page.inner_text("#wide") == ""


def test_chromium_does_not_reach_the_outside_network(browser_page: Pages) -> None:
    with pytest.raises(BrowserError, match="ERR_NAME_NOT_RESOLVED"):
        browser_page().goto("http://example.com/")


# --- The outside network ---------------------------------------------------------------------------------------------


def test_the_outside_network_is_refused_with_a_clear_message(refused_connections: list[str]) -> None:
    with pytest.raises(OutsideNetworkRefused, match=r"only connect to this machine, not to '192\.0\.2\.1'"):
        socket.create_connection((NOWHERE, 443), timeout=1)
    with pytest.raises(OutsideNetworkRefused, match="example"):
        requests.get("https://example.com/", timeout=1)
    assert refused_connections == [f"'{NOWHERE}'", "'example.com'"]
    refused_connections.clear()  # this test meant it


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("idp.localhost.", True),
        (b"localhost", True),
        (None, True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_only_loopback_addresses_and_localhost_names_are_this_machine(host: object, expected: bool) -> None:
    assert is_local(host) is expected


# --- The rules of the test suite itself ------------------------------------------------------------------------------


RunSuite = Callable[..., tuple[int, str]]


@pytest.fixture
def run_suite(tmp_path: Path) -> RunSuite:
    """Runs a one-file suite under the real conftest, in a process of its own; answers (exit code, output)."""

    def run(body: str, *arguments: str, **environment: str) -> tuple[int, str]:
        suite = tmp_path / "suite"
        suite.mkdir()
        (suite / "test_inner.py").write_text("import pytest\n" + body)
        (suite / "pytest.ini").write_text(f"[pytest]\npythonpath = {REPOSITORY}\naddopts = -p tests.conftest\n")
        clean = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST")}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *arguments]
        result = subprocess.run(
            command, cwd=suite, env={**clean, **environment}, capture_output=True, text=True, timeout=300, check=False
        )
        return result.returncode, result.stdout + result.stderr

    return run


WITHOUT_REDIS = """
def test_it(monkeypatch, request):
    monkeypatch.setattr("tests.support.machine.find_program", lambda name: None)
    request.getfixturevalue("redis_url")
"""
SWALLOWS_A_REFUSAL = """
import socket
def test_it():
    try:
        socket.create_connection(("192.0.2.1", 80))
    except Exception:
        pass
"""
WRITES_WHAT_IT_GETS = """
import os
@pytest.mark.databases("postgresql", "mariadb")
def test_it(fresh_database, redis_url, worker_id):
    with open(f"../seen-{worker_id}", "a") as seen:
        print(fresh_database, redis_url, sep="\\n", file=seen)
"""


def test_a_missing_service_skips_with_one_line_on_a_developers_machine(run_suite: RunSuite) -> None:
    code, output = run_suite(WITHOUT_REDIS)
    assert code == 0
    assert "Not run: 1 for want of redis-server. To run them: apt install redis-server" in output


def test_a_missing_service_fails_in_ci(run_suite: RunSuite) -> None:
    code, output = run_suite(WITHOUT_REDIS, CI="true")
    assert code == 1
    assert "skipped, which CI does not allow: Skipped: needs the Debian package redis-server" in output


def test_a_module_skipped_as_a_whole_fails_in_ci(run_suite: RunSuite) -> None:
    code, output = run_suite("pytest.importorskip('no_such_module')\ndef test_it(): pass\n", CI="true")
    assert code != 0
    assert "which CI does not allow" in output


def test_a_refused_connection_fails_the_test_even_when_it_is_swallowed(run_suite: RunSuite) -> None:
    code, output = run_suite(SWALLOWS_A_REFUSAL)
    assert code == 1
    assert "tried to reach the outside network: '192.0.2.1'" in output


@pytest.mark.parametrize("mark", ["spec('RFC 7636', '4.6')", "spec('RFC 7636', '4.6', 'must')", "asvs('10.4')"])
def test_a_malformed_mark_is_refused(run_suite: RunSuite, mark: str) -> None:
    code, output = run_suite(f"@pytest.mark.{mark}\ndef test_it(): pass\n")
    assert code == 4
    assert "test_inner.py::test_it" in output


def test_two_workers_share_each_server_and_no_database(run_suite: RunSuite, tmp_path: Path) -> None:
    code, output = run_suite(WRITES_WHAT_IT_GETS, "--dist=each", "--tx=2*popen")
    assert code == 0, output
    seen = [(tmp_path / f"seen-gw{number}").read_text().splitlines() for number in (0, 1)]
    assert [len(urls) for urls in seen] == [4, 4]
    assert not set(seen[0]) & set(seen[1])
    ports = [{sa.make_url(url).port for url in urls} for urls in seen]
    assert len(ports[0]) == 3  # PostgreSQL, MariaDB, Redis
    assert ports[0] == ports[1]
