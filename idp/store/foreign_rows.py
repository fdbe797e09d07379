"""Rows of somebody else's database, read and never written: for imports.

Owns how such a database is opened: read-only wherever its kind knows that, with a cursor on the server, so that memory
stays the same however many rows there are. Nothing here is about our own tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from idp.store.database import DatabaseUrlError

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Join:
    """A table joined to those before it. `on` is SQL."""

    table: str
    on: str
    kind: str = "LEFT"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: a query, or a table with its joins. `columns` are read of tables; of a query, all that it gives."""

    query: str | None = None
    table: str | None = None
    joins: Sequence[Join] = ()
    columns: Sequence[str] = ()
    where: str | None = None


@contextmanager
def reading_rows(url: str, selection: Selection) -> Iterator[Iterator[Mapping[str, Any]]]:
    """The rows as column → value; those of tables under the names as given in `columns`. Raises DatabaseUrlError, and
    SQLAlchemyError for what the database refuses."""
    engine = _open(url)
    try:
        with engine.connect() as connection:
            _make_read_only(connection)
            statement = text((selection.query or _statement(engine, selection)).replace(":", "\\:"))  # no parameters
            result = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE).execute(statement)
            names = list(result.keys()) if selection.query else list(selection.columns)
            with result:
                rows = result.yield_per(ROWS_AT_ONCE)
                yield (dict(zip(names, row, strict=True)) for row in rows)
            connection.rollback()
    finally:
        engine.dispose()


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            parsed = _read_only_sqlite(parsed)
        elif parsed.get_backend_name() in {"mysql", "mariadb"} and "charset" not in parsed.query:
            parsed = parsed.update_query_dict({"charset": "utf8mb4"})
        return create_engine(parsed, poolclass=NullPool, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise DatabaseUrlError(f"The URL of the source cannot be used ({type(error).__name__}).") from None


def _read_only_sqlite(url: URL) -> URL:
    """Opened so that not even an empty file is made."""
    if not url.database or url.database == ":memory:":
        raise ValueError("no file")
    if url.database.startswith("file:"):
        return url
    escaped = url.database.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return url.set(database=f"file:{escaped}").update_query_dict({"mode": "ro", "uri": "true"})


def _make_read_only(connection: Connection) -> None:
    kind = connection.dialect.name
    if kind == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif kind in {"mysql", "mariadb"}:
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.rollback()  # the next transaction is the first read-only one
    elif kind == "postgresql":
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        connection.commit()


def _statement(engine: Engine, selection: Selection) -> str:
    """SELECT of the columns, whose names and those of the tables are quoted as this database does."""

    def quoted(name: str) -> str:
        return ".".join(engine.dialect.identifier_preparer.quote_identifier(part) for part in name.split("."))

    columns = ", ".join(f"{quoted(name)} AS c{number}" for number, name in enumerate(selection.columns))
    statement = f"SELECT {columns} FROM {quoted(selection.table or '')}"  # noqa: S608 the operator's own words
    for join in selection.joins:
        statement += f" {join.kind} JOIN {quoted(join.table)} ON {join.on}"
    if selection.where:
        statement += f" WHERE {selection.where}"
    return statement
