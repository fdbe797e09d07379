"""A person's phone: the browser on it, and `examples/mobile/native_app.py`, which signs in with that browser."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import requests

from idp.store.users import NewUser
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser

PROGRAM = Path(__file__).parent.parent.parent / "examples/mobile/native_app.py"
SCOPE = "openid profile email"
NATIVE_URIS = (
    ("http://127.0.0.1/callback", "http://[::1]/callback", "com.example.orders:/callback")
    + ("nextarget://callback", "https://orders.example.com/callback")
)  # fmt: skip
SIGNED_OUT_URIS = ("http://127.0.0.1/", "http://[::1]/", "com.example.orders:/signed-out", "nextarget://signed-out")


def _load() -> ModuleType:
    specification = importlib.util.spec_from_file_location("native_app", PROGRAM)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["native_app"] = module
    specification.loader.exec_module(module)
    return module


native: Any = _load()


def add_native_client(server: ServerUnderTest, **changes: Any) -> RegisteredClient:
    """As `idp clients add --for mobile` registers one: public, not first-party, refresh tokens with rotation."""
    settings: dict[str, Any] = {
        "public": True,
        "redirect_uris": NATIVE_URIS,
        "post_logout_redirect_uris": SIGNED_OUT_URIS,
        "always_issue_refresh_token": True,
    }
    return server.add_client(**(settings | changes))


@dataclass
class Phone:
    """One person, their browser, and the app. `came_back`: the addresses that the system handed to the app."""

    server: ServerUnderTest
    folder: Path
    client: RegisteredClient
    person: NewUser
    redirect_uri: str = NATIVE_URIS[2]
    signed_out_uri: str = SIGNED_OUT_URIS[2]
    api: str = ""
    scope: str = SCOPE
    came_back: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.browser = Browser(self.server)
        self.settings = native.Settings(
            issuer=self.server.issuer, client_id=self.client.client_id, redirect_uri=self.redirect_uri,
            signed_out_uri=self.signed_out_uri, scope=self.scope, api=self.api,
        )  # fmt: skip
        self.app = self.another_app()

    def another_app(self) -> Any:
        """The app as after a restart: it knows what its file holds."""
        return native.NativeApp(self.settings, native.TokenFile(self.folder / "tokens.json"))

    @property
    def tokens(self) -> dict[str, Any]:
        return dict(self.app.store.load())

    def answer_to(self, url: str, **choices: str) -> str:
        """What the browser is sent to when the person has done what the pages ask; nobody has it yet."""
        answer = self.browser.go_through(self.browser.get(url), self.person.username, **choices)
        assert "Location" in answer.headers, answer.text[:500]
        return answer.headers["Location"]

    def show(self, url: str) -> None:
        """The browser follows the app's address to its end, and the system hands what comes to the app."""
        self.deliver(self.answer_to(url))

    def deliver(self, url: str) -> None:
        self.came_back.append(url)
        if url.startswith("http://"):
            assert requests.get(url, timeout=TIMEOUT).status_code == 200
        else:
            native.open_url(url, self.folder)

    def sign_in(self) -> dict[str, Any]:
        with native.receiver_for(self.redirect_uri, self.folder) as receiver:
            return dict(self.app.sign_in(receiver, self.show))

    def sign_out(self) -> None:
        """The server asks the person, since the request carries no ID token."""

        def confirm(url: str) -> None:
            page = self.browser.open(url)
            assert page.id == "logout-page", page.text
            self.deliver(self.browser.follow(page.submit("logout")).headers["Location"])

        with native.receiver_for(self.signed_out_uri, self.folder) as receiver:
            self.app.sign_out(receiver, confirm)

    def command(self, *arguments: str) -> "subprocess.Popen[str]":
        """The program as somebody starts it by hand; no browser opens."""
        names = ("issuer", "client_id", "redirect_uri", "signed_out_uri", "scope", "api")
        settings = {name.upper(): getattr(self.settings, name) for name in names}
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            env=os.environ | settings | {"APP_FOLDER": str(self.folder), "BROWSER": "true", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, meanwhile: Callable[[str], None] | None = None) -> str:
        """What the program says until it ends; `meanwhile` does with the address it shows what the person does."""
        process = self.command(*arguments)
        assert process.stdout is not None
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if meanwhile is not None and line.strip().startswith(self.server.issuer):
                    meanwhile(line.strip())
            process.wait(TIMEOUT)
        finally:
            process.stdout.close()
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(TIMEOUT)
        return "".join(said)


def new_phone(server: ServerUnderTest, folder: Path, **changes: Any) -> Phone:
    """A new person with a new app; changes with the names of a Client's members go to its registration."""
    own = {name: changes.pop(name) for name in ("redirect_uri", "signed_out_uri", "api", "scope") if name in changes}
    return Phone(server, folder / "app", add_native_client(server, **changes), server.add_user(), **own)
