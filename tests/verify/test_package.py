"""The package stands alone: it never drags the server in, and keeps the rules of the house."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import (
    MAX_MODULE_LINES,
    hidden_clocks,
    imports_of,
    long_functions,
    modules_with_empty_names,
    read_modules,
)

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "packages" / "idp-verify"
SOURCE = PACKAGE / "src" / "idp_verify"
ADAPTERS = {"fastapi": {"fastapi"}, "starlette": {"starlette"}, "flask": {"flask"}}
LIBRARIES = {"cryptography"}


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    return read_modules(SOURCE)


def test_it_imports_cryptography_and_each_adapter_its_framework(modules: dict[str, ast.Module]) -> None:
    foreign = {
        (found.importer, root)
        for found in imports_of(modules)
        if (root := found.target.partition(".")[0]) not in sys.stdlib_module_names and root != "idp_verify"
    }
    assert {root for importer, root in foreign if importer not in ADAPTERS} == LIBRARIES
    for adapter, allowed in ADAPTERS.items():
        assert {root for importer, root in foreign if importer == adapter} == allowed


def test_nothing_but_an_adapter_imports_an_adapter(modules: dict[str, ast.Module]) -> None:
    adapters = {f"idp_verify.{name}" for name in ADAPTERS}
    importers = {found.importer for found in imports_of(modules) if found.target in adapters}
    assert importers <= ADAPTERS.keys()


def test_it_keeps_the_rules_of_the_house(modules: dict[str, ast.Module]) -> None:
    assert long_functions(modules) == {}
    assert modules_with_empty_names(modules) == []
    assert {line.partition(":")[0] for line in hidden_clocks(modules)} <= {"verifier", "bench"}
    assert all(len(path.read_text("utf-8").splitlines()) <= MAX_MODULE_LINES for path in SOURCE.glob("*.py"))
    assert not [found for found in imports_of(modules) if found.is_lazy]


def test_the_map_in_the_package_names_every_module(modules: dict[str, ast.Module]) -> None:
    text = ast.get_docstring(modules["idp"]) or ""  # the reader's name for the package itself
    assert all(f"``{name}``" in text for name in modules if name != "idp")


def test_importing_it_loads_neither_the_server_nor_a_framework() -> None:
    program = "import sys, idp_verify; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True, timeout=60).split())
    assert not loaded & {"idp", "flask", "fastapi", "starlette", "sqlalchemy", "joserfc", "requests", "pydantic"}


@pytest.mark.slow
def test_its_wheel_needs_cryptography_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    copy = tmp_path / "source"
    subprocess.run(["cp", "-r", str(PACKAGE), str(copy)], check=True)  # building leaves files beside the sources
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(copy)], check=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [metadata] = [archive.read(name).decode() for name in names if name.endswith("METADATA")]
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert [line.split()[1].partition(">")[0] for line in needed] == ["cryptography"]
    assert {"idp_verify/py.typed", "idp_verify/verifier.py"} <= names
    assert all(name.startswith("idp_verify") for name in names)


def test_what_the_tests_run_with_is_what_it_declares() -> None:
    declared = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    assert declared["dependencies"] == ["cryptography>=43"]
    assert declared["optional-dependencies"].keys() == ADAPTERS.keys()
