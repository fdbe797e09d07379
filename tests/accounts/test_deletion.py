"""Deleting accounts without HTTP: the link that undoes it, and what housekeeping does."""

import secrets
from dataclasses import replace
from typing import Any

import pytest

from idp.accounts.deletion import ask_deletion, delete_due, find_by_undo_token, undo_deletion, undo_token
from idp.accounts.notices import Scene
from idp.jose.encryption import SecretBox
from idp.protocol.identity import User
from idp.server import Server
from idp.store.users import NewUser

NOW = 1_800_000_000
SCENE = Scene(NOW, "192.0.2.1")


def add(house: Server, **changes: Any) -> User:
    name = f"ada-{secrets.token_hex(6)}"
    new = NewUser(id=f"u_{name}", username=name, **({"email": f"{name}@example.com"} | changes))
    assert house.store.users.add(new, now=NOW)
    return find(house, new.id)


def find(house: Server, user_id: str) -> User:
    found = house.store.users.find(user_id)
    assert found is not None
    return found


def token_for(house: Server, user: User) -> str:
    return undo_token(house, user.id, NOW + house.settings.deletion_delay)


@pytest.mark.parametrize("user_id", ["a.b.c", "ümlaut.x", "x" * 128])
def test_the_link_works_whatever_an_id_looks_like(house: Server, user_id: str) -> None:
    unique = f"{user_id}{secrets.token_hex(4)}"[-128:]
    assert house.store.users.add(NewUser(id=unique, username=secrets.token_hex(8)), now=NOW)
    ask_deletion(house, find(house, unique), SCENE)
    found = find_by_undo_token(house, token_for(house, find(house, unique)))
    assert found is not None
    assert found.id == unique


@pytest.mark.parametrize("token", ["\ud800.x", "\x00.x", "u\x00.x", "", ".", "é", "x" * 10_000, "x.\ud800"])
def test_what_no_database_can_look_up_is_no_link(house: Server, token: str) -> None:
    assert find_by_undo_token(house, token) is None


def test_a_link_goes_on_working_after_the_secret_key_was_changed(house: Server) -> None:
    user = add(house)
    ask_deletion(house, user, SCENE)
    old = token_for(house, user)
    changed = replace(house, secret_box=SecretBox("a new secret key", [house.settings.secret_key]))
    assert find_by_undo_token(changed, old) is not None
    forgotten = replace(house, secret_box=SecretBox("a new secret key"))
    assert find_by_undo_token(forgotten, old) is None


def test_it_is_asked_for_once_and_undone_once(house: Server) -> None:
    user = add(house)
    assert ask_deletion(house, user, SCENE) == NOW + house.settings.deletion_delay
    assert ask_deletion(house, user, SCENE) is None
    assert undo_deletion(house, user, now=NOW, by="link")
    assert not undo_deletion(house, user, now=NOW, by="link")
    assert find_by_undo_token(house, token_for(house, user)) is None
    events = [row["event"] for row in house.store.audit_events.list(user_id=user.id)]
    assert events == ["user.deletion_undone", "user.deletion_asked"]


def test_housekeeping_deletes_whoever_is_due_locked_or_without_an_address(house: Server) -> None:
    delete_due(house, now=NOW + 10**8)
    people = [add(house), add(house, email=None), add(house)]
    house.store.users.set_disabled(people[2].id, True, now=NOW)
    for user in people:
        ask_deletion(house, user, SCENE)
    due = NOW + house.settings.deletion_delay
    assert delete_due(house, now=due - 1) == 0
    assert delete_due(house, now=due) == 3
    assert [house.store.users.find(user.id) for user in people] == [None] * 3


def test_the_log_of_the_end_names_nobody(house: Server, capsys: pytest.CaptureFixture[str]) -> None:
    user = add(house)
    ask_deletion(house, user, SCENE)
    capsys.readouterr()
    delete_due(house, now=NOW + house.settings.deletion_delay)
    written = capsys.readouterr()
    logged = [line for line in (written.out + written.err).splitlines() if not line.startswith("Mail to ")]
    assert not any(user.id in line or user.username in line for line in logged)
