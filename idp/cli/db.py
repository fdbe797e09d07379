"""`idp db`: the schema of the database, and deleting what has expired."""

import time

import click

from idp.cli.command import Group, Refused
from idp.cli.opening import opened_database, opened_store
from idp.cli.output import answer
from idp.settings import load_settings
from idp.store.schema import is_current


@click.group(cls=Group)
def command() -> None:
    """The database: its schema, and what has expired."""


@command.command("upgrade")
def upgrade() -> None:
    """Bring the schema to this version. Old servers keep running on the new schema meanwhile."""
    with opened_database(load_settings()) as database:
        migrated = not is_current(database)
        if migrated:
            from idp.store import migrations

            migrations.upgrade(database)
    answer({"migrated": migrated}, "The database has been migrated." if migrated else "The database is up to date.")


@command.command("check")
def check() -> None:
    """Whether the schema is exactly that of this version."""
    from idp.store import migrations

    with opened_database(load_settings()) as database:
        if not is_current(database):
            raise Refused("The database schema is not that of this version; run: idp db upgrade")
        differences = migrations.differences(database)
    if differences:
        kinds = sorted({str(item[0] if isinstance(item, tuple) else item[0][0]) for item in differences})
        raise Refused(f"The database differs from this version in {len(differences)} places ({', '.join(kinds)}).")
    answer({"current": True, "differences": 0}, "The database is as this version wants it.")


@command.command("prune")
def prune() -> None:
    """Delete what has expired. Running servers do this by themselves every few minutes."""
    from idp.store import pruning

    settings = load_settings()
    with opened_store(settings) as store:
        counts = pruning.prune(store.database, now=int(time.time()), audit_retention=settings.audit_retention,
                               refusal_retention=settings.inspect_retention)  # fmt: skip
    deleted = [f"{table}: {count} deleted" for table, count in counts.items() if count]
    answer({"deleted": counts}, *(deleted or ["Nothing has expired."]))
