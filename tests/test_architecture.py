"""The house rules that a reader relies on, held by the syntax trees of the code: who may import whom, who may use which
library, who may read the clock, how long a thing may be. Each rule is also shown to fail on a bad sample.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "idp"
Modules = Mapping[str, ast.Module]

# Imports point left: a room may import those of the lines above its own. Rooms of one line never import each other.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"settings"}),
    frozenset({"protocol"}),
    frozenset({"outbound"}),
    frozenset({"jose"}),
    frozenset({"store"}),
    frozenset({"migrations", "server"}),
    frozenset({"audit"}),
    frozenset({"mail"}),
    frozenset({"tokens"}),
    frozenset({"accounts", "authorization", "captcha", "client_auth", "grants", "recipes", "sandbox", "upstream"}),
    frozenset({"web"}),
    frozenset({"endpoints", "pages"}),
    frozenset({"startup"}),
    frozenset({"idp"}),  # create_app
    frozenset({"cli"}),
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

# library → the rooms that may import it; "room.module" is that module alone
LIBRARIES: Mapping[str, frozenset[str]] = {
    "joserfc": frozenset({"jose"}),
    "sqlalchemy": frozenset({"store", "migrations", "cli.command"}),  # cli.command: an error becomes one sentence
    "alembic": frozenset({"store.migrations", "migrations"}),
    "redis": frozenset({"store.ephemeral", "store.condition"}),
    "psycopg": frozenset(),
    "pymysql": frozenset(),
    "flask": frozenset({"web", "endpoints", "pages", "sandbox", "idp", "cli"}),
    "werkzeug": frozenset({"web", "endpoints", "pages", "sandbox"}),
    "flask_babel": frozenset({"web", "pages"}),
    "flask_limiter": frozenset({"web", "pages"}),
    "flask_wtf": frozenset({"web"}),
    "argon2": frozenset({"accounts.passwords", "accounts.password_hashes"}),
    "bcrypt": frozenset({"accounts.password_hashes"}),
    "zxcvbn": frozenset({"accounts.password_policy"}),
    "gunicorn": frozenset({"cli"}),
    "click": frozenset({"cli"}),
    "rich": frozenset({"cli"}),
    "pydantic": frozenset({"settings"}),
    "pydantic_settings": frozenset({"settings"}),
    "cryptography": frozenset({"jose"}),
    "idp_verify": frozenset(),  # packages/idp-verify is for the APIs of others; neither of the two imports the other
}

# Imports inside functions: module or room → why they are not at the top.
LAZY_IMPORTS: Mapping[str, str] = {
    "idp": "create_app: reading the settings, or asking for --help, must not load the whole server",
    "cli": "a command loads only what it needs, so that --help answers at once",
    "outbound": "TLS and HTTP are loaded at the first fetch, which many deployments never make",
    "store.migrations": "Alembic is slow to load and needed by `idp db` alone",
    "upstream.upstreams": "Authlib and requests are loaded only where a connection is configured",
    "accounts.password_policy": "the word lists take 15 MiB, needed only where somebody chooses a password",
    "store.ephemeral": "redis is an extra: only a deployment with Redis has it",
    "store.condition": "redis is an extra: only a deployment with Redis has it",
}

# Who may read the clock: everybody else is given `now`.
CLOCKS: Mapping[str, str] = {
    "idp": "the clock of create_app, which a test replaces",
    "cli": "a command is the beginning of everything it does",
    "sandbox.servers": "the clock of the stand-ins, which a test replaces",
    "web.limits": "Flask-Limiter's windows end on the wall clock",
}
CLOCK_NAMES = {"time.time", "time.time_ns", "date.today", "datetime.now", "datetime.utcnow", "datetime.today"}

FORBIDDEN_NAMES = frozenset({"utils", "util", "helpers", "helper", "views", "handler", "handlers", "common", "misc"})

MAX_MODULE_LINES, MAX_FUNCTION_LINES = 300, 30
LONG_MODULES: Mapping[str, str] = {
    "settings.fields": "one list of every setting; a second file would be a second place to look",
}
LONG_FUNCTIONS: Mapping[str, str] = {
    "endpoints.discovery.metadata": "one literal: the document as it is served",
    "cli.demo.demo_clients": "one literal: the three demo clients",
}

RULES_WITH_A_SECTION = ("protocol", "authorization.checks")
SECTION = re.compile(r"§\s?\d|ASVS \d")


@dataclass(frozen=True)
class Import:
    """`target` is a full module name; `is_lazy`: inside a function."""

    importer: str
    target: str
    line: int
    is_lazy: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def read_modules(root: Path) -> dict[str, ast.Module]:
    """Every module under the package's folder, such as `store.users`; the package itself is `idp`."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        if path.is_relative_to(root / "recipes" / "files"):  # for the projects of others, not part of this one
            continue
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        modules[name or "idp"] = ast.parse(path.read_text(encoding="utf-8"))
    return modules


def sample(**sources: str) -> dict[str, ast.Module]:
    """Modules from their text; a double underscore in a name is a dot."""
    return {name.replace("__", "."): ast.parse(source) for name, source in sources.items()}


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    return read_modules(ROOT)


