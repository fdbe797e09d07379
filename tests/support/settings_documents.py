"""The documents that say what can be set, written from ``idp.settings``: ``docs/settings.md`` and ``.env.example``.

``python -m tests.support.settings_documents [--check]``; ``scripts/docs`` is its door.
"""

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from idp.settings import UPSTREAM_PREFIX, VARIABLES, Settings, UpstreamSettings, holds_secret

ROOT = Path(__file__).parent.parent.parent
WIDTH = 118
PAGE_HEAD = """# Settings

<!-- Written by scripts/docs from idp/settings/. -->

Every setting is an environment variable. Values come from the environment, then from a file `.env` in the folder the
server runs in, then from the defaults here. A setting that holds a secret can also be given as a file: `IDP_…_FILE` is
a path whose content is the value. Lists are written with commas or spaces between their items.

The server refuses to start on a wrong value, and names all mistakes at once; a name that it does not know is a warning
in the log. With `IDP_ENV=production` it also refuses an `http` issuer, a missing or weak secret, demo data, stand-ins
for other providers, and key files that others can read.
"""
PAGE_CONNECTIONS = """## Connections with other providers

Each connection lets people sign in with another provider. Its name is in its variables, `IDP_UPSTREAM_<NAME>_<OPTION>`,
in capitals and with `_`: `IDP_UPSTREAM_GOOGLE_CLIENT_ID` is the client id of the connection `google`, and
`IDP_UPSTREAM_GOOGLE_STAFF_CLIENT_ID` that of `google-staff`. Several connections with one provider are told apart by
their names. A name begins with a letter and has at most 32 letters, digits and `_`; `ORDER` and `CONCURRENCY` are not
for names.
"""
EXAMPLE_CONNECTIONS = """# --- Connections with other providers

# NAME is yours to choose, for each connection another: GOOGLE, GITHUB, GOOGLE_STAFF, … What is empty has its default.
"""
EXAMPLE_HEAD = """# Settings of idp, all at their defaults. Copy this file to .env and change what you need.
# Written by scripts/docs from idp/settings/; docs/settings.md says the same at more length.
"""


Variables = list[tuple[str, FieldInfo]]


def render_page() -> str:
    """``docs/settings.md``."""
    lines = [PAGE_HEAD]
    for group, variables in _groups(_settings()):
        lines += [f"## {group}", "", *_table(variables), ""]
    lines.append(PAGE_CONNECTIONS)
    for group, variables in _groups(_options("<NAME>")):
        lines += [f"### {group}", "", *_table(variables), ""]
    return "\n".join(lines)


def render_example() -> str:
    """``.env.example``."""
    lines = [EXAMPLE_HEAD]
    for group, variables in _groups(_settings()):
        lines += [f"# --- {group}", ""]
        for variable, field in variables:
            lines += [*_comment(field), f"#{variable}={_default(field)}", ""]
    lines.append(EXAMPLE_CONNECTIONS)
    for variable, field in _options("NAME"):
        lines += [*_comment(field), f"#{variable}=", ""]
    return "\n".join(lines).rstrip() + "\n"


DOCUMENTS = {ROOT / "docs" / "settings.md": render_page, ROOT / ".env.example": render_example}


def main(arguments: list[str]) -> int:
    """Write both documents; with ``--check`` only say which of them are stale."""
    stale = [path for path, render in DOCUMENTS.items() if not path.exists() or path.read_text("utf-8") != render()]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is stale; run: scripts/docs", file=sys.stderr)
        else:
            path.write_text(DOCUMENTS[path](), encoding="utf-8")
            print(f"{path.relative_to(ROOT)} is written.")
    return 1 if stale and "--check" in arguments else 0


def _settings() -> Variables:
    return [(variable, Settings.model_fields[name]) for variable, name in VARIABLES.items()]


def _options(connection: str) -> Variables:
    """Those of one connection; its name itself is no option."""
    fields = UpstreamSettings.model_fields.items()
    return [(f"{UPSTREAM_PREFIX}{connection}_{name.upper()}", field) for name, field in fields if name != "name"]


def _groups(variables: Variables) -> Iterator[tuple[str, Variables]]:
    for group, members in groupby(variables, key=_group_of):
        yield group, list(members)


def _group_of(variable: tuple[str, FieldInfo]) -> str:
    name, field = variable
    extra = field.json_schema_extra
    assert isinstance(extra, dict), f"{name} has no group"
    return str(extra["group"])


def _table(variables: Variables) -> Iterator[str]:
    yield from ("| Variable | Values | Default | Meaning |", "|---|---|---|---|")
    for variable, field in variables:
        cells = [_names(variable, field), _values(field), _default_cell(field), field.description or ""]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _names(variable: str, field: FieldInfo) -> str:
    return f"`{variable}`, `{variable}_FILE`" if holds_secret(field) else f"`{variable}`"


def _comment(field: FieldInfo) -> Iterator[str]:
    return (f"# {line}" for line in _wrapped((field.description or "").replace("`", "")))


def _default(field: FieldInfo) -> str:
    """The default as one would write it in the environment."""
    value = field.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _default_cell(field: FieldInfo) -> str:
    if field.is_required():
        return "must be set"
    text = _default(field)
    return f"`{text}`" if text else "unset"


def _values(field: FieldInfo) -> str:
    """What kind of value it takes, with its bounds, in a few words."""
    return _kind(field.annotation) + _bounds([*field.metadata, *_inner_metadata(field.annotation)])


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        item = _kind(arguments[0])
        return f"list of {item}" if item.startswith("`") else "list"
    if origin in (Union, UnionType):
        return _kind(next(argument for argument in arguments if argument is not NoneType))
    if hasattr(annotation, "__metadata__"):
        return _kind(arguments[0])
    names = {bool: "`true`, `false`", int: "whole number", float: "number", Path: "path", str: "text"}
    return names[annotation]


def _inner_metadata(annotation: Any) -> list[Any]:
    return list(getattr(annotation, "__metadata__", ()))


def _bounds(metadata: list[Any]) -> str:
    found: dict[str, Any] = {}
    for item in metadata:
        for part in getattr(item, "metadata", [item]):
            for bound in ("gt", "ge", "le"):
                if getattr(part, bound, None) is not None:
                    found[bound] = getattr(part, bound)
    words = [f"more than {found['gt']}"] if "gt" in found else []
    words += [f"from {found['ge']}"] if "ge" in found else []
    words += [f"to {found['le']}"] if "le" in found else []
    return f" {' '.join(words)}" if words else ""


def _wrapped(text: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
