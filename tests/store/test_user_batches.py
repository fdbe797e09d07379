"""Batches of an import: what is stored in one go, and what somebody does meanwhile."""

from idp.store import Store
from idp.store.user_batches import CHANGEABLE, KnownUser, UserBatches
from tests.store.samples import NOW, add_user, unique


def test_a_change_stores_everything_that_can_change(store: Store) -> None:
    user = add_user(store, email=f"{unique('a')}@example.com", password_hash="imported")
    known, batches = known_of(store, user.id), UserBatches(store.database)
    values = {name: getattr(known, name) for name in CHANGEABLE}
    changes = {"password_hash": "newer", "roles": ("admin",), "profile": {"given_name": "Zoë"}, "email_verified": True}
    assert batches.save([], [(user.id, values | changes)], now=NOW + 9)
    after = known_of(store, user.id)
    assert {name: getattr(after, name) for name in changes} == changes
    assert (after.email, after.username_key) == (known.email, known.username_key)
    assert after.password_changed_at is None


def test_a_password_that_is_chosen_during_an_import_stays(store: Store) -> None:
    user = add_user(store, password_hash="imported")
    values = {name: getattr(known_of(store, user.id), name) for name in CHANGEABLE}
    assert store.users.set_password_hash(user.id, "chosen", now=NOW + 5)
    changed = [(user.id, values | {"password_hash": "newer", "roles": ("admin",)})]
    assert UserBatches(store.database).save([], changed, now=NOW + 9)
    after = known_of(store, user.id)
    assert (after.password_hash, after.password_changed_at, after.roles) == ("chosen", NOW + 5, ("admin",))


def known_of(store: Store, user_id: str) -> KnownUser:
    [known] = UserBatches(store.database).find_known({user_id}, set())
    return known
