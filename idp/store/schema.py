"""Which schema the database has: Alembic's revision, without loading Alembic on the way to the first request."""

import re
from pathlib import Path
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from idp.store.database import Database

VERSIONS = Path(__file__).parent.parent / "migrations" / "versions"
_REVISION = re.compile(
    r"^(?P<name>down_revision|revision)\b[^=]*= *(?:['\"](?P<value>[^'\"]+)['\"]|None)", re.MULTILINE
)


Age = Literal["none", "older", "current", "newer"]


def is_current(database: Database) -> bool:
    """Whether the database is at the newest revision of this version, or at one that this version does not know yet.

    A newer schema is served as well: during a rolling deployment old code runs on it.
    """
    return age_of_schema(database) in {"current", "newer"}


def age_of_schema(database: Database) -> Age:
    """The schema compared with this version's; `none`: there is none, or it cannot be read."""
    try:
        with database.reading() as connection:
            revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except SQLAlchemyError:
        return "none"
    known, head = _revisions()
    if revision is None:
        return "none"
    if revision == head:
        return "current"
    return "older" if revision in known else "newer"


def _revisions() -> tuple[set[str], str | None]:
    found = []
    for path in VERSIONS.glob("*.py"):
        named = {match["name"]: match["value"] for match in _REVISION.finditer(path.read_text(encoding="utf-8"))}
        found.append((named["revision"], named.get("down_revision")))
    known = {revision for revision, _ in found}
    heads = known - {down for _, down in found}
    return known, next(iter(heads), None)
