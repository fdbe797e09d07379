"""Refresh tokens: used once, the successor in the same transaction."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from idp.protocol.grant import Grant
from idp.store import Store
from idp.store.database import hashed
from idp.store.tables import refresh_tokens
from tests.store.samples import NOW, add_grant, redeem, unique


def add_family(store: Store) -> tuple[Grant, str]:
    grant, _ = add_grant(store)
    token = unique("rt")
    assert redeem(store, grant, token)
    return grant, token


def test_a_token_comes_back_with_its_limits_its_grant_and_its_person(store: Store) -> None:
    grant, token = add_family(store)
    stored = store.refresh_tokens.find(token)
    assert stored is not None
    assert (stored.grant, stored.user.id) == (grant, grant.user_id)
    assert (stored.expires_at, stored.ends_at) == (NOW + 1000, NOW + 10_000)
    assert (stored.used_at, stored.successor_hash, stored.is_revoked) == (None, None, False)


@pytest.mark.asvs("10.4.6")
def test_tokens_compare_byte_for_byte_and_are_stored_as_a_hash(store: Store) -> None:
    grant, token = add_family(store)
    for other in (token.upper(), f"{token} ", f"{token}\0", "", "\ud800"):
        assert store.refresh_tokens.find(other) is None, repr(other)
        assert not store.refresh_tokens.is_unused(other)
    with store.database.reading() as connection:
        rows = connection.execute(select(refresh_tokens).where(refresh_tokens.c.grant_id == grant.id)).all()
    assert len(rows) == 1
    assert token not in str(rows)


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_a_token_is_used_once_and_knows_its_successor(store: Store) -> None:
    grant, token = add_family(store)
    successor, late = unique("rt"), unique("rt")
    assert store.refresh_tokens.rotate(token, successor, grant.id, now=NOW + 10, expires_at=NOW + 1010)
    assert not store.refresh_tokens.rotate(token, late, grant.id, now=NOW + 11, expires_at=NOW + 1011)
    used, new = store.refresh_tokens.find(token), store.refresh_tokens.find(successor)
    assert used is not None
    assert new is not None
    assert (used.used_at, used.successor_hash) == (NOW + 10, hashed(successor))
    assert (new.used_at, new.expires_at, new.grant) == (None, NOW + 1010, grant)
    assert not store.refresh_tokens.is_unused(token)
    assert store.refresh_tokens.is_unused(successor)
    assert store.refresh_tokens.find(late) is None


def test_a_token_stays_unused_when_its_successor_cannot_be_stored(store: Store) -> None:
    """One transaction: no acknowledged token is lost half-way."""
    grant, token = add_family(store)
    other, taken = add_family(store)
    with pytest.raises(IntegrityError):
        store.refresh_tokens.rotate(token, taken, grant.id, now=NOW + 10, expires_at=NOW + 1010)
    assert store.refresh_tokens.is_unused(token)
    stored = store.refresh_tokens.find(taken)
    assert stored is not None
    assert stored.grant == other


def test_a_token_that_does_not_rotate_slides_until_it_is_used(store: Store) -> None:
    grant, token = add_family(store)
    assert store.refresh_tokens.slide(token, now=NOW, expires_at=NOW + 2000)
    assert store.refresh_tokens.slide(token, now=NOW, expires_at=NOW + 2000), "sliding to the same end is still sliding"
    stored = store.refresh_tokens.find(token)
    assert stored is not None
    assert (stored.expires_at, stored.used_at) == (NOW + 2000, None)
    assert store.refresh_tokens.rotate(token, unique("rt"), grant.id, now=NOW, expires_at=NOW + 1000)
    assert not store.refresh_tokens.slide(token, now=NOW, expires_at=NOW + 3000)
    assert not store.refresh_tokens.slide("unknown", now=NOW, expires_at=NOW + 3000)


def test_a_disabled_person_s_token_says_so(store: Store) -> None:
    grant, token = add_family(store)
    assert store.users.set_disabled(grant.user_id, True, now=NOW)
    stored = store.refresh_tokens.find(token)
    assert stored is not None
    assert stored.user.disabled
