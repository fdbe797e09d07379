"""The ring of refusals: bounded by age and by number, whole on every database, and found by an id alone."""

from collections.abc import Iterator

import pytest
from sqlalchemy import delete

from idp.store import Store, pruning
from idp.store.pruning import prune
from idp.store.refusals import Refusal
from idp.store.tables import refusals
from tests.store.samples import NOW, unique

DAY = 86_400


@pytest.fixture(autouse=True)
def emptied(store: Store) -> Iterator[None]:
    yield
    with store.database.writing() as connection:
        connection.execute(delete(refusals))


def test_what_was_kept_is_found_by_its_id_and_nothing_else(store: Store) -> None:
    document = {"findings": [{"check": "x", "received": "\0 \ud800 é 中 \u202e"}], "n": 1}
    kept = Refusal(unique("id"), NOW, "invalid_grant", "client", document)
    store.refusals.add(kept)
    assert store.refusals.find(kept.request_id) == kept
    for other in ("", kept.request_id.upper(), kept.request_id + " ", kept.request_id + "\0", "\ud800", "x" * 500):
        assert store.refusals.find(other) is None


def test_the_newest_come_first_those_of_one_client_where_it_is_named(store: Store) -> None:
    for number in range(4):
        store.refusals.add(Refusal(f"id-{number}", NOW, "x" * 100, "a" if number % 2 else None))
    assert [each.request_id for each in store.refusals.list()] == ["id-3", "id-2", "id-1", "id-0"]
    assert [each.request_id for each in store.refusals.list(client_id="a")] == ["id-3", "id-1"]
    assert [each.request_id for each in store.refusals.list(limit=1)] == ["id-3"]


def test_what_is_too_old_goes(store: Store) -> None:
    for age in (DAY + 1, DAY, DAY - 1):
        store.refusals.add(Refusal(f"age {age}", NOW - age, "x"))
    assert prune(store.database, now=NOW)["refusals"] == 0, "without a retention, age does not count"
    assert prune(store.database, now=NOW, refusal_retention=DAY)["refusals"] == 2
    assert [each.request_id for each in store.refusals.list()] == [f"age {DAY - 1}"]
    assert prune(store.database, now=NOW, refusal_retention=0)["refusals"] == 1


def test_no_more_than_the_newest_stay_however_young_they_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "KEPT", 3)
    for number in range(7):
        store.refusals.add(Refusal(f"id-{number}", NOW, "x"))
    assert prune(store.database, now=NOW, refusal_retention=DAY)["refusals"] == 4
    assert [each.request_id for each in store.refusals.list()] == ["id-6", "id-5", "id-4"]
