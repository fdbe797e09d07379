"""A server to measure: gunicorn from one checkout, on loopback, in a temporary folder; ended by its process id.

Owns what the machine says of it: CPU time from `/proc/<pid>/stat`, memory from `/proc/<pid>/smaps_rollup` (Linux).
"""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.operations import Account

STARTS_WITHIN_SECONDS = 30
ISSUER_HOST = "id.example.com"
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """A server did not start, or its data could not be made; the message has the end of its log."""


@dataclass(frozen=True)
class Checkout:
    """A revision's files, and the name it has in the report."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Server:
    """A running server. `account` is what `prepare` made for it."""

    checkout: Checkout
    process: "subprocess.Popen[bytes]"
    port: int
    account: Account
    started_in: float

    def pids(self) -> list[int]:
        """The master and its workers."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [pid, *map(int, children)]

    def cpu_seconds(self) -> float:
        """User and system time that all its processes have used so far."""
        return sum(_cpu_ticks(pid) for pid in self.pids()) / _TICKS_PER_SECOND

    def memory_mib(self) -> float:
        """Proportional set size of all its processes: shared pages are counted once."""
        return sum(_pss_kib(pid) for pid in self.pids()) / 1024


def environment(folder: Path, *, workers: int, port: int) -> dict[str, str]:
    """A production server on SQLite with logs as in production, and codes that outlive a round of the bench."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return inherited | {
        "IDP_ENV": "production",
        "IDP_ISSUER": f"https://{ISSUER_HOST}",
        "IDP_HOST": "127.0.0.1",
        "IDP_PORT": str(port),
        "IDP_SECRET_KEY": secrets.token_urlsafe(48),
        "IDP_DATABASE_URL": f"sqlite:///{folder}/idp.sqlite3",
        "IDP_KEYS_DIR": str(folder / "keys"),
        "IDP_VAR_DIR": str(folder / "var"),
        "IDP_WORKERS": str(workers),
        "IDP_CODE_LIFETIME": "600",
    }


@contextmanager
def running(checkout: Checkout, folder: Path, *, workers: int, core: int | None = None) -> Iterator[Server]:
    """A server with fresh data, answering inside the block, gone after it; `core`: the one it runs on."""
    folder.mkdir()
    port = _free_port()
    variables = environment(folder, workers=workers, port=port) | {"PYTHONPATH": str(checkout.folder)}
    account = _prepare(checkout, variables)
    command = _gunicorn(core, "-c", "gunicorn.conf.py", "wsgi:app")
    with _started(command, checkout.folder, variables, folder / "log", port) as (process, seconds):
        yield Server(checkout, process, port, account, seconds)


@contextmanager
def running_floor(root: Path, folder: Path, *, core: int | None) -> Iterator[Server]:
    """gunicorn as the server runs it, with the empty applications of `floor`."""
    folder.mkdir()
    port, checkout = _free_port(), Checkout("floor", root)
    flags = ("-c", os.devnull, "-b", f"127.0.0.1:{port}", "-k", "gthread", "--threads", "4", "-w", "1")
    command, variables = _gunicorn(core, *flags, "bench.floor:app"), {**os.environ, "PYTHONPATH": str(root)}
    with _started(command, root, variables, folder / "log", port) as (process, seconds):
        yield Server(checkout, process, port, Account("", "", "", "", "", ISSUER_HOST), seconds)


def _prepare(checkout: Checkout, variables: Mapping[str, str]) -> Account:
    own = checkout.folder / "bench" / "prepare.py"
    script = own if own.exists() else Path(__file__).with_name("prepare.py")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=checkout.folder, env=variables, capture_output=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise ServerFailed(f"{checkout.name}: no data could be made\n{done.stderr.decode()[-2000:]}")
    return Account(**json.loads(done.stdout), host=ISSUER_HOST)


def _gunicorn(core: int | None, *flags: str) -> list[str]:
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    return [*pinned, sys.executable, "-m", "gunicorn", *flags]


@contextmanager
def _started(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], log: Path, port: int
) -> Iterator[tuple["subprocess.Popen[bytes]", float]]:
    """The process once it is healthy, and the seconds that took."""
    began = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_healthy(process, port, log)
        yield process, time.perf_counter() - began
    finally:
        _stop(process)


def _wait_until_healthy(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise ServerFailed(f"the server did not start\n{log.read_text(encoding='utf-8')[-2000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cpu_ticks(pid: int) -> int:
    """utime and stime: fields 14 and 15, counted after the program's name, which may hold anything."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
