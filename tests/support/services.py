"""Real PostgreSQL, MariaDB, Redis and Caddy for the tests, on 127.0.0.1 and in temporary directories.

A test run has one bench. Its databases start when a test first asks for one, are shared by all workers of the run, and
stop when the run ends. Each user gets a database of its own, so that no test can see another's rows. Settings trade
safety on a crash for speed: nothing here outlives the run. The system's own database servers are never touched.
"""

import fcntl
import json
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path

from tests.support.databases import DATABASES, SERVICES, Endpoint, hand_out_redis
from tests.support.machine import (
    ServerFailed,
    accepts_connections,
    find_free_port,
    find_needed,
    find_public_directory,
    find_unprivileged_user,
    give_to,
    serves_https,
)
from tests.support.processes import KeptProcess, find_process, start_process, stopped_afterwards, wait_until_ready


@dataclass(frozen=True)
class RunningCaddy:
    """A Caddy and the certificate of the authority that signs for its internal names."""

    process: KeptProcess
    root_certificate: Path


class Bench:
    """The servers of one test run. All workers use the same ``directory``; the process that opened it closes it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.owner = directory / "owner"
        self._held: TextIOWrapper | None = None

    @classmethod
    def open(cls) -> "Bench":
        """Make the directory of a new run. Servers live while this process does, and until ``close``."""
        bench = cls(Path(tempfile.mkdtemp(prefix="idp-tests-", dir=find_public_directory())))
        bench.directory.chmod(0o711)  # the servers' accounts pass through it to what is theirs
        bench._held = bench.owner.open("w")
        fcntl.lockf(bench._held, fcntl.LOCK_EX)
        return bench

    def close(self) -> None:
        """Stop every server of the run and remove all files."""
        found = [find_process(directory) for directory in self.directory.iterdir()]
        processes = [process for process in found if process is not None]
        for process in processes:
            process.ask_to_stop()  # all at once, so that they stop side by side
        for process in processes:
            process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        if self._held is not None:
            self._held.close()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> KeptProcess:
        """Start any server for this run (see ``processes.start_process``); it is stopped by ``close`` at the latest."""
        return start_process(
            name,
            command,
            owner=self.owner,
            cwd=cwd or self.directory,
            environment=environment,
            user=user,
            stop_signal=stop_signal,
        )

    @contextmanager
    def running(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        is_ready: Callable[[], bool],
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Iterator[KeptProcess]:
        """A server of one test or fixture: ready inside the block, gone after it. Raises ServerFailed."""
        process = self.start(name, command, cwd=cwd, environment=environment, user=user)
        with stopped_afterwards(process):
            wait_until_ready(process, is_ready)
            yield process

    def make_directory(self, name: str, user: str | None = None) -> Path:
        """A new private directory for an account (None: ours), removed with the run."""
        return give_to(Path(tempfile.mkdtemp(prefix=f"{name}-data-", dir=self.directory)), user)

    def find_shared(self, service: str) -> Endpoint:
        """The run's only server of this kind, started by whoever asks first. Raises ProgramMissing, ServerFailed."""
        answer, failure = self.directory / f"{service}.endpoint", self.directory / f"{service}.failure"
        with (self.directory / f"{service}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if answer.exists():
                return Endpoint(**json.loads(answer.read_text()))
            if failure.exists():  # do not make every test wait for the same failure
                raise ServerFailed(failure.read_text())
            try:
                endpoint = SERVICES[service](self)
            except ServerFailed as error:
                failure.write_text(str(error))
                raise
            answer.touch(mode=0o600)
            answer.write_text(json.dumps(asdict(endpoint)))
            return endpoint

    @contextmanager
    def fresh_database(self, kind: str) -> Iterator[str]:
        """The SQLAlchemy URL of an empty database, dropped after the block even when connections are still open."""
        with DATABASES[kind](self) as url:
            yield url

    def fresh_redis(self) -> str:
        """The URL of an empty Redis database that nobody else in this run uses."""
        return hand_out_redis(self)

    @contextmanager
    def caddy(
        self,
        caddyfile: Path,
        *,
        port: int,
        https_host: str | None = "localhost",
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[RunningCaddy]:
        """Caddy with this Caddyfile, ready once ``port`` serves https for ``https_host`` (None: plain http).

        Caddy listens before it has made its internal certificates, hence the handshake. ``environment`` fills the
        ``{$NAME}`` placeholders. Certificates and state are temporary, the administration port is a free one, and the
        machine's trust store stays as it is: without a PATH, Caddy finds none of the programs that would change it.
        """
        program, user = find_needed("caddy", package="caddy"), find_unprivileged_user("caddy")
        state = self.make_directory("caddy", user)
        copy = self.make_directory("caddyfile", user) / "Caddyfile"
        copy.write_bytes(caddyfile.read_bytes())
        copy.chmod(0o644)
        own = {
            "HOME": str(state),
            "XDG_DATA_HOME": str(state / "data"),
            "XDG_CONFIG_HOME": str(state / "config"),
            "CADDY_ADMIN": f"127.0.0.1:{find_free_port()}",
            "PATH": str(state),
        }
        command: list[str | Path] = [program, "run", "--adapter", "caddyfile", "--config", copy]
        with self.running(
            "caddy",
            command,
            cwd=state,
            environment={**(environment or {}), **own},
            user=user,
            is_ready=lambda: serves_https(port, https_host) if https_host else accepts_connections(port),
        ) as process:
            yield RunningCaddy(process, state / "data/caddy/pki/authorities/local/root.crt")
