"""Keeps one server running for a test run, and not a moment longer.

Started by ``tests.support.processes`` as a program of its own, with the directory of its server as only argument. It
starts the server that ``order.json`` describes, and stops it when it is told to (SIGTERM) or when the owner of the test
run is gone, however that happened: ``kill -9`` of the test run leaves no server and no file behind.

Two lock files say who is alive. POSIX locks are used because the kernel gives them up with the process, and because a
child made by ``fork`` does not inherit them. Standard library only, so that it starts without the site packages.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LOOK_EVERY = 0.5  # seconds between two looks at the owner's lock
PATIENCE = 10.0  # seconds a server has to stop before it is killed


def is_locked(path: Path) -> bool:
    """Whether another living process holds the lock on this file. A file that is gone counts as given up."""
    try:
        with path.open("r+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def main(directory: Path) -> int:
    """Start the server, wait for a reason to stop, stop it; the exit code is the server's own."""
    os.setsid()  # Ctrl-C in the terminal is for the test run, which then stops its servers in order
    order = json.loads((directory / "order.json").read_text())
    owner = Path(order["owner"])
    alive = (directory / "alive").open("w")
    fcntl.lockf(alive, fcntl.LOCK_EX)
    something_happened, told_to_stop = threading.Event(), threading.Event()

    def obey(*_: object) -> None:
        told_to_stop.set()
        something_happened.set()

    signal.signal(signal.SIGTERM, obey)
    signal.signal(signal.SIGCHLD, lambda *_: something_happened.set())
    server = _start(order)
    _write_whole(directory / "keeper.json", {"keeper_pid": os.getpid(), "server_pid": server.pid})
    _wait(server, something_happened, lambda: told_to_stop.is_set() or not is_locked(owner))
    _stop(server, order["stop_signal"])
    if not is_locked(owner):
        shutil.rmtree(owner.parent, ignore_errors=True)  # nobody is left to tidy up
    return server.returncode


def _start(order: Mapping[str, Any]) -> "subprocess.Popen[bytes]":
    """The server in a session of its own, under the user the order names (None: under ours)."""
    user = order["user"]
    return subprocess.Popen(
        order["command"],
        stdin=subprocess.DEVNULL,
        cwd=order["cwd"],
        env=order["environment"],
        user=user,
        group=order["group"] if user is not None else None,
        extra_groups=[] if user is not None else None,
        start_new_session=True,
    )


def _wait(server: "subprocess.Popen[bytes]", happened: threading.Event, is_over: Callable[[], bool]) -> None:
    """Return when the server has ended by itself, or when it is time to end it."""
    while server.poll() is None and not is_over():
        happened.wait(LOOK_EVERY)
        happened.clear()


def _stop(server: "subprocess.Popen[bytes]", stop_signal: int) -> None:
    """Ask politely, then kill; whatever the server left in its process group goes too."""
    if server.poll() is None:
        server.send_signal(stop_signal)
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


def _write_whole(path: Path, content: Mapping[str, int]) -> None:
    """Write so that a reader sees all of it or nothing."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content))
    part.rename(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
