"""Pruning: what has expired goes, in bounded batches; nothing that is alive is ever touched."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import delete, event, func, insert, select

from idp.store import Store
from idp.store.pruning import BATCH, KEEP_SECONDS, ROUND_SECONDS, prune, prune_in_turn
from idp.store.tables import ephemeral, grants, metadata, refresh_tokens, sessions
from tests.store.samples import NOW, add_grant, add_user, make_user, redeem, sign_in_of, unique


@pytest.fixture(autouse=True)
def emptied(store: Store) -> None:
    with store.database.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(delete(table))


def add_ephemeral(store: Store, count: int, expires_at: int) -> None:
    rows = [{"key_hash": unique("key"), "value": "{}", "expires_at": expires_at} for _ in range(count)]
    with store.database.writing() as connection:
        connection.execute(insert(ephemeral), rows)


def count_of(store: Store, table: object) -> int:
    with store.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_short_lived_state_goes_at_its_end_and_not_before(store: Store) -> None:
    add_ephemeral(store, 3, NOW)
    add_ephemeral(store, 2, NOW + 1)
    assert prune(store.database, now=NOW - 1)["ephemeral"] == 0
    assert prune(store.database, now=NOW)["ephemeral"] == 3
    assert count_of(store, ephemeral) == 2
    assert prune(store.database, now=NOW)["ephemeral"] == 0


@pytest.mark.parametrize("count", [BATCH - 1, BATCH, BATCH + 1, 3 * BATCH])
def test_every_number_of_expired_rows_goes_completely(store: Store, count: int) -> None:
    add_ephemeral(store, count, NOW)
    add_ephemeral(store, 1, NOW + 1)
    assert prune(store.database, now=NOW)["ephemeral"] == count
    assert count_of(store, ephemeral) == 1


@dataclass
class Deletes:
    """How many rows each DELETE took."""

    rows: list[int]


@pytest.fixture
def deletes(store: Store) -> Iterator[Deletes]:
    seen = Deletes([])

    def after(_connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE"):
            seen.rows.append(cursor.rowcount)  # type: ignore[attr-defined]

    event.listen(store.database.engine, "after_cursor_execute", after)
    yield seen
    event.remove(store.database.engine, "after_cursor_execute", after)


def test_no_transaction_deletes_more_than_one_batch(store: Store, deletes: Deletes) -> None:
    """A long table must not keep SQLite's only writer, or many locks, from those who sign in."""
    add_ephemeral(store, 2 * BATCH + 10, NOW)
    prune(store.database, now=NOW)
    assert sum(deletes.rows) == 2 * BATCH + 10
    assert max(deletes.rows) <= BATCH
    assert len(deletes.rows) == 3, "and a table with nothing expired costs no DELETE"


def test_sessions_go_at_their_idle_or_absolute_end_whichever_is_first(store: Store) -> None:
    user = add_user(store)
    for cookie, idle, absolute in (("idle", 10, 1000), ("absolute", 1000, 10), ("alive", 11, 11)):
        sign_in = sign_in_of(user)
        store.sessions.start(cookie, unique("sid"), sign_in, now=NOW, idle=idle, absolute=absolute)
    assert prune(store.database, now=NOW + 10)["sessions"] == 2
    assert store.sessions.find("alive", now=NOW + 10, idle_lifetime=10) is not None
    assert count_of(store, sessions) == 1


def test_a_dead_token_and_its_grant_are_kept_for_a_day_so_that_a_replay_is_still_noticed(store: Store) -> None:
    grant, code = add_grant(store)
    token, successor = unique("rt"), unique("rt")
    assert redeem(store, grant, token)
    assert store.refresh_tokens.rotate(token, successor, grant.id, now=NOW + 500, expires_at=NOW + 1500)
    assert prune(store.database, now=NOW + 1000 + KEEP_SECONDS - 1) == dict.fromkeys(prune(store.database, now=0), 0)
    assert store.refresh_tokens.find(token) is not None
    assert store.grants.find_by_code(code) is not None
    assert prune(store.database, now=NOW + 1000 + KEEP_SECONDS)["refresh_tokens"] == 1
    assert store.refresh_tokens.find(token) is None
    assert store.refresh_tokens.find(successor) is not None
    end = NOW + 10_000 + 900  # the absolute end of the family, plus the life of its last access token
    assert prune(store.database, now=end + KEEP_SECONDS - 1)["grants"] == 0
    assert prune(store.database, now=end + KEEP_SECONDS)["grants"] == 1
    assert (count_of(store, grants), count_of(store, refresh_tokens)) == (0, 0)


def test_a_grant_outlives_the_last_access_token_that_can_come_of_it(store: Store) -> None:
    """Issued by a refresh in the family's last second, it must still be found, or revocation would be unknown."""
    grant, _ = add_grant(store)
    assert redeem(store, grant, unique("rt"))
    prune(store.database, now=NOW + 10_000 - 1 + 900)
    assert store.grants.find_live(grant.id, "jti") is not None


def test_a_code_that_was_never_redeemed_goes_a_day_after_its_end(store: Store) -> None:
    _, code = add_grant(store)
    prune(store.database, now=NOW + 60 + KEEP_SECONDS - 1)
    assert store.grants.find_by_code(code) is not None
    prune(store.database, now=NOW + 60 + KEEP_SECONDS)
    assert store.grants.find_by_code(code) is None


def test_a_revoked_access_token_stays_revoked_as_long_as_it_could_be_used(store: Store) -> None:
    grant, _ = add_grant(store)
    assert redeem(store, grant)
    store.grants.revoke_access_token("jti", expires_at=NOW + 900)
    prune(store.database, now=NOW + 899)
    assert store.grants.find_live(grant.id, "jti") is None
    assert prune(store.database, now=NOW + 900)["revoked_access_tokens"] == 1


def test_people_clients_consents_and_the_audit_trail_are_never_pruned(store: Store) -> None:
    user = make_user()
    assert store.users.add(user, now=0)
    store.consents.add(user.id, "client", ["email"], now=0)
    store.audit_events.append("test", at=0)
    prune(store.database, now=2**40)
    assert store.users.find(user.id) is not None
    assert store.consents.find(user.id, "client") == {"email"}
    assert len(store.audit_events.list()) == 1


def test_one_process_of_all_prunes_in_each_round(store: Store) -> None:
    add_ephemeral(store, 3, NOW)
    assert prune_in_turn(store.database, store.ephemeral, now=NOW)["ephemeral"] == 3
    add_ephemeral(store, 2, NOW)
    assert prune_in_turn(store.database, store.ephemeral, now=NOW + 1) == {}
    assert count_of(store, ephemeral) == 3, "the two new ones, and the mark of this round"
    later = NOW + ROUND_SECONDS
    assert prune_in_turn(store.database, store.ephemeral, now=later)["ephemeral"] == 2
