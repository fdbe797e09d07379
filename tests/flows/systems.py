"""The five systems as their migration pages set them up: settings, commands and files are read from `docs/migrate`.

A block of a page with `<!-- file: NAME -->` above is a file; one with `<!-- commands: NAME -->` holds `$ idp …` lines.
So what a page tells people to do is what the tests have done. What the machine of the tests has differently (addresses,
folders, passwords that cost little) is in `open_system` and in what each test file passes to it.
"""

import json
import os
import re
import secrets
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from idp.cli import main
from tests.support.idp_server import ROOT, RegisteredClient, ServerUnderTest, running_server
from tests.support.relying_party import Browser, RelyingParty

PAGES = ROOT / "docs" / "migrate"
_BLOCK = re.compile(r"<!-- (file|commands): (\S+) -->\n+ *```[^\n]*\n(.*?\n) *```", re.DOTALL)
_OF_THE_PLACE = ("env", "issuer", "host", "port", "trusted_proxies", "database_url", "redis_url", "keys_dir", "var_dir")
_addresses = count(1)


@dataclass(frozen=True)
class MigrationPage:
    name: str

    @property
    def text(self) -> str:
        return (PAGES / f"{self.name}.md").read_text(encoding="utf-8")

    def block(self, kind: str, name: str) -> str:
        for found_kind, found_name, body in _BLOCK.findall(self.text):
            if (found_kind, found_name) == (kind, name):
                return textwrap.dedent(body)
        raise AssertionError(f"docs/migrate/{self.name}.md has no {kind} {name}")

    def file(self, name: str) -> str:
        return self.block("file", name)

    def settings(self, name: str = ".env") -> dict[str, str]:
        """The variables of a settings file, lower case and without IDP_."""
        values = dotenv_values(stream=StringIO(self.file(name)))
        return {key.removeprefix("IDP_").lower(): value or "" for key, value in values.items()}

    def commands(self, name: str) -> list[list[str]]:
        """The arguments of each `$ idp …`."""
        lines = self.block("commands", name).replace("\\\n", " ").splitlines()
        return [shlex.split(line.removeprefix("$ idp ")) for line in lines if line.startswith("$ idp ")]


@dataclass
class System:
    """A server set up as a page says, and the secrets of the clients that the page registers."""

    page: MigrationPage
    server: ServerUnderTest
    folder: Path
    secrets: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, words: Mapping[str, str] | None = None) -> list[Any]:
        """Run the `idp` commands of a block; what each answered, as JSON. `words`: some of the page → those of here."""
        of_here = words or {}
        return [self.idp(*[of_here.get(word, word) for word in command]) for command in self.page.commands(name)]

    def idp(self, *arguments: str) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for variable in [each for each in os.environ if each.startswith("IDP_")]:
                patch.delenv(variable)
            for variable, value in self.server.environment.items():
                patch.setenv(variable, value)
            patch.chdir(self.folder)
            result = CliRunner().invoke(main, [*arguments, "--json"], prog_name="idp")
        assert result.exit_code == 0, f"idp {shlex.join(arguments)}\n{result.output}"
        return json.loads(result.stdout)

    def register(self, name: str = "clients", words: Mapping[str, str] | None = None) -> None:
        for answer in self.run(name, words):
            if "client_secret" in answer:
                self.secrets[answer["client_id"]] = answer["client_secret"]

    def client(self, client_id: str) -> RegisteredClient:
        client = self.server.store.clients.find(client_id)
        assert client is not None, client_id
        return RegisteredClient(client, self.secrets.get(client_id))

    def party(self, client_id: str, redirect_uri: str | None = None) -> RelyingParty:
        """The application that the page registers under this id."""
        return RelyingParty(self.server, self.client(client_id), redirect_uri=redirect_uri)

    def browser(self, **headers: str) -> Browser:
        """Somebody's browser, at an address of its own, so that limits count each alone."""
        number = next(_addresses)
        return Browser(self.server, **{"X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}"} | headers)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log with this event."""
        lines = [json.loads(line) for line in self.server.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


def localised(page: MigrationPage, folder: Path, **differences: str | None) -> dict[str, str]:
    """The page's settings with files, addresses and folders of this machine. A difference of None leaves one out."""
    of_page = {name: value for name, value in page.settings().items() if name not in _OF_THE_PLACE}
    settings: dict[str, str | None] = {"trusted_proxies": "127.0.0.1", "ratelimit_enabled": "true"}
    for name, value in of_page.items():
        plain = name.removesuffix("_file")
        if plain in _OF_THE_PLACE or plain in differences:
            continue
        settings[name] = str(_secret_file(folder, plain)) if name.endswith("_file") else value
    if "secret_key_file" in settings:
        settings["secret_key"] = ""
    return {name: value for name, value in (settings | differences).items() if value is not None}


def _secret_file(folder: Path, name: str) -> Path:
    path = folder / "secrets" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(secrets.token_urlsafe(48))
    return path


@contextmanager
def open_system(
    name: str, folder: Path, *, keys_from: Path, words: Mapping[str, str] | None = None, **differences: str | None
) -> Iterator[System]:
    """gunicorn with the page's settings, and its clients registered by the page's commands (`words`: see `run`)."""
    page = MigrationPage(name)
    settings: dict[str, Any] = {"workers": "2"} | localised(page, folder, **differences)
    with running_server(folder, keys_from=keys_from, **settings) as server:
        system = System(page, server, folder)
        system.register(words=words)
        yield system


def for_providers(page: MigrationPage, sandbox: Mapping[str, str]) -> dict[str, str | None]:
    """The stand-ins' addresses and keys for the providers that the page's settings name; all else stays the page's."""
    named = {found[1] for name in page.settings() if (found := re.match(r"upstream_([a-z]+)_client_id$", name))}
    differences: dict[str, str | None] = {f"upstream_{name}_private_key": None for name in named}
    return differences | {key: value for key, value in sandbox.items() if key.split("_")[1] in named}
