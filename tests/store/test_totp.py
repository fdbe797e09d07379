"""Authenticator apps as they are kept: one each, and a time step once."""

import pytest

from idp.store import Store
from tests.store.samples import NOW, unique
from tests.support.crowd import at_once


def test_an_app_is_found_as_it_was_saved_and_a_new_one_takes_its_place(store: Store) -> None:
    user_id = unique("u")
    assert store.totp.find(user_id) is None
    store.totp.save(user_id, "sealed", step=5, now=NOW)
    store.totp.save(user_id, "sealed anew", step=7, now=NOW + 1)
    found = store.totp.find(user_id)
    assert found is not None
    assert (found.secret, found.last_step, found.created_at, found.last_used_at) == ("sealed anew", 7, NOW + 1, None)
    assert "sealed" not in repr(found)


def test_one_that_replaces_none_is_saved_by_one_of_twenty(store: Store) -> None:
    user_id = unique("u")
    saved = at_once(20, lambda index: store.totp.save(user_id, f"sealed {index}", step=0, now=NOW, replaces=False))
    assert saved.count(True) == 1
    found = store.totp.find(user_id)
    assert found is not None
    assert found.secret == f"sealed {saved.index(True)}"


@pytest.mark.spec("RFC 6238", "5.2", "MUST NOT")
@pytest.mark.asvs("6.5.1")
def test_a_step_is_used_once_and_takes_those_before_it_along(store: Store) -> None:
    user_id = unique("u")
    store.totp.save(user_id, "sealed", step=5, now=NOW)
    claims = [store.totp.claim_step(user_id, step, now=NOW + step) for step in (5, 8, 8, 7, 9)]
    assert claims == [False, True, False, False, True]
    found = store.totp.find(user_id)
    assert found is not None
    assert (found.last_step, found.last_used_at) == (9, NOW + 9)


@pytest.mark.spec("RFC 6238", "5.2", "MUST NOT")
def test_a_step_is_used_by_one_of_twenty(store: Store) -> None:
    user_id = unique("u")
    store.totp.save(user_id, "sealed", step=0, now=NOW)
    assert sum(at_once(20, lambda _: store.totp.claim_step(user_id, 5, now=NOW))) == 1


def test_nobody_elses_app_is_touched(store: Store) -> None:
    mine, other = unique("u"), unique("u")
    for user_id in (mine, other):
        store.totp.save(user_id, "sealed", step=0, now=NOW)
    assert store.totp.remove(mine)
    assert not store.totp.remove(mine)
    assert not store.totp.claim_step(mine, 5, now=NOW)
    assert store.totp.claim_step(other, 5, now=NOW)
