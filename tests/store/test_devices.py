"""Trusted browsers as they are kept: by the hash of a cookie, each person for themselves, for a while."""

import pytest
from sqlalchemy import select

from idp.store import Store
from idp.store.tables import devices
from tests.store.samples import NOW, unique

LATER = NOW + 2_592_000


def trust(store: Store, user_id: str, old: str | None = None, **where: str | None) -> str:
    cookie = unique("cookie")
    store.devices.trust(old, cookie, user_id, until=LATER, now=NOW, **where)
    return cookie


def test_trust_is_one_persons_in_one_browser_until_its_end(store: Store) -> None:
    ada, ben = unique("u"), unique("u")
    cookie = trust(store, ada)
    assert store.devices.is_trusted(cookie, ada, now=LATER - 1)
    assert not store.devices.is_trusted(cookie, ada, now=LATER)
    assert not store.devices.is_trusted(cookie, ben, now=NOW)
    assert not store.devices.is_trusted(unique("cookie"), ada, now=NOW)


def test_two_people_trust_one_browser_under_its_newest_cookie(store: Store) -> None:
    ada, ben = unique("u"), unique("u")
    first = trust(store, ada)
    second = trust(store, ben, first)
    third = trust(store, ada, second)
    assert [store.devices.is_trusted(third, user_id, now=NOW) for user_id in (ada, ben)] == [True, True]
    assert not store.devices.is_trusted(first, ada, now=NOW)
    assert not store.devices.is_trusted(second, ben, now=NOW)


def test_since_when_a_browser_is_known_stays_when_others_renew_its_cookie(store: Store) -> None:
    ada, ben, first, second = unique("u"), unique("u"), unique("cookie"), unique("cookie")
    store.devices.remember(None, first, ada, until=LATER, now=NOW)
    store.devices.remember(first, second, ben, until=LATER, now=NOW + 60)
    assert store.devices.find_known_since(second, ada, now=NOW + 60) == NOW
    assert store.devices.find_known_since(second, ben, now=NOW + 60) == NOW + 60
    assert store.devices.find_known_since(first, ada, now=NOW + 60) is None
    assert store.devices.find_known_since(second, ada, now=LATER) is None


def test_trusted_browsers_are_listed_with_where_they_are(store: Store) -> None:
    user_id = unique("u")
    trust(store, user_id)
    cookie = trust(store, user_id, address="203.0.113.9", user_agent="x" * 1000)
    assert store.devices.is_trusted(cookie, user_id, now=NOW + 60)
    newest, older = store.devices.list_trusted(user_id, now=NOW)
    assert (newest.key, newest.address, newest.user_agent) == (store.devices.key_of(cookie), "203.0.113.9", "x" * 255)
    assert (newest.last_seen_at, older.last_seen_at, older.user_agent) == (NOW + 60, NOW, None)
    assert store.devices.list_trusted(user_id, now=LATER) == []


def test_trust_ends_in_one_browser_or_in_all(store: Store) -> None:
    ada, ben = unique("u"), unique("u")
    one, two, of_ben = trust(store, ada), trust(store, ada), trust(store, ben)
    assert store.devices.end_trust(ben, store.devices.key_of(one)) == 0
    assert store.devices.end_trust(ada, store.devices.key_of(one)) == 1
    assert [store.devices.is_trusted(cookie, ada, now=NOW) for cookie in (one, two)] == [False, True]
    assert store.devices.end_trust(ada) == 1
    assert not store.devices.is_trusted(two, ada, now=NOW)
    assert store.devices.is_trusted(of_ben, ben, now=NOW)
    assert store.devices.remove_all(ada) == 2


@pytest.mark.asvs("7.2.3")
def test_the_cookie_itself_is_nowhere_in_the_database(store: Store) -> None:
    user_id = unique("u")
    cookie = trust(store, user_id)
    with store.database.reading() as connection:
        rows = connection.execute(select(devices).where(devices.c.user_id == user_id)).all()
    assert cookie not in str(rows)
