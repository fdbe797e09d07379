"""The connection itself: transactions, URLs, forks, and what an error may say."""

import os
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from idp.store import Store
from idp.store.database import Database, DatabaseUrlError
from idp.store.tables import ephemeral, users
from tests.store.samples import NOW, make_user, unique
from tests.support.machine import find_free_port


class Stop(Exception):
    """Ends a transaction half-way."""


def add(database: Database, key: str) -> None:
    with database.writing() as connection:
        connection.execute(insert(ephemeral), {"key_hash": key, "value": "{}", "expires_at": NOW})
        raise Stop


def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_works(store: Store) -> None:
    key = unique("key")
    for _ in range(20):  # more often than there are connections
        with pytest.raises(Stop):
            add(store.database, key)
    with store.database.reading() as connection:
        assert connection.execute(select(ephemeral).where(ephemeral.c.key_hash == key)).first() is None
    assert store.users.add(make_user(), now=NOW)


def test_a_reader_does_not_wait_for_a_writer_and_sees_what_is_committed(store: Store) -> None:
    key = unique("key")
    query = select(ephemeral.c.value).where(ephemeral.c.key_hash == key)
    with store.database.reading() as reader:
        with store.database.writing() as writer:
            writer.execute(insert(ephemeral), {"key_hash": key, "value": "{}", "expires_at": NOW})
            assert reader.execute(query).scalar() is None
        assert reader.execute(query).scalar() == "{}"


@pytest.mark.databases("sqlite")
def test_a_new_file_that_another_process_opens_at_the_same_instant_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself does not wait when the journal of a file changes its kind."""
    path = tmp_path / "new.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr("idp.store.database.time.sleep", wait)
        database = Database(f"sqlite:///{path}")
        assert database.is_reachable()
        database.dispose()
    assert len(waits) == 3


@pytest.mark.asvs("16.2.5")
def test_an_error_of_the_database_never_repeats_the_values_of_a_row(store: Store) -> None:
    user = make_user(password_hash="$argon2id$a-hash-that-must-stay-here")
    assert store.users.add(user, now=NOW)
    row = {"id": user.id, "username": "x", "username_key": "x", "password_hash": user.password_hash, "profile": "{}"}
    row |= {"roles": "[]", "email_verified": False, "phone_number_verified": False, "created_at": 0, "updated_at": 0}
    with pytest.raises(IntegrityError) as caught, store.database.writing() as connection:
        connection.execute(insert(users), row)
    assert "must-stay-here" not in str(caught.value)


CONNECTION_IDS = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}


@pytest.mark.databases("postgresql", "mariadb")
def test_a_forked_process_has_connections_of_its_own(migrated_url: str) -> None:
    """gunicorn loads once and forks: two processes on one connection would read each other's answers."""

    database = Database(migrated_url, pool_size=1)

    def connection_id() -> int:
        with database.reading() as connection:
            return int(connection.exec_driver_sql(CONNECTION_IDS[database.kind]).scalar_one())

    before = connection_id()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # threads of the tests are no concern
        child = os.fork()
    if child == 0:
        os._exit(1 if connection_id() == before else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connection_id() == before, "and the parent's connection is still good"
    database.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "oracle://host/name",
        "mssql+pyodbc://host/name",
        "postgresql+nosuchdriver://host/name",
        "http://x/",
    ],
)
@pytest.mark.asvs("13.4.1")
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        Database(url)
    assert "host" not in str(caught.value)


def test_a_database_that_is_not_there_is_not_reachable() -> None:
    port = find_free_port()
    for url in (f"postgresql+psycopg://u:p@127.0.0.1:{port}/x", f"mysql+pymysql://u:p@127.0.0.1:{port}/x"):
        database = Database(url)
        assert not database.is_reachable()
        database.dispose()


def test_mariadb_is_always_spoken_to_in_four_byte_utf8() -> None:
    database = Database("mysql+pymysql://u:p@127.0.0.1/x")
    assert database.engine.url.query["charset"] == "utf8mb4"
    database.dispose()


def test_sqlite_makes_its_folder_and_uses_a_write_ahead_log(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a/b/idp.sqlite3")
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.dispose()
    assert (tmp_path / "a/b/idp.sqlite3").exists()
