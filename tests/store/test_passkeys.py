"""Passkeys as they are kept: found by their id, used with a counter that grows."""

import secrets
from typing import Any

import pytest

from idp.store import Store
from idp.store.identities import Key, LinkedIdentity
from idp.store.passkeys import Passkey
from idp.store.ways_in import Offered
from tests.store.samples import NOW, TEXTS, add_user, unique
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


@pytest.mark.parametrize(
    ("beside", "goes"),
    [
        ({}, False),
        ({"password_hash": "hash"}, True),
        ({"email": "ada.passkeys@example.com"}, True),  # a mailbox brings a password
        ({"link": "google"}, True),
        ({"link": "retired"}, False),
        ({"passkey": True}, True),
    ],
    ids=str,
)
def test_the_passkey_that_alone_opens_an_account_stays(store: Store, beside: dict[str, Any], goes: bool) -> None:
    about = dict(beside)
    link, has_second = about.pop("link", None), about.pop("passkey", False)
    user = add_user(store, **about)
    passkey = added(store, make_passkey(user.id))
    if has_second:
        added(store, make_passkey(user.id))
    if link is not None:
        assert store.identities.add(LinkedIdentity(Key(link, "https://issuer.example", user.id), user.id, "sign_up"))
    added(store, make_passkey())  # somebody else's is no way in for this person
    offered = Offered(passwords=True, upstreams=frozenset({"google"}))
    assert store.passkeys.is_last_way_in(user.id, passkey.key, offered) is not goes
    assert store.passkeys.remove(user.id, passkey.key, offered=offered) is goes
    assert (store.passkeys.find(passkey.credential_id) is None) is goes


def test_neither_a_password_nor_a_mailbox_opens_an_account_where_there_are_no_passwords(store: Store) -> None:
    user = add_user(store, email=f"{unique('ada')}@example.com", password_hash="hash")
    passkey = added(store, make_passkey(user.id))
    assert not store.passkeys.remove(user.id, passkey.key, offered=Offered(False, frozenset()))
    assert store.passkeys.find(passkey.credential_id) is not None