def room_of(module: str) -> str:
    return module.partition(".")[0]


def is_listed(module: str, listed: Mapping[str, str] | frozenset[str]) -> bool:
    """Whether a module, or its room, is in a list."""
    return any(module == name or module.startswith(f"{name}.") for name in listed if name != "idp") or (
        module == "idp" and "idp" in listed
    )


def imports_of(modules: Modules) -> list[Import]:
    return [found for name, tree in modules.items() for found in _imports(name, tree, modules)]


def _imports(importer: str, tree: ast.Module, modules: Modules) -> Iterator[Import]:
    lazy = {id(inner) for outer in ast.walk(tree) if _is_function(outer) for inner in ast.walk(outer)}
    for node in ast.walk(tree):
        for target in _targets(node, modules):
            yield Import(importer, target, node.lineno, id(node) in lazy)  # type: ignore[attr-defined]


def _targets(node: ast.AST, modules: Modules) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0, f"line {node.lineno}: imports are absolute here"
    base = node.module or ""
    if base == "idp" or base.startswith("idp."):  # `from idp import audit` means the module idp.audit
        inner = [f"{base}.{alias.name}" for alias in node.names]
        return [name if name.removeprefix("idp.") in modules else base for name in inner]
    return [base]


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def our_room(target: str) -> str | None:
    """The room of an import of ours; None for the libraries of others."""
    if target == "idp":
        return "idp"
    return target.split(".")[1] if target.startswith("idp.") else None


# --- Rules: each gives what breaks it


def imports_that_point_right(modules: Modules) -> list[str]:
    found = []
    for each in imports_of(modules):
        room, target = room_of(each.importer), our_room(each.target)
        if target is not None and target != room and LEVEL[target] >= LEVEL[room]:
            found.append(str(each))
    return found


def rooms_without_a_place(modules: Modules) -> set[str]:
    return {room_of(name) for name in modules} - LEVEL.keys()


def libraries_out_of_place(modules: Modules) -> list[str]:
    found = []
    for each in imports_of(modules):
        allowed = LIBRARIES.get(each.target.partition(".")[0])
        if allowed is not None and our_room(each.target) is None and not is_listed(each.importer, allowed):
            found.append(str(each))
    return found


def lazy_imports_without_a_reason(modules: Modules) -> list[str]:
    return [str(each) for each in imports_of(modules) if each.is_lazy and not is_listed(each.importer, LAZY_IMPORTS)]


def hidden_clocks(modules: Modules) -> list[str]:
    return [
        f"{name}:{line} reads {what}"
        for name, tree in modules.items()
        if not is_listed(name, CLOCKS)
        for line, what in _clock_uses(tree)
    ]


def _clock_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = ".".join(ast.unparse(node).split(".")[-2:])
            if name in CLOCK_NAMES:
                yield node.lineno, name
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            for alias in node.names:
                if f"time.{alias.name}" in CLOCK_NAMES:
                    yield node.lineno, f"time.{alias.name}"


def modules_with_empty_names(modules: Modules) -> list[str]:
    return [name for name in modules if FORBIDDEN_NAMES & set(name.split("."))]


def functions_of(modules: Modules) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}.{node.name}", node


def long_functions(modules: Modules) -> dict[str, int]:
    """Functions over the limit with their lines, the docstring not counted."""
    lengths = {name: _length(node) for name, node in functions_of(modules) if not _is_migration(name)}
    return {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    has_docstring = ast.get_docstring(node, clean=False) is not None
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0)


def _is_migration(name: str) -> bool:
    return name.startswith("migrations.versions.")


def checks_without_a_section(modules: Modules) -> list[str]:
    return [
        name
        for name, node in functions_of(modules)
        if node.name.startswith("check_") and name.startswith(RULES_WITH_A_SECTION)
        if not SECTION.search(ast.get_docstring(node) or "")
    ]


# --- The house keeps them


def test_every_room_has_a_place(modules: Modules) -> None:
    assert rooms_without_a_place(modules) == set()
    assert len(modules) > 80, "all modules must have been found"


def test_imports_point_left_and_siblings_never_import_each_other(modules: Modules) -> None:
    assert imports_that_point_right(modules) == []


def test_libraries_stay_in_the_rooms_that_own_them(modules: Modules) -> None:
    assert libraries_out_of_place(modules) == []


def test_imports_inside_functions_have_a_reason(modules: Modules) -> None:
    assert lazy_imports_without_a_reason(modules) == []


def test_nobody_reads_a_hidden_clock(modules: Modules) -> None:
    assert hidden_clocks(modules) == []


def test_no_module_has_a_name_that_says_nothing(modules: Modules) -> None:
    assert modules_with_empty_names(modules) == []


def test_modules_are_short() -> None:
    lengths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): len(path.read_text(encoding="utf-8").splitlines())
        for path in ROOT.rglob("*.py")
        if "versions" not in path.parts
    }
    too_long = {name: lines for name, lines in lengths.items() if lines > MAX_MODULE_LINES}
    assert too_long.keys() <= LONG_MODULES.keys(), too_long
    assert LONG_MODULES.keys() <= too_long.keys(), "a module that has become short needs no exception"


