"""The server under test: `running_server` is gunicorn with several worker processes; `TimedServer` is one process whose
clock the test moves. Both answer real HTTP on loopback and stop by themselves."""

import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from werkzeug.serving import BaseWSGIServer, make_server

from idp import create_app
from idp.accounts.passwords import Passwords
from idp.jose.key_directory import KeyDirectory
from idp.protocol.client import Client
from idp.settings import Settings, load_settings
from idp.store import Store, migrations, open_store
from idp.store.database import Database
from idp.store.refusals import Refusal
from idp.store.users import NewUser
from idp.web.inspector import WRITER
from tests.support.accounts import PASSWORD, add_user, make_client
from tests.support.forked import ROOT, ForkedProcess
from tests.support.machine import find_free_port
from tests.support.mail import WrittenMail, mails_to

if TYPE_CHECKING:
    from flask import Flask

STARTS_WITHIN_SECONDS = 120
CONFIG = ROOT / "gunicorn.conf.py"


@dataclass
class ServerUnderTest:
    """Where it is, its settings, and its store, through which tests add what they need."""

    settings: Settings
    environment: dict[str, str]
    process: ForkedProcess | None = None
    log: Path | None = None
    _known: dict[str, Any] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    def url(self, path: str) -> str:
        return self.issuer + path

    @property
    def store(self) -> Store:
        return self._opened_store

    @cached_property
    def _opened_store(self) -> Store:
        return open_store(self.settings.database_url, redis_url=self.settings.redis_url)

    @cached_property
    def password_hash(self) -> str:
        return Passwords(self.settings).hash(PASSWORD)

    @property
    def now(self) -> int:
        return int(time.time())

    def add_client(self, *, public: bool = False, secret: str | None = None, **changes: Any) -> "RegisteredClient":
        """A new client; a confidential one gets a random secret."""
        if public:
            changes.setdefault("token_endpoint_auth_method", "none")
        elif secret is None:
            secret = secrets.token_urlsafe(32)
        client = make_client(secret=secret, **changes)
        assert self.store.clients.add(client, now=self.now)
        return RegisteredClient(client, secret)

    def add_user(self, username: str | None = None, **changes: Any) -> NewUser:
        """A new person whose password is PASSWORD."""
        return add_user(self.store, self.password_hash, username, **changes)

    def mails(self, recipient: str) -> list[WrittenMail]:
        """What the server has written to this address, the oldest first; a development server keeps its mails.

        Each has `.subject`, `.text`, `.html`, `.link` and `.code`.
        """
        return mails_to(self, recipient)

    def close_store(self) -> None:
        """Let go of the connections that the test opened."""
        if "_opened_store" in self.__dict__:
            self._opened_store.database.dispose()

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log is not None else ""


@dataclass(frozen=True)
class RegisteredClient:
    metadata: Client
    secret: str | None

    @property
    def client_id(self) -> str:
        return self.metadata.client_id


def make_settings(folder: Path, *, port: int | None = None, **changes: Any) -> tuple[Settings, dict[str, str]]:
    """Settings for a test server in this folder: cheap passwords, no limits, a free port; and their environment."""
    port = port or find_free_port()
    environment = {
        "IDP_ENV": "development",
        "IDP_HOST": "127.0.0.1",
        "IDP_PORT": str(port),
        "IDP_ISSUER": f"http://localhost:{port}",
        "IDP_DATABASE_URL": f"sqlite:///{folder}/idp.sqlite3",
        "IDP_KEYS_DIR": str(folder / "keys"),
        "IDP_VAR_DIR": str(folder / "var"),
        "IDP_SECRET_KEY": "tests-only-" + secrets.token_urlsafe(32),
        "IDP_ARGON2_MEMORY_KIB": "64",
        "IDP_ARGON2_ITERATIONS": "1",
        "IDP_PASSWORD_HASHING_CONCURRENCY": "4",
        "IDP_RATELIMIT_ENABLED": "false",
        "IDP_LOG_FORMAT": "json",
        "IDP_WORKERS": "2",
    } | {f"IDP_{name.upper()}": value for name, value in changes.items()}
    return load_settings(environment, None), environment


