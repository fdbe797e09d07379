"""`idp serve` and `gunicorn wsgi:app`: real processes, from the first line they print to their end."""

import gc
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
import structlog
from gunicorn.config import Config

from idp.cli import housekeeping, serving
from idp.cli.serving import GRACEFUL_SECONDS
from idp.cli.worker import Worker
from idp.settings import load_settings
from idp.store import Store, pruning
from tests.cli.environment import clean_environment
from tests.support.machine import find_free_port

ROOT = Path(__file__).parent.parent.parent
SERVE = [sys.executable, "-m", "idp.cli", "serve", "--workers", "2"]


@contextmanager
def serving_process(folder: Path, command: list[str], **variables: str) -> Iterator["subprocess.Popen[str]"]:
    """A server in `folder`, ended by its pid; its output is in the file `out`."""
    environment = clean_environment() | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | variables
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def wait_until_healthy(process: "subprocess.Popen[str]", folder: Path, url: str) -> requests.Response:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return requests.get(url + "/health", timeout=2)
        except requests.RequestException:
            time.sleep(0.02)
    raise AssertionError((folder / "out").read_text())


def children_of(pid: int, *, sandbox: bool = False) -> list[int]:
    """The worker processes; or, with `sandbox`, the process of the stand-ins."""
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if is_stand_ins(child) is sandbox]


def is_stand_ins(pid: int) -> bool | None:
    """None when it has just ended."""
    try:
        return b"--until-eof" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_for_workers(process: "subprocess.Popen[str]", count: int, *, without: int = 0) -> list[int]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        workers = [pid for pid in children_of(process.pid) if pid != without]
        if len(workers) == count:
            return workers
        time.sleep(0.05)
    raise AssertionError(f"there are not {count} workers")


def test_serve_with_init_starts_from_nothing_and_says_what_to_open(empty_folder: Path) -> None:
    port = find_free_port()
    with serving_process(empty_folder, [*SERVE, "--init", "--port", str(port)]) as process:
        answer = wait_until_healthy(process, empty_folder, f"http://127.0.0.1:{port}")
        assert answer.status_code == 200
        assert "Server" not in answer.headers
        workers = wait_for_workers(process, 2)
        process.terminate()
        assert process.wait(60) == 0
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    out = (empty_folder / "out").read_text()
    assert f"http://localhost:{port}/" in out
    assert re.search(r"Password +\S{16}\n", out)
    assert "var/demo.json" in out
    assert "Rate limits are counted in each of the 2 worker processes" in out
    assert "Threads are running" not in out
    assert "Traceback" not in out


def test_localhost_is_both_loopback_addresses(folder: Path) -> None:
    port = find_free_port()
    with serving_process(folder, SERVE, PORT=str(port)) as process:
        wait_until_healthy(process, folder, f"http://127.0.0.1:{port}")
        if serving._has_ipv6_loopback():
            assert requests.get(f"http://[::1]:{port}/health", timeout=30).status_code == 200
        else:
            assert serving.addresses(load_settings()) == ["127.0.0.1:8000"]


