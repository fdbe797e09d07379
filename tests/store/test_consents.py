"""Consents: by person, client and scope; they grow, and are withdrawn as a whole."""

import pytest

from idp.store import Store
from tests.store.samples import NOW, add_grant, add_user, unique


def test_nobody_has_allowed_anything_before_they_were_asked(store: Store) -> None:
    assert store.consents.find(add_user(store).id, "client") == frozenset()


def test_scopes_allowed_later_are_added_to_those_allowed_before(store: Store) -> None:
    user, client_id = add_user(store), unique("client")
    for scopes in (["email"], ["profile", "email"], [], ["offline_access"]):
        store.consents.add(user.id, client_id, scopes, now=NOW)
    assert store.consents.find(user.id, client_id) == {"email", "profile", "offline_access"}


@pytest.mark.spec("RFC 9700", "4.1", "MUST")
def test_a_consent_is_for_one_person_and_one_client_byte_for_byte(store: Store) -> None:
    user, client_id = add_user(store), unique("Client")
    store.consents.add(user.id, client_id, ["email"], now=NOW)
    assert store.consents.find(user.id, client_id.lower()) == frozenset()
    assert store.consents.find(user.id.upper(), client_id) == frozenset()
    assert store.consents.find(add_user(store).id, client_id) == frozenset()


def test_hundreds_of_long_scopes_are_remembered(store: Store) -> None:
    user, scopes = add_user(store), [f"https://api.example.com/{'x' * 300}/{number}" for number in range(300)]
    store.consents.add(user.id, "client", scopes, now=NOW)
    assert store.consents.find(user.id, "client") == set(scopes)


@pytest.mark.asvs("10.7.3")
def test_a_withdrawn_consent_revokes_what_was_granted_to_that_client_only(store: Store) -> None:
    user, client_id, other_id = add_user(store), unique("client"), unique("other")
    for each in (client_id, other_id):
        store.consents.add(user.id, each, ["email"], now=NOW)
    dead, _ = add_grant(store, user_id=user.id, client_id=client_id)
    kept, _ = add_grant(store, user_id=user.id, client_id=other_id)
    foreign, _ = add_grant(store, client_id=client_id)
    assert store.consents.revoke(user.id, client_id, now=NOW)
    assert not store.consents.revoke(user.id, client_id, now=NOW)
    assert store.consents.find(user.id, client_id) == frozenset()
    assert store.consents.find(user.id, other_id) == {"email"}
    assert store.grants.find_live(dead.id, "jti") is None
    assert store.grants.find_live(kept.id, "jti") is not None
    assert store.grants.find_live(foreign.id, "jti") is not None
