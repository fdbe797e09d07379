"""Running and writing migrations with Alembic, which is loaded only here."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from idp.store.database import Database
from idp.store.tables import metadata

FOLDER = Path(__file__).parent.parent / "migrations"
_LOCK_NAME = "idp-migrations"
_LOCK_NUMBER = 7_345_001


def upgrade(database: Database) -> None:
    """Bring the schema to this version. Of several instances that start together one migrates, the others wait."""
    from alembic import command

    with database.migrating() as connection:
        _lock(connection, database.kind)
        try:
            command.upgrade(_config(connection), "head")
            connection.commit()  # before others may go: they must see what was done
        finally:
            connection.rollback()
            _unlock(connection, database.kind)


def write_revision(database: Database, message: str) -> None:
    """For developers: a new migration from the difference between the tables and a migrated database."""
    from alembic import command

    with database.migrating() as connection:
        command.revision(_config(connection), message=message, autogenerate=True)


def differences(database: Database) -> list[Any]:
    """What the database lacks or has too much, compared with the tables; empty when they agree."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with database.migrating() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def _config(connection: Connection) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _lock(connection: Connection, kind: str) -> None:
    if kind == "postgresql":
        connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": _LOCK_NUMBER})
    elif kind in {"mysql", "mariadb"}:
        while connection.execute(text("SELECT GET_LOCK(:n, 60)"), {"n": _LOCK_NAME}).scalar() != 1:
            continue  # another instance migrates a large table
    else:
        connection.begin()  # the only writer before the first look; Alembic by itself would let go in between


def _unlock(connection: Connection, kind: str) -> None:
    if kind == "postgresql":
        connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": _LOCK_NUMBER})
    elif kind in {"mysql", "mariadb"}:
        connection.execute(text("SELECT RELEASE_LOCK(:n)"), {"n": _LOCK_NAME})
