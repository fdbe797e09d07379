"""An initialised folder of its own for each test, and `idp` to run in it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from idp.cli import main
from idp.settings import load_settings
from idp.store import Store, open_store
from tests.cli.environment import use_folder


@dataclass(frozen=True)
class Answer:
    """What one run of `idp` said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Idp = Callable[..., Answer]


def run_idp(*arguments: str, stdin: str | None = None) -> Answer:
    """`idp` in this process; anything but an exit is an error of the test."""
    result = CliRunner().invoke(main, list(arguments), input=stdin, prog_name="idp")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def initialised_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `idp init` has run once; tests get copies of it."""
    folder = tmp_path_factory.mktemp("initialised")
    with pytest.MonkeyPatch.context() as patch:
        use_folder(patch, folder)
        assert run_idp("init").code == 0
    return folder


@pytest.fixture
def folder(initialised_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of this test, initialised."""
    here = tmp_path / "server"
    shutil.copytree(initialised_folder, here)
    use_folder(monkeypatch, here)
    return here


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which nothing has been made yet."""
    use_folder(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture
def idp(folder: Path) -> Idp:
    """Runs `idp` in the initialised folder."""
    return run_idp


@pytest.fixture
def store(folder: Path) -> Any:
    """The stores that the commands write to."""
    opened: Store = open_store(load_settings().database_url)
    yield opened
    opened.database.dispose()


def events(store: Store) -> list[str]:
    """The names of the audit events, oldest first."""
    return [row["event"] for row in reversed(store.audit_events.list())]
