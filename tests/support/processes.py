"""Server processes for tests: started under a keeper, awaited with a deadline, stopped by pid.

Owns the life of one process and its log. Which servers there are, and how they are set up, is in
``tests.support.services``. Nothing here is ever stopped by name.
"""

import json
import os
import pwd
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import keeper
from tests.support.machine import ServerFailed, find_free_port

LOG_TAIL_LINES = 40
PORT_ATTEMPTS = 3  # a port that was free may be taken before the server listens on it


@dataclass(frozen=True)
class KeptProcess:
    """A server and its keeper. ``pid`` is the server's own, for tests that signal it."""

    name: str
    directory: Path
    keeper_pid: int
    pid: int

    @property
    def log(self) -> Path:
        """The file that holds the standard output and error of the server."""
        return self.directory / "log"

    def is_running(self) -> bool:
        """Whether the keeper, hence the server, is still there."""
        return keeper.is_locked(self.directory / "alive")

    def log_tail(self) -> str:
        """The last lines the server wrote."""
        with suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        return ""

    def ask_to_stop(self) -> None:
        """Tell the keeper to stop the server; returns at once."""
        if self.is_running():  # the lock is held, so the pid is the keeper's and nobody else's
            os.kill(self.keeper_pid, signal.SIGTERM)

    def stop(self) -> None:
        """Stop the server and return when it has gone. Safe to call twice."""
        self.ask_to_stop()
        if not _comes_true(lambda: not self.is_running(), seconds=keeper.PATIENCE + 5):
            os.kill(self.keeper_pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):  # only the process that started the keeper can collect it
            os.waitpid(self.keeper_pid, 0)


def start_process(
    name: str,
    command: Sequence[str | Path],
    *,
    owner: Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> KeptProcess:
    """Start a server that lives until it is stopped, or until nobody holds the lock on the file ``owner`` any more.

    Its directory is made beside ``owner``. ``environment`` is the whole environment (None: ours); ``user`` an account
    to run under (only root can choose one). Raises ServerFailed when not even the keeper starts.
    """
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=owner.parent))
    order = {
        "owner": str(owner),
        "command": [str(part) for part in command],
        "cwd": str(cwd),
        "environment": dict(os.environ if environment is None else environment),
        "user": user,
        "group": pwd.getpwnam(user).pw_gid if user is not None else None,
        "stop_signal": int(stop_signal),
    }
    _write_privately(directory / "order.json", json.dumps(order))
    keeper_pid = _spawn_keeper(directory)
    if not _comes_true(lambda: (directory / "keeper.json").exists() or _has_ended(keeper_pid), seconds=60):
        os.kill(keeper_pid, signal.SIGKILL)
    process = find_process(directory) or KeptProcess(name, directory, keeper_pid, keeper_pid)
    if not (directory / "keeper.json").exists():
        raise ServerFailed(f"{name} could not be started. Its log:\n{process.log_tail()}")
    return process


def _spawn_keeper(directory: Path) -> int:
    """The pid of the keeper. No Popen object: it would complain when it is dropped before its process ends."""
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", keeper.__file__, str(directory)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(directory / "log"), log_flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def find_process(directory: Path) -> KeptProcess | None:
    """The process that was started in this directory, by whichever process of the test run, or None."""
    try:
        pids = json.loads((directory / "keeper.json").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return KeptProcess(directory.name.rpartition("-")[0], directory, pids["keeper_pid"], pids["server_pid"])


def wait_until_ready(process: KeptProcess, is_ready: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return once ``is_ready()`` holds. Raises ServerFailed when the server ends first, or after ``seconds``."""
    if _comes_true(lambda: is_ready() or not process.is_running(), seconds=seconds) and process.is_running():
        return
    what = f"did not answer within {seconds:g} s" if process.is_running() else "ended while starting"
    tail = process.log_tail()
    process.stop()
    raise ServerFailed(f"{process.name} {what}. The end of its log:\n{tail}")


@contextmanager
def stopped_afterwards(process: KeptProcess) -> Iterator[KeptProcess]:
    """The process for the length of a ``with`` block; its files go with it."""
    try:
        yield process
    finally:
        process.stop()
        shutil.rmtree(process.directory, ignore_errors=True)


def start_on_a_free_port(
    start: Callable[[int], KeptProcess], answers: Callable[[int], bool], attempts: int = PORT_ATTEMPTS
) -> int:
    """The port the server now listens on. Raises ServerFailed with the log of the last attempt."""
    port = find_free_port()
    try:
        wait_until_ready(start(port), lambda: answers(port))
    except ServerFailed:
        if attempts == 1:
            raise
        return start_on_a_free_port(start, answers, attempts - 1)
    return port


def _comes_true(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _has_ended(child_pid: int) -> bool:
    """Whether our child has ended; it is left for ``stop`` to collect."""
    ended = os.waitid(os.P_PID, child_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended is not None


def _write_privately(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
