"""Passkeys as they are kept: found by their id, used with a counter that grows."""

import secrets

import pytest

from idp.store import Store
from idp.store.passkeys import Passkey
from tests.store.samples import NOW, TEXTS, unique
from tests.support.crowd import at_once


def make_passkey(user_id: str | None = None, *, sign_count: int = 0, name: str = "Phone", length: int = 43) -> Passkey:
    credential_id = secrets.token_urlsafe(length)[:length]
    return Passkey(user_id or unique("u"), credential_id, secrets.token_urlsafe(60), sign_count, name, ("usb", "nfc"))


def added(store: Store, passkey: Passkey) -> Passkey:
    assert store.passkeys.add(passkey, now=NOW)
    return passkey


@pytest.mark.parametrize("name", TEXTS)
def test_a_passkey_is_found_as_it_was_added(store: Store, name: str) -> None:
    passkey = added(store, make_passkey(name=name, length=1364))
    found = store.passkeys.find(passkey.credential_id)
    assert found is not None
    assert (found.user_id, found.credential_id, found.public_key) == (
        passkey.user_id, passkey.credential_id, passkey.public_key)  # fmt: skip
    assert (found.name, found.transports, found.created_at, found.last_used_at) == (name, ("usb", "nfc"), NOW, None)
    assert store.passkeys.list_of(passkey.user_id) == [found]


def test_an_id_is_one_persons_whoever_comes_with_it_next(store: Store) -> None:
    passkey = added(store, make_passkey())
    thief = Passkey(unique("u"), passkey.credential_id, "another key", 0, "Mine")
    assert not store.passkeys.add(thief, now=NOW)
    found = store.passkeys.find(passkey.credential_id)
    assert found is not None
    assert (found.user_id, found.public_key) == (passkey.user_id, passkey.public_key)


@pytest.mark.spec("WebAuthn", "7.2", "MUST")
@pytest.mark.parametrize(
    ("stored", "sent", "fits"),
    [(0, 0, True), (0, 1, True), (5, 6, True), (5, 90, True), (5, 5, False), (5, 4, False), (5, 0, False)],
)
def test_the_counter_grows_or_has_never_been_there(store: Store, stored: int, sent: int, fits: bool) -> None:
    passkey = added(store, make_passkey(sign_count=stored))
    assert store.passkeys.claim_use(passkey, sign_count=sent, backed_up=True, now=NOW + 9) is fits
    found = store.passkeys.find(passkey.credential_id)
    assert found is not None
    assert (found.sign_count, found.last_used_at) == ((sent, NOW + 9) if fits else (stored, None))


def test_of_a_key_and_its_copy_at_the_same_instant_one_gets_in(store: Store) -> None:
    passkey = added(store, make_passkey(sign_count=5))
    uses = at_once(12, lambda _: store.passkeys.claim_use(passkey, sign_count=6, backed_up=False, now=NOW))
    assert sum(uses) == 1


def test_only_its_owner_removes_a_passkey(store: Store) -> None:
    user_id = unique("u")
    first, second = added(store, make_passkey(user_id)), added(store, make_passkey(user_id))
    other = added(store, make_passkey())
    assert not store.passkeys.remove(user_id, other.key)
    assert store.passkeys.remove(user_id, first.key)
    assert [each.key for each in store.passkeys.list_of(user_id)] == [second.key]
    assert store.passkeys.remove_all(user_id) == 1
    assert store.passkeys.find(other.credential_id) is not None
