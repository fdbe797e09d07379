"""The README of the package keeps its word: what it shows runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.verify.apps import call
from tests.verify.event_loop import run_in_loop

README = (Path(__file__).parent.parent.parent / "packages" / "idp-verify" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FASTAPI, _, FLASK, PLAIN = BLOCKS
CHALLENGE = 'Bearer realm="api"'


def run(block: str) -> dict[str, Any]:
    module: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec", dont_inherit=True), module)
    return module


def test_the_api_in_fastapi_asks_for_a_token() -> None:
    answer = run_in_loop(call(run(FASTAPI)["app"], [], path="/orders"))
    assert (answer.status, answer.challenge) == (401, CHALLENGE)


def test_the_api_in_flask_asks_for_a_token() -> None:
    answer = run(FLASK)["app"].test_client().get("/admin")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, CHALLENGE)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_is_python(block: str) -> None:
    compile(block, "README.md", "exec")


@pytest.mark.parametrize("block", [FASTAPI, FLASK])
def test_from_zero_takes_about_ten_lines(block: str) -> None:
    assert len([line for line in block.splitlines() if line.strip()]) <= 11
