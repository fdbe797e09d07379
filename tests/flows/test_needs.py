"""The tables of needs at the top of the five systems' files name tests that exist, and every test of theirs."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SYSTEMS = ("nextarget", "nextarget_two_instances", "mawster", "move_acces", "fleettrack")
_TEST = re.compile(r"\b(?:test_\w+(?!\w*\.py)|Test[A-Z]\w+)\b")


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_need_is_shown_by_a_test_that_exists(system: str) -> None:
    tree = ast.parse((HERE / f"test_{system}.py").read_text(encoding="utf-8"))
    text = re.sub(r"\S+\.py", "", ast.get_docstring(tree) or "")
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    tests = {name for name in defined if name.startswith("test_") or name.startswith("Test")}
    assert set(_TEST.findall(text)) == tests
    assert len([line for line in text.splitlines() if line.startswith("|")]) > 6