def prepare(settings: Settings, keys_from: Path | None = None) -> None:
    """Migrate the database and make the signing keys (or copy ready ones, which is quicker)."""
    database = Database(settings.database_url)
    migrations.upgrade(database)
    database.dispose()
    if keys_from is not None and not settings.keys_dir.exists():
        shutil.copytree(keys_from, settings.keys_dir)
    KeyDirectory(settings.keys_dir).init(settings.signing_algs, int(time.time()))


@contextmanager
def running_server(
    folder: Path,
    *,
    keys_from: Path | None = None,
    wait_for: str | None = None,
    config: Path = CONFIG,
    port: int | None = None,
    **changes: str,
) -> Iterator[ServerUnderTest]:
    """A gunicorn of its own, ready to answer; ended by its process id. `config`: gunicorn's, instead of ours."""
    settings, environment = make_settings(folder, port=port, **changes)
    prepare(settings, keys_from)
    server = ServerUnderTest(settings, environment, log=folder / "server.log")
    start(server, wait_for=wait_for, config=config)
    try:
        yield server
    finally:
        server.close_store()
        stop(server, signal.SIGQUIT)


def start(server: ServerUnderTest, *, wait_for: str | None = None, config: Path = CONFIG) -> None:
    """Start gunicorn and wait until `/health` (or the URL given) answers."""
    assert server.log is not None
    server.process = ForkedProcess(
        "gunicorn", "-c", str(config), "wsgi:app", environment=server.environment, log=server.log
    )  # in a session of its own: one signal ends all workers
    health = wait_for or f"http://127.0.0.1:{server.settings.port}/health"
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        try:
            if requests.get(health, timeout=2).status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.05)
    stop(server)
    raise AssertionError(f"the server did not start:\n{server.log_text()[-4000:]}")


def stop(server: ServerUnderTest, how: signal.Signals = signal.SIGTERM) -> None:
    """`how`: SIGQUIT does not wait for connections that clients keep alive, as gunicorn else does for two seconds."""
    if server.process is None or server.process.poll() is not None:
        return
    server.process.send_signal(how)
    try:
        server.process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(5)


class TimedServer(ServerUnderTest):
    """One process, many threads, and a clock that the test moves: `server.forward(61)`."""

    offset = 0.0
    app: "Flask | None" = None

    @property
    def store(self) -> Store:
        """With all in it that was refused before: refusals are written beside the answers, a moment later."""
        self.wait_for_notes()
        return self._opened_store

    def wait_for_notes(self) -> None:
        """Until every refusal of this server is written, or could not be."""
        if self.app is not None:
            wait_for_notes(self.app)

    @property
    def now(self) -> int:
        return int(self._clock())

    def forward(self, seconds: float) -> None:
        self.offset += seconds

    def _clock(self) -> float:
        return time.time() + self.offset

    @contextmanager
    def serving(self) -> Iterator["TimedServer"]:
        app = self.app = create_app(self.settings, clock=self._clock)
        http: BaseWSGIServer = make_server("127.0.0.1", self.settings.port, app, threaded=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.close_store()
            http.shutdown()
            http.server_close()
            thread.join(5)
            self.wait_for_notes()
            self.app = None
            app.extensions["idp"].store.database.dispose()


@contextmanager
def timed_server(folder: Path, *, keys_from: Path | None = None, **changes: Any) -> Iterator[TimedServer]:
    settings, environment = make_settings(folder, **changes)
    prepare(settings, keys_from)
    with TimedServer(settings, environment).serving() as server:
        yield server


def wait_for_notes(app: "Flask", seconds: float = 60) -> None:
    """Until every refusal of this application is written, or could not be."""
    assert app.extensions[WRITER].wait(seconds)


def noted(server: ServerUnderTest, request_id: str) -> Refusal:
    """What is kept of this refusal, as soon as one of the server's processes has written it."""
    deadline = time.monotonic() + 60
    while (found := server.store.refusals.find(request_id)) is None:
        assert time.monotonic() < deadline, f"nothing was noted of {request_id}"
        time.sleep(0.02)
    return found


def without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
