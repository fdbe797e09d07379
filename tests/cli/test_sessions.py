"""`idp sessions`: who is signed in is listed, and signed out by session, by person, or altogether."""

import time

import pytest

from idp.store import Store
from idp.store.sessions import SignIn
from tests.cli.conftest import Idp, events


def start(store: Store, login: str, sid: str) -> str:
    found = store.users.find_for_sign_in(login)
    assert found is not None
    sign_in = SignIn(found[0].id, "aal1", ("pwd",), "192.0.2.17", "Firefox")
    store.sessions.start(f"cookie {sid}", sid, sign_in, now=int(time.time()), idle=600, absolute=600)
    return found[0].id


@pytest.fixture
def people(idp: Idp, store: Store) -> dict[str, str]:
    for name in ("ada", "grace"):
        assert idp("users", "add", name, "--random-password").code == 0
    return {
        "ada": start(store, "ada", "s1"),
        "ada too": start(store, "ada", "s2"),
        "grace": start(store, "grace", "s3"),
    }


def alive(store: Store) -> set[str]:
    return {each.sid for each in store.sessions.list_live(now=int(time.time()))}


def test_sessions_are_listed_with_their_person_and_never_with_their_cookie(
    idp: Idp, people: dict[str, str], store: Store
) -> None:
    listed = idp("sessions", "list", "--json").json
    assert {(each["sid"], each["username"]) for each in listed} == {("s1", "ada"), ("s2", "ada"), ("s3", "grace")}
    assert listed[0]["address"] == "192.0.2.17"
    assert "cookie" not in idp("sessions", "list").out
    assert [each["sid"] for each in idp("sessions", "list", "--user", "grace", "--json").json] == ["s3"]


def test_a_session_is_found_by_its_name_and_comes_with_the_name_of_its_person(
    people: dict[str, str], store: Store
) -> None:
    now = int(time.time())
    assert [each.sid for each in store.sessions.list_live(now=now, sid="s2")] == ["s2"]
    assert store.sessions.list_live(people["grace"], now=now, sid="s2") == []
    assert {each.username for each in store.sessions.list_live(now=now)} == {"ada", "grace"}


@pytest.mark.asvs("7.4.5")
@pytest.mark.parametrize(
    ("arguments", "left"),
    [(("s1",), {"s2", "s3"}), (("--user", "ada"), {"s3"}), (("--all",), set())],
)
def test_sessions_are_ended_by_name_by_person_or_altogether(
    idp: Idp, people: dict[str, str], store: Store, arguments: tuple[str, ...], left: set[str]
) -> None:
    answer = idp("sessions", "end", *arguments, "--json")
    assert (answer.code, answer.json) == (0, {"ended": 3 - len(left)})
    assert alive(store) == left
    assert events(store).count("session.ended") == 3 - len(left)
    half_ended = [store.users.count_sign_outs(people[name]) > 0 for name in ("ada", "grace")]
    assert half_ended == ["s1" not in arguments, "--all" in arguments], "what owes its second factor"


def test_nothing_is_ended_by_mistake(idp: Idp, people: dict[str, str], store: Store) -> None:
    assert idp("sessions", "end").code == 2
    assert idp("sessions", "end", "s1", "--all").code == 2
    assert idp("sessions", "end", "nobodys").code == 1
    assert idp("sessions", "end", "--user", "nobody").code == 1
    assert alive(store) == {"s1", "s2", "s3"}
