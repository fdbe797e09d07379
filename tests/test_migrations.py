"""Migrations: they make exactly the tables of the code, once, whoever runs them at the same time, and can be undone."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event, inspect, text

from idp.store import migrations
from idp.store.database import Database
from idp.store.schema import is_current
from tests.support.crowd import wait_for


@pytest.fixture
def database(fresh_database: str) -> Iterator[Database]:
    database = Database(fresh_database)
    yield database
    database.dispose()


def downgrade(database: Database, revision: str) -> None:
    from alembic import command

    with database.migrating() as connection:
        command.downgrade(migrations._config(connection), revision)


def tables_of(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names())


def revisions_of(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def test_migrations_make_the_tables_of_the_code(database: Database) -> None:
    migrations.upgrade(database)
    assert migrations.differences(database) == []


def test_a_difference_between_tables_and_migrations_would_be_found(database: Database) -> None:
    """The test above must be able to fail: a column lost, an index lost, a table too many."""
    migrations.upgrade(database)
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE users DROP COLUMN phone_number")
        Table("too_many", MetaData(), Column("id", Integer, primary_key=True)).create(connection)
    found = str(migrations.differences(database))
    assert "phone_number" in found
    assert "too_many" in found


def test_upgrading_again_changes_nothing(database: Database) -> None:
    migrations.upgrade(database)
    before = (tables_of(database), revisions_of(database))
    migrations.upgrade(database)
    assert (tables_of(database), revisions_of(database)) == before
    assert migrations.differences(database) == []


def _upgrade(url: str, starts_at: float) -> None:
    database = Database(url)
    wait_for(starts_at)
    migrations.upgrade(database)
    database.dispose()


def test_instances_that_start_together_on_an_empty_database_migrate_it_once(
    fresh_database: str, database: Database
) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_warm_up, range(3)))
        futures = [pool.submit(_upgrade, fresh_database, time.time() + 0.3) for _ in range(3)]
        for future in futures:
            future.result(60)
    assert len(revisions_of(database)) == 1
    assert migrations.differences(database) == []


@pytest.mark.databases("sqlite")
def test_a_file_has_one_writer_from_the_first_look_to_the_last_change(database: Database) -> None:
    """SQLite has no lock by a name: whoever looks in the middle would begin in the middle."""
    commits: list[object] = []
    event.listen(database.engine, "commit", commits.append)
    migrations.upgrade(database)
    assert len(commits) == 1
    assert migrations.differences(database) == []


def _warm_up(_number: int) -> None:
    import alembic.command  # noqa: F401 - loaded before the moment

    time.sleep(0.2)


def test_an_instance_waits_until_another_has_finished_migrating(fresh_database: str, database: Database) -> None:
    """What the first one did must be committed before the second one looks."""
    seen: list[str] = []
    first = Database(fresh_database)
    original = migrations._unlock

    def look_while_unlocking(connection: Any, kind: str) -> None:
        seen.extend(revisions_of(database))
        original(connection, kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "_unlock", look_while_unlocking)
        migrations.upgrade(first)
    first.dispose()
    assert seen == revisions_of(database)


def test_a_failed_migration_gives_the_lock_back_and_can_be_tried_again(database: Database) -> None:
    from alembic import command

    class Broken(Exception):
        pass

    def fail(*_: object) -> None:
        raise Broken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", fail)
        with pytest.raises(Broken):
            migrations.upgrade(database)
    migrations.upgrade(database)
    assert migrations.differences(database) == []


def test_everything_can_be_undone_and_done_again(database: Database) -> None:
    migrations.upgrade(database)
    downgrade(database, "base")
    assert tables_of(database) == {"alembic_version"}
    assert not is_current(database)
    migrations.upgrade(database)
    assert migrations.differences(database) == []
    assert is_current(database)


def test_an_empty_or_unknown_database_is_not_current(database: Database) -> None:
    assert not is_current(database)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    assert not is_current(database)


def test_code_runs_on_a_schema_that_is_newer_than_itself(database: Database) -> None:
    """Rolling deployment: the new version has migrated, the old one still serves; a known older schema is refused."""
    migrations.upgrade(database)
    assert is_current(database)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffff_later'")
    assert is_current(database)


@pytest.mark.databases("sqlite")
def test_every_revision_is_in_one_line_without_branches() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    scripts = ScriptDirectory.from_config(config)
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


@pytest.mark.databases("postgresql", "mariadb")
def test_no_column_depends_on_the_time_zone_of_the_server(database: Database) -> None:
    """Times are integers: seconds since the epoch."""
    migrations.upgrade(database)
    kinds = {
        str(column["type"]).split("(")[0]
        for table in tables_of(database)
        for column in inspect(database.engine).get_columns(table)
    }
    assert not {kind for kind in kinds if "TIME" in kind or "DATE" in kind}
