"""What the columns of an import mean: a TOML file, or the names of the columns themselves.

Owns the names that a mapping may use, and the refusal of everything else in it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idp.cli.command import Refused
from idp.store.foreign_rows import Join, Selection
from idp.store.users import PROFILE_CLAIMS

ADDRESS_MEMBERS = ("formatted", "street_address", "locality", "region", "postal_code", "country")
TEXT_CLAIMS = tuple(name for name in PROFILE_CLAIMS if name != "address")
TARGETS = frozenset(
    ("username", "email", "email_verified", "phone_number", "phone_number_verified", "roles", "disabled")
    + ("password_hash", "scheme", "external_id", "created_at")
    + TEXT_CLAIMS
    + tuple(f"address.{member}" for member in ADDRESS_MEMBERS)
)
IDENTITY = "identity."  # and the name of a connection: the id of the account there
_SECTIONS: Mapping[str, frozenset[str]] = {
    "source": frozenset({"name", "query", "table", "join", "where"}),
    "columns": TARGETS,
    "constants": TARGETS - {"external_id", "username", "email", "password_hash"},
    "formats": frozenset({"birthdate", "created_at", "roles"}),
}
_JOIN_KINDS = frozenset({"LEFT", "INNER"})


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """`columns`: target → column; None: each column has the name of its target. `constants`: target → value.

    `namespace` keeps the external ids of several sources apart. `formats`: how dates are written (strptime), and what
    stands between roles.
    """

    columns: Mapping[str, str] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    formats: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "import"
    selection: Selection = field(default_factory=Selection)

    def values(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """What a record says of each target."""
        if self.columns is None:
            own = {name: value for name, value in record.items() if _is_target(name)}
        else:
            own = {target: record.get(column) for target, column in self.columns.items()}
        return {**self.constants, **{name: value for name, value in own.items() if value not in (None, "")}}

    def check_columns(self, there: list[str]) -> None:
        """Raise Refused when the source has not what the mapping names, or, without one, nothing that is known."""
        if self.columns is None:
            if not any(map(_is_target, there)):
                raise Refused("None of the columns is known by its name; give --mapping. See docs/importing-users.md")
            return
        missing = sorted(set(self.columns.values()) - set(there))
        if missing:
            raise Refused(f"The source has no column {', '.join(missing)}.")


def _is_target(name: str) -> bool:
    return name in TARGETS or name.startswith(IDENTITY)


def load_mapping(path: Path) -> ColumnMapping:
    """Read a mapping file; raises Refused."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not TOML: {error}") from None
    _check_names(path, document)
    source, columns = document.get("source", {}), document.get("columns", {})
    if not columns:
        raise Refused(f"{path}: [columns] says which column is what, and is missing.")
    return ColumnMapping(
        columns=columns,
        constants=document.get("constants", {}),
        formats=document.get("formats", {}),
        namespace=str(source.get("name", "import")),
        selection=_load_selection(path, source, columns),
    )


def _check_names(path: Path, document: Mapping[str, Any]) -> None:
    for section, values in document.items():
        known = _SECTIONS.get(section)
        if known is None or not isinstance(values, dict):
            raise Refused(f"{path}: there is no section [{section}]. There are: {', '.join(_SECTIONS)}")
        for name in values:
            if name not in known and not (section == "columns" and name.startswith(IDENTITY)):
                raise Refused(f"{path}: [{section}] has no {name}. It can have: {', '.join(sorted(known))}")
    for section in ("columns", "formats"):
        if not all(isinstance(value, str) and value for value in document.get(section, {}).values()):
            raise Refused(f"{path}: every value in [{section}] is a text.")


def _load_selection(path: Path, source: Mapping[str, Any], columns: Mapping[str, str]) -> Selection:
    if "query" in source and source.keys() & {"table", "join", "where"}:
        raise Refused(f"{path}: [source] has either a query, or a table with join and where.")
    joins = []
    for join in source.get("join", []):
        kind = str(join.get("kind", "LEFT")).upper() if isinstance(join, dict) else ""
        if kind not in _JOIN_KINDS or not {"table", "on"} <= join.keys() <= {"table", "on", "kind"}:
            raise Refused(f'{path}: a join is {{ table = "…", on = "…", kind = "left" or "inner" }}.')
        joins.append(Join(join["table"], join["on"], kind))
    names = tuple(dict.fromkeys(columns.values()))
    return Selection(source.get("query"), source.get("table"), tuple(joins), names, source.get("where"))
