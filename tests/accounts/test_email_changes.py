"""Taking a change of address back without HTTP: once, however many try at the same instant."""

import secrets

from idp.accounts.email_changes import PURPOSE, find_undo, finish_change, finish_undo, start_change
from idp.accounts.email_proofs import find_by_link
from idp.protocol.identity import User
from idp.server import Server
from idp.store.users import NewUser
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


def test_a_change_is_taken_back_once_by_many_at_the_same_instant(house: Server) -> None:
    user = add(house)
    old, new = str(user.email), f"new-{user.username}@example.org"
    assert start_change(house, user, new, "browser", language="en", now=NOW)
    proof = find_by_link(house, token_to(house, new), purpose=PURPOSE, now=NOW)
    assert proof is not None
    assert finish_change(house, proof, user, now=NOW)
    undo = find_undo(house, token_to(house, old), now=NOW)
    assert undo is not None
    assert sum(at_once(6, lambda _: finish_undo(house, undo, now=NOW))) == 1
    assert find(house, user.id).email == old
    events = [row["event"] for row in house.store.audit_events.list(user_id=user.id)]
    assert events.count("email.change_undone") == 1
