"""Requests that never end: each holds a thread, so a few of them would be the whole server."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from idp.cli.worker import REQUEST_SECONDS, Worker
from tests.attacks.raw import connect
from tests.support.idp_server import ROOT, ServerUnderTest, running_server

SHORT = """
import runpy
from idp.cli import worker
worker.REQUEST_SECONDS, worker.CHECK_SECONDS = 2.0, 0.2
globals().update(runpy.run_path("gunicorn.conf.py"))
"""
THREADS = 4


@pytest.fixture
def impatient(tmp_path: Path, signing_keys: Path) -> Iterator[ServerUnderTest]:
    """One process with four threads that gives each request two seconds."""
    config = tmp_path / "short.conf.py"
    config.write_text(SHORT, encoding="utf-8")
    changes = {"workers": "1", "threads": str(THREADS)}
    with running_server(tmp_path, keys_from=signing_keys, config=config, **changes) as server:
        yield server


def half_requests() -> list[bytes]:
    """The first part of requests, ended in the request line, in the headers, in a body, and in a chunk."""
    form = b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return [
        b"GET /hea",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        form + b"Content-Length: 5000\r\n\r\ngrant_type=",
        form + b"Transfer-Encoding: chunked\r\n\r\nff\r\ngrant_type=",
    ]


def drip(connections: list[socket.socket], stop: threading.Event) -> None:
    """A byte on each connection now and then, so that no silence is ever long."""
    while not stop.wait(0.2):
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")


@pytest.mark.slow
@pytest.mark.asvs("13.1.3")
def test_half_sent_requests_on_every_thread_hold_the_server_up_only_for_the_time_of_one(
    impatient: ServerUnderTest,
) -> None:
    connections = [connect(impatient) for _ in range(THREADS)]
    stop = threading.Event()
    dripping = threading.Thread(target=drip, args=(connections, stop), daemon=True)
    try:
        for connection, half in zip(connections, half_requests(), strict=True):
            connection.sendall(half)
        dripping.start()
        time.sleep(0.3)
        with pytest.raises(requests.Timeout):  # the attack is a real one
            requests.get(impatient.url("/health"), timeout=0.5)
        began = time.monotonic()
        assert requests.get(impatient.url("/health"), timeout=30).status_code == 200
        assert time.monotonic() - began < 7
    finally:
        stop.set()
        dripping.join(5)
        for connection in connections:
            connection.close()
    assert "Traceback" not in impatient.log_text()
    assert requests.get(impatient.url("/jwks"), timeout=10).status_code == 200


@pytest.mark.slow
@pytest.mark.asvs("13.1.3")
def test_connections_that_stay_silent_hold_no_thread(impatient: ServerUnderTest) -> None:
    connections = [connect(impatient) for _ in range(THREADS * 10)]
    try:
        began = time.monotonic()
        assert requests.get(impatient.url("/health"), timeout=30).status_code == 200
        assert time.monotonic() - began < 8  # ten for each thread, two seconds each: it would take twenty
        time.sleep(2.5)  # longer than a request may take
        connections[0].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connections[0].recv(100).startswith(b"HTTP/1.1 200"), "who speaks late is answered all the same"
    finally:
        for connection in connections:
            connection.close()


def test_only_the_connections_of_late_requests_are_closed() -> None:
    worker = Worker.__new__(Worker)
    (late, late_peer), (good, good_peer) = socket.socketpair(), socket.socketpair()
    with late, late_peer, good, good_peer:
        late_peer.settimeout(5)
        good.settimeout(5)
        worker._running = {1: (100.0, SimpleNamespace(sock=late)), 2: (100.5, SimpleNamespace(sock=good))}
        reader = threading.Thread(target=late.recv, args=(1,), daemon=True)
        reader.start()
        worker.end_late(100.2)
        reader.join(5)
        assert not reader.is_alive(), "the thread that waited for more is free"
        assert late_peer.recv(1) == b""
        good_peer.sendall(b"x")
        assert good.recv(1) == b"x"


def test_a_connection_that_is_gone_already_does_not_stop_the_watchdog() -> None:
    worker = Worker.__new__(Worker)
    (gone, gone_peer), (late, late_peer) = socket.socketpair(), socket.socketpair()
    gone.close()
    with gone_peer, late, late_peer:
        late_peer.settimeout(5)
        worker._running = {1: (1.0, SimpleNamespace(sock=gone)), 2: (1.0, SimpleNamespace(sock=late))}
        worker.end_late(2.0)
        assert late_peer.recv(1) == b""


def test_a_request_has_more_time_than_anything_we_do_takes_and_less_than_a_worker_may_hang() -> None:
    from idp.accounts.passwords import WAIT_SECONDS
    from idp.cli.serving import gunicorn_options
    from tests.support.idp_server import make_settings

    settings, _ = make_settings(ROOT)
    options = gunicorn_options(settings)
    assert options["worker_class"] is Worker
    assert WAIT_SECONDS < REQUEST_SECONDS < options["timeout"]
    assert settings.outbound_timeout < REQUEST_SECONDS
