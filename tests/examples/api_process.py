"""An example API as a process of its own, beside the real server: started, asked over HTTP, ended by its pid."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import update

from idp.protocol.scopes import Api
from idp.store.tables import sessions
from idp.store.users import NewUser
from tests.support.idp_server import ServerUnderTest
from tests.support.machine import find_free_port
from tests.support.relying_party import TIMEOUT, Browser, RelyingParty

ROOT = Path(__file__).parent.parent.parent
API = "https://api.example.com"
SCOPE = "openid orders.read"
STARTS_WITHIN_SECONDS = 120


@dataclass(frozen=True)
class ExampleApi:
    """Where it listens, the server whose tokens it takes, and its log."""

    server: ServerUnderTest
    port: int
    log: Path

    def call(self, method: str, path: str, token: str | None = None) -> requests.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=TIMEOUT)

    def get(self, path: str, token: str | None = None) -> requests.Response:
        return self.call("GET", path, token)

    def sign_in(
        self, *, scope: str = SCOPE, roles: tuple[str, ...] = (), ago: int = 0, **client: Any
    ) -> tuple[NewUser, dict[str, Any]]:
        """A person who signed in so many seconds ago, and the tokens that a mobile app gets for them."""
        self.server.store.apis.save(Api(API, "Orders", {"orders.read": "See your orders"}), now=self.server.now)
        settings: dict[str, Any] = {
            "public": True,
            "first_party": True,
            "audience": (API,),
            "scope": tuple(SCOPE.split()),
        } | client
        app = RelyingParty(self.server, self.server.add_client(**settings))
        person = self.server.add_user(roles=roles)
        browser = Browser(self.server)
        tokens = app.tokens(browser, person.username, scope=scope)
        if ago:
            with self.server.store.database.writing() as connection:
                of_person = update(sessions).where(sessions.c.user_id == person.id)
                connection.execute(of_person.values(auth_time=sessions.c.auth_time - ago))
            tokens = app.tokens(browser, person.username, scope=scope)
        return person, tokens


@contextmanager
def running_api(server: ServerUnderTest, folder: Path, example: str, *command: str) -> Iterator[ExampleApi]:
    """`command` is a Python module with its arguments; the port is added to them."""
    api = ExampleApi(server, find_free_port(), folder / f"{example}.log")
    environment = {"ISSUER": server.issuer, "AUDIENCE": API, "PYTHONWARNINGS": "default"}
    started = [sys.executable, "-m", *command, "--host", "127.0.0.1", "--port", str(api.port)]
    with running(api, started, ROOT / "examples" / example, environment):
        yield api


@contextmanager
def running(api: ExampleApi, command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[ExampleApi]:
    """Any API that listens on the port, once `/health` answers."""
    with api.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log)
    try:
        _wait(api, process)
        yield api
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait(api: ExampleApi, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if api.get("/health").status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise AssertionError(f"the example did not start:\n{api.log.read_text(errors='replace')[-4000:]}")
