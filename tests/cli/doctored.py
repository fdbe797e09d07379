"""`idp doctor` in the tests: run with the settings of a server, and read by topic."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from idp.cli import checks
from idp.cli.checks import subject
from tests.cli.conftest import Answer, run_idp
from tests.cli.environment import use_folder

PATIENT_SECONDS = 50.0  # instead of ten: the machine of a test run is busy


@dataclass(frozen=True)
class Doctor:
    """Runs the command with these variables, in this folder."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, **changes: str | None) -> Answer:
        """`changes`: settings without IDP_, in lower case; None takes one away."""
        wanted = {**self.variables, **{f"IDP_{name.upper()}": value for name, value in changes.items()}}
        with pytest.MonkeyPatch.context() as patch:
            use_folder(patch, self.folder)
            for name, value in wanted.items():
                if value is None:
                    patch.delenv(name, raising=False)
                else:
                    patch.setenv(name, value)
            return run_idp("doctor", *arguments)

    def look(self, *arguments: str, **changes: str | None) -> "Report":
        return Report(self.run(*arguments, "--json", **changes))


class Report:
    """What was found, by topic."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.checks: list[dict[str, Any]] = answer.json["checks"]
        assert answer.code == (0 if answer.json["is_well"] else 1)

    def said(self, result: str) -> list[str]:
        """All findings of this result, as `topic: sentence`."""
        return [f"{each['what']}: {each['sentence']}" for each in self.checks if each["result"] == result]

    @property
    def wrong(self) -> list[str]:
        return self.said("wrong")

    @property
    def warnings(self) -> list[str]:
        return self.said("warning")

    def topics(self, result: str) -> set[str]:
        return {each["what"] for each in self.checks if each["result"] == result}

    def one(self, what: str, result: str) -> str:
        """The only sentence of this result on this topic."""
        found = [each["sentence"] for each in self.checks if (each["what"], each["result"]) == (what, result)]
        assert len(found) == 1, self.answer.out
        return str(found[0])

    def has(self, result: str, what: str, words: str) -> bool:
        return any(
            each["what"] == what and each["result"] == result and words in each["sentence"] for each in self.checks
        )


@contextmanager
def patiently() -> Iterator[None]:
    """Longer waits than an operator would have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "PATIENCE", PATIENT_SECONDS)
        patch.setattr(subject, "REQUEST_SECONDS", PATIENT_SECONDS / 2)
        patch.setattr("idp.cli.examination.OPENING_SECONDS", PATIENT_SECONDS)
        yield