def test_no_answer_not_even_a_refused_request_names_the_server(folder: Path) -> None:
    port = find_free_port()
    with serving_process(folder, SERVE, PORT=str(port), HOST="127.0.0.1") as process:
        wait_until_healthy(process, folder, f"http://127.0.0.1:{port}")
        for raw in (b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"nonsense\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(raw)
                answer = b"".join(iter(lambda c=connection: c.recv(4096), b""))  # type: ignore[misc]
            assert answer.startswith(b"HTTP/1.1 ")
            assert b"gunicorn" not in answer.lower()


def test_plain_gunicorn_serves_with_the_same_settings(folder: Path) -> None:
    port = find_free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
    with serving_process(folder, command, PORT=str(port), IDP_WORKERS="1") as process:
        answer = wait_until_healthy(process, folder, f"http://127.0.0.1:{port}")
        assert "Server" not in answer.headers
        wait_for_workers(process, 1)


SLOW_START = """
import time
from idp.cli.serving import gunicorn_options
from idp.startup import load_server_settings
options = gunicorn_options(load_server_settings())
ours = options["post_fork"]
def post_fork(arbiter, worker):
    open("forked", "w").close()
    time.sleep(1)
    ours(arbiter, worker)
globals().update(options, workers=1, post_fork=post_fork)
"""


def test_a_worker_asked_to_stop_before_it_was_ready_stops(folder: Path) -> None:
    """Without that, stopping just after a start (or while a worker is replaced) would take the whole grace time."""
    (folder / "slow.py").write_text(SLOW_START)
    command = [sys.executable, "-m", "gunicorn", "-c", "slow.py", "wsgi:app"]
    with serving_process(folder, command, PORT=str(find_free_port())) as process:
        deadline = time.monotonic() + 120
        while not (folder / "forked").exists():
            assert time.monotonic() < deadline, (folder / "out").read_text()
            time.sleep(0.01)
        started = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - started < GRACEFUL_SECONDS - 2


def test_a_quick_stop_waits_for_nothing_that_it_may_have_interrupted() -> None:
    """The signal may come while the main thread takes a new connection on, and so holds the lock of its threads."""
    worker = Worker(1, os.getpid(), [], None, 30, Config(), logging.getLogger("gunicorn.error"))
    worker.tpool, worker.nr_conns = ThreadPoolExecutor(1), 3
    worker.method_queue.init()

    def interrupted() -> None:
        with worker.tpool._shutdown_lock:
            worker.handle_quit(signal.SIGQUIT, None)

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert (worker.alive, worker.nr_conns, worker.cfg.graceful_timeout) == (False, 0, 0)
    worker.method_queue.close()
    worker.tmp.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_quick_stop_does_not_wait_for_connections(folder: Path, how: signal.Signals) -> None:
    port = find_free_port()
    with serving_process(folder, SERVE, PORT=str(port), HOST="127.0.0.1") as process, requests.Session() as session:
        wait_until_healthy(process, folder, f"http://127.0.0.1:{port}")
        wait_for_workers(process, 2)
        assert session.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code == 200  # and is kept alive
        process.send_signal(how)
        assert process.wait(GRACEFUL_SECONDS - 2) == 0
    assert "Traceback" not in (folder / "out").read_text()


def test_a_worker_that_is_killed_is_replaced(folder: Path) -> None:
    port = find_free_port()
    with serving_process(folder, SERVE, PORT=str(port)) as process:
        wait_until_healthy(process, folder, f"http://127.0.0.1:{port}")
        victim, _ = wait_for_workers(process, 2)
        os.kill(victim, signal.SIGKILL)
        wait_for_workers(process, 2, without=victim)
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code == 200


def test_a_port_in_use_is_answered_with_a_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serving_process(folder, SERVE, PORT=str(port)) as process:
            assert process.wait(120) == 1
    out = (folder / "out").read_text()
    assert f"Port {port} is in use" in out
    assert "Traceback" not in out


@pytest.mark.usefixtures("folder")
def test_workers_collect_garbage_although_the_start_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)  # it would keep what this process has for ever
    database = SimpleNamespace(dispose=lambda: None)
    app = SimpleNamespace(extensions={"idp": SimpleNamespace(store=SimpleNamespace(database=database))})
    arbiter = SimpleNamespace(app=SimpleNamespace(wsgi=lambda: app), log=logging.getLogger("gunicorn"))
    gc.disable()
    try:
        serving.gunicorn_options(load_settings({}, None))["pre_fork"](arbiter, None)
        assert gc.isenabled()
    finally:
        gc.enable()


def test_forwarding_headers_are_trusted_from_nobody() -> None:
    options = serving.gunicorn_options(load_settings())
    assert options["forwarded_allow_ips"] == ""
    assert options["secure_scheme_headers"] == {}
    assert options["preload_app"] is True
    assert options["control_socket_disable"] is True
    assert serving.ServerApplication(load_settings()).cfg.forwarded_allow_ips == []


def make_server(store: Store, now: int) -> object:
    return SimpleNamespace(settings=load_settings(), store=store, clock=lambda: now)


def test_a_round_of_housekeeping_deletes_what_has_expired(store: Store) -> None:
    store.ephemeral.put("test", "old", {}, lifetime=1, now=1000)
    housekeeping.do_round(make_server(store, 2000), now=2000)  # type: ignore[arg-type]
    assert pruning.prune(store.database, now=2000) == dict.fromkeys(pruning.prune(store.database, now=2000), 0)


def test_a_round_that_fails_is_logged_and_not_raised(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    log = structlog.testing.CapturingLogger()
    monkeypatch.setattr(housekeeping, "_log", log)
    with store.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE ephemeral")
    housekeeping.do_round(make_server(store, 2000), now=2000)  # type: ignore[arg-type]
    assert [(call.method_name, "the next round tries again" in call.args[0]) for call in log.calls] == [
        ("exception", True)
    ]
