"""What all commands promise: help, JSON, exit codes, and never a stack trace for what a person can type."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from idp.cli import COMMANDS, main
from tests.cli.conftest import Idp, run_idp
from tests.cli.environment import clean_environment

PROCESSOR_SECONDS = 0.4  # of a command that loads nothing it does not need


def all_commands() -> Iterator[list[str]]:
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ([name, sub] for sub in command.commands)
        else:
            yield [name]


@pytest.mark.parametrize("names", list(all_commands()), ids=" ".join)
def test_every_command_explains_itself_and_can_answer_in_json(names: list[str]) -> None:
    answer = run_idp(*names, "--help")
    assert answer.code == 0
    assert "--json" in answer.out


def test_help_answers_at_once_and_loads_nothing_it_does_not_need(tmp_path: Path) -> None:
    script = "import sys; sys.argv = ['idp', '--help']; from idp.cli import main\ntry: main()\n"
    script += "finally: print([m for m in ('sqlalchemy', 'alembic', 'flask', 'joserfc', 'rich') if m in sys.modules])"
    run = [sys.executable, "-c", script]
    spent = []
    for _ in range(12):  # the best of a few: a busy machine takes more processor time as well
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(run, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if spent[-1] < PROCESSOR_SECONDS:
            break
    assert done.stdout.endswith("[]\n")
    assert all(name in done.stdout for name in COMMANDS)
    assert min(spent) < PROCESSOR_SECONDS, spent


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("IDP_DATABASE_URL", "nonsense", "IDP_DATABASE_URL"),
        ("IDP_DATABASE_URL", "oracle://u:hidden@h/x", "IDP_DATABASE_URL"),
        ("IDP_DATABASE_URL", "postgresql+psycopg://u:hidden@127.0.0.1:1/x", "cannot be reached"),
        ("IDP_DATABASE_URL", "mysql+pymysql://u:hidden@127.0.0.1:1/x", "cannot be reached"),
        ("IDP_DATABASE_URL", "sqlite:////proc/nowhere/x.db", "/proc/nowhere"),
        ("IDP_DATABASE_URL", "sqlite:///empty.db", "idp db upgrade"),
        ("IDP_PORT", "http", "IDP_PORT"),
    ],
)
def test_wrong_settings_are_answered_with_a_sentence(
    idp: Idp, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    answer = idp("clients", "list")
    assert answer.code == 1
    assert sentence in answer.err
    assert "hidden" not in answer.err
    as_json = idp("users", "list", "--json")
    assert as_json.code == 1
    assert sentence in as_json.json["error"]
    assert as_json.err == ""


def test_an_unknown_command_is_a_usage_error(idp: Idp) -> None:
    assert idp("nonsense").code == 2
    assert idp("clients", "nonsense").code == 2
