"""Taking a change of address back without HTTP: once, however many try at the same instant; the older link wins."""

import secrets

import pytest

from idp.accounts.email_changes import CHANGES_KIND, PURPOSE, find_undo, finish_change, finish_undo, start_change
from idp.accounts.email_proofs import find_by_link
from idp.protocol.identity import User
from idp.server import Server
from idp.store.users import NewUser
from tests.attacks.test_accounts_enumeration import statements_of
from tests.support.crowd import at_once
from tests.support.mail import mails_to

NOW = 1_800_000_000


def add(house: Server) -> User:
    name = f"ada-{secrets.token_hex(6)}"
    assert house.store.users.add(NewUser(f"u_{name}", name, f"{name}@example.com", email_verified=True), now=NOW)
    return find(house, f"u_{name}")


def find(house: Server, user_id: str) -> User:
    found = house.store.users.find(user_id)
    assert found is not None
    return found


def token_to(house: Server, address: str) -> str:
    return mails_to(house, address)[-1].link.partition("token=")[2]


def change(house: Server, user_id: str, new: str) -> str:
    """Give the account this address; the token of the link that takes it back."""
    user = find(house, user_id)
    assert start_change(house, user, new, "browser", language="en", now=NOW)
    proof = find_by_link(house, token_to(house, new), purpose=PURPOSE, now=NOW)
    assert proof is not None
    assert finish_change(house, proof, user, now=NOW)
    return token_to(house, str(user.email))


def take_back(house: Server, token: str) -> bool:
    undo = find_undo(house, token, now=NOW)
    return undo is not None and finish_undo(house, undo, now=NOW)


def test_a_change_is_taken_back_once_by_many_at_the_same_instant(house: Server) -> None:
    user = add(house)
    old, new = str(user.email), f"new-{user.username}@example.org"
    undo = find_undo(house, change(house, user.id, new), now=NOW)
    assert undo is not None
    assert sum(at_once(6, lambda _: finish_undo(house, undo, now=NOW))) == 1
    assert find(house, user.id).email == old
    events = [row["event"] for row in house.store.audit_events.list(user_id=user.id)]
    assert events.count("email.change_undone") == 1


def test_an_intruder_who_takes_a_later_change_back_does_not_end_the_link_of_the_owner(house: Server) -> None:
    """All within one second, as a program does it."""
    user = add(house)
    first, second = f"1-{user.username}@evil.example", f"2-{user.username}@evil.example"
    owners, intruders = change(house, user.id, first), change(house, user.id, second)
    assert take_back(house, intruders)
    assert find(house, user.id).email == first
    assert take_back(house, owners)
    assert find(house, user.id).email == user.email


def test_what_was_taken_back_is_over_and_what_is_changed_afterwards_can_be_taken_back_again(house: Server) -> None:
    user = add(house)
    first, second = f"1-{user.username}@evil.example", f"2-{user.username}@evil.example"
    owners, intruders = change(house, user.id, first), change(house, user.id, second)
    assert take_back(house, owners)
    assert not take_back(house, intruders)
    again = change(house, user.id, f"3-{user.username}@example.org")
    assert not take_back(house, intruders)
    assert take_back(house, again)
    assert find(house, user.id).email == user.email


def test_an_intruder_whose_link_is_used_at_the_moment_of_the_owners_changes_nothing(house: Server) -> None:
    user = add(house)
    first, second = f"1-{user.username}@evil.example", f"2-{user.username}@evil.example"
    tokens = change(house, user.id, first), change(house, user.id, second)
    owners, intruders = (find_undo(house, token, now=NOW) for token in tokens)
    assert owners is not None
    assert intruders is not None
    assert finish_undo(house, owners, now=NOW)
    assert not finish_undo(house, intruders, now=NOW)
    assert find(house, user.id).email == user.email


def test_many_changes_before_cost_the_database_no_more_than_one(house: Server) -> None:
    asked = []
    for count in (1, 200):
        user = add(house)
        earlier = [secrets.token_hex(6) for _ in range(count)]
        house.store.lasting.put(CHANGES_KIND, user.id, {"changes": earlier}, lifetime=60, now=NOW)
        with statements_of(house) as statements:
            token = change(house, user.id, f"{count}-{user.username}@example.org")
            assert find_undo(house, token, now=NOW) is not None
        asked.append(len(statements))
    assert asked[0] == asked[1]


@pytest.mark.asvs("6.3.8")
def test_the_same_is_asked_of_the_database_whether_or_not_somebody_has_the_address(house: Server) -> None:
    known, asked = str(add(house).email), []
    for email in (known, f"x{known}"):
        with statements_of(house) as statements:
            assert start_change(house, add(house), email, "browser", language="en", now=NOW)
        asked.append([each for each in statements if "INTO users" not in each])
    assert asked[0] == asked[1]