def test_functions_are_short(modules: Modules) -> None:
    too_long = long_functions(modules)
    assert too_long.keys() <= LONG_FUNCTIONS.keys(), too_long
    assert LONG_FUNCTIONS.keys() <= too_long.keys(), "a function that has become short needs no exception"


def test_every_rule_says_where_it_is_written(modules: Modules) -> None:
    assert checks_without_a_section(modules) == []


def test_no_exception_is_listed_for_what_is_not_there(modules: Modules) -> None:
    listed = {*LAZY_IMPORTS, *CLOCKS, *(place for places in LIBRARIES.values() for place in places)}
    rooms = {room_of(name) for name in modules}
    assert {place for place in listed if place not in modules and place not in rooms} == set()


# --- And each rule can be broken


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"store__x": "from idp.web.current import current_server"}, id="right, from a module"),
        pytest.param({"protocol__x": "import idp.store.users"}, id="right, the whole module"),
        pytest.param({"jose__x": "from idp import web", "web": ""}, id="right, from the package"),
        pytest.param({"tokens__x": "from idp import create_app"}, id="right, the application"),
        pytest.param({"grants__x": "from idp.authorization import steps"}, id="a sibling"),
        pytest.param({"endpoints__x": "from idp.pages.login import login"}, id="the other sibling"),
        pytest.param({"store__x": "def f():\n    from idp.web import errors"}, id="right, inside a function"),
        pytest.param(
            {"store__x": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from idp.web import errors"},
            id="right, for types only",
        ),
    ],
)
def test_an_import_to_the_right_is_found(broken: dict[str, str]) -> None:
    assert len(imports_that_point_right(sample(**broken))) == 1


def test_an_import_to_the_left_or_within_a_room_is_fine() -> None:
    fine = "import json\nfrom idp.store.users import UserStore\nfrom idp import audit\nfrom idp.web.errors import x"
    assert imports_that_point_right(sample(web__x=fine, audit="")) == []


def test_a_room_that_nobody_has_placed_is_found() -> None:
    assert rooms_without_a_place(sample(cellar__x="", store__x="")) == {"cellar"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tokens.x", "from joserfc import jwt"),
        ("jose_like", "import joserfc.jwk"),
        ("web.x", "import sqlalchemy as sa"),
        ("accounts.x", "from sqlalchemy.exc import IntegrityError"),
        ("store.users", "import redis"),
        ("tokens.x", "from flask import request"),
        ("store.x", "def f():\n    import flask"),
        ("pages.x", "from argon2 import PasswordHasher"),
    ],
)
def test_a_library_out_of_place_is_found(module: str, source: str) -> None:
    assert len(libraries_out_of_place({module: ast.parse(source)})) == 1


def test_an_import_inside_a_function_is_found_unless_listed() -> None:
    source = "def f():\n    import json\n\n\nclass A:\n    def g(self):\n        from idp.store import x"
    assert len(lazy_imports_without_a_reason(sample(web__x=source))) == 2
    assert lazy_imports_without_a_reason(sample(cli__x=source, store__migrations=source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\nnow = time.time()",
        "import time\nclock = time.time",
        "from time import time",
        "from datetime import datetime, UTC\nnow = datetime.now(UTC)",
        "import datetime\nnow = datetime.datetime.now()",
        "import datetime\ntoday = datetime.date.today()",
    ],
)
def test_a_hidden_clock_is_found(source: str) -> None:
    assert len(hidden_clocks(sample(store__x=source))) == 1
    assert hidden_clocks(sample(cli__x=source)) == []


def test_a_monotonic_clock_tells_no_time_and_is_fine() -> None:
    assert hidden_clocks(sample(store__x="import time\nbegan = time.monotonic()")) == []


@pytest.mark.parametrize("name", ["utils", "web.helpers", "misc.things", "pages.views", "common"])
def test_a_name_that_says_nothing_is_found(name: str) -> None:
    assert modules_with_empty_names({name: ast.parse("")}) == [name]


def test_a_long_function_is_found_and_its_docstring_not_counted() -> None:
    docstring = '    """' + "\n    line" * 40 + '"""\n'
    body = "    pass\n" * (MAX_FUNCTION_LINES - 1)
    assert long_functions(sample(web__x=f"def f():\n{docstring}{body}")) == {}
    assert long_functions(sample(web__x=f"def f():\n{body}    pass\n")) == {"web.x.f": MAX_FUNCTION_LINES + 1}
    method = "class A:\n    def f(self):\n" + "        pass\n" * 40
    assert long_functions(sample(web__x=method)) == {"web.x.f": 41}


def test_a_rule_without_a_section_is_found() -> None:
    source = 'def check_a(x):\n    """It must be right."""\n\n\ndef check_b(x):\n    """RFC 7636 §4.6: it must."""\n'
    assert checks_without_a_section(sample(authorization__checks__x=source)) == ["authorization.checks.x.check_a"]
    assert checks_without_a_section(sample(protocol__x="def check_c(x):\n    pass")) == ["protocol.x.check_c"]
