"""Recovery codes as they are kept: hashes, each used once, a whole set at a time."""

import pytest
from sqlalchemy import select

from idp.store import Store
from idp.store.tables import recovery_codes
from tests.store.samples import NOW, unique
from tests.support.crowd import at_once


@pytest.mark.asvs("6.5.1")
def test_a_code_is_used_once_by_its_owner_alone(store: Store) -> None:
    mine, other, code = unique("u"), unique("u"), unique("CODE")
    store.recovery_codes.replace_all(mine, [code, unique("CODE")], now=NOW)
    assert not store.recovery_codes.claim(other, code, now=NOW)
    assert not store.recovery_codes.claim(mine, code.lower(), now=NOW)
    assert store.recovery_codes.claim(mine, code, now=NOW)
    assert not store.recovery_codes.claim(mine, code, now=NOW)
    assert store.recovery_codes.count_unused(mine) == 1


def test_a_code_is_used_by_one_of_twenty(store: Store) -> None:
    user_id, code = unique("u"), unique("CODE")
    store.recovery_codes.replace_all(user_id, [code], now=NOW)
    assert sum(at_once(20, lambda _: store.recovery_codes.claim(user_id, code, now=NOW))) == 1


def test_a_new_set_ends_the_old_one_and_no_codes_are_none(store: Store) -> None:
    user_id, old, new = unique("u"), unique("CODE"), unique("CODE")
    store.recovery_codes.replace_all(user_id, [old], now=NOW)
    store.recovery_codes.replace_all(user_id, [new], now=NOW)
    assert [store.recovery_codes.claim(user_id, code, now=NOW) for code in (old, new)] == [False, True]
    store.recovery_codes.replace_all(user_id, [], now=NOW)
    assert store.recovery_codes.count_unused(user_id) == 0


@pytest.mark.asvs("6.5.2")
def test_the_codes_themselves_are_nowhere_in_the_database(store: Store) -> None:
    user_id, code = unique("u"), unique("CODE")
    store.recovery_codes.replace_all(user_id, [code], now=NOW)
    with store.database.reading() as connection:
        rows = connection.execute(select(recovery_codes).where(recovery_codes.c.user_id == user_id)).all()
    assert code not in str(rows)
