"""User names for people who did not choose one: always 4 to 15 ASCII letters and digits, and never used up."""

from collections.abc import Sequence
from itertools import islice

import pytest
from sqlalchemy import insert

from idp.accounts.linking import SignedIn, sign_in_with
from idp.accounts.usernames import FALLBACK, derive_usernames, reduce_to_username
from idp.server import Server
from idp.store import tables
from idp.store.users import NewUser, to_row
from tests.accounts.arrivals import NOW, add_person, arrival

NAMES = [
    pytest.param(["Grace Hopper"], "GraceHopper", id="a space goes"),
    pytest.param(["zoë škvorecká"], "zoeskvorecka", id="accents go"),
    pytest.param(["Đặng Đình"], "anginh", id="letters that are no accents go"),
    pytest.param(["ﬁona"], "fiona", id="ligature"),
    pytest.param(["ＡＤＡ１２"], "ADA12", id="full width"),
    pytest.param(["a.d-a_l@x'y"], "adalxy", id="signs go"),
    pytest.param(["x" * 40], "x" * 15, id="cut at fifteen"),
    pytest.param(["李小龍", "Bruce"], "Bruce", id="the next name when nothing is left of the first"),
    pytest.param(["Al", "Alan"], "Alan", id="the next name when the first is too short"),
    pytest.param(["1234"], "1234", id="digits alone"),
]
HOSTILE = [
    [], [""], ["   "], ["李小龍"], ["مرحبا"], ["👩‍👩‍👧‍👦"], ["\0\n\r"], ["\u202egnp.exe"], ["Al"], ["x" * 10_000],
    ["½²"], ["ﷺ" * 50], ["<script>alert(1)</script>"], ["../../etc/passwd"], ["admin@example.com"], ["u_abcdef"],
    ["\ud800abcd"],
]  # fmt: skip


def first(names: Sequence[str], count: int = 30) -> list[str]:
    return list(islice(derive_usernames(names), count))


@pytest.mark.parametrize(("names", "expected"), NAMES)
def test_the_name_itself_comes_first(names: list[str], expected: str) -> None:
    assert first(names)[0] == expected


@pytest.mark.parametrize("names", HOSTILE, ids=ascii)
def test_whatever_a_provider_says_every_candidate_is_four_to_fifteen_ascii_letters_and_digits(names: list[str]) -> None:
    for candidate in first(names):
        assert 4 <= len(candidate) <= 15, candidate
        assert candidate.isascii()
        assert candidate.isalnum()


def test_after_the_names_come_random_digits_so_that_nobody_learns_how_many_were_called_so() -> None:
    candidates = first(["Ada Lovelace", "adal"], 14)
    assert candidates[:2] == ["AdaLovelace", "adal"]
    assert all(each.startswith("AdaLovelace") and each[11:].isdigit() for each in candidates[2:])
    assert len({each[11:] for each in candidates[2:]}) > 9
    assert candidates[2:] != first(["Ada Lovelace", "adal"], 14)[2:]


def test_ten_thousand_people_of_one_name_leave_names_for_more(house: Server) -> None:
    """As where nobody's name has letters of ours: all are called by the same word."""
    taken = [f"{FALLBACK}{number:04}" for number in range(10_000)]
    users = [to_row(NewUser(f"u_{name}", name)) | {"created_at": NOW, "updated_at": NOW} for name in taken]
    with house.store.database.writing() as connection:
        connection.execute(insert(tables.users), users)
    outcome = sign_in_with(house, arrival(names=("李小龍",)), now=NOW)
    assert isinstance(outcome, SignedIn)
    assert outcome.user.username not in taken


def test_somebody_without_any_usable_name_still_gets_one() -> None:
    assert all(each.startswith(FALLBACK) and each[4:].isdigit() for each in first(["李小龍"]))
    assert all(each.startswith("Al") and each[2:].isdigit() for each in first(["Al"]))


def test_a_long_name_leaves_room_for_the_digits() -> None:
    plain, *numbered = first(["Bartholomew the Third"])
    assert plain == "BartholomewtheT"
    assert all(each.startswith("Barthol") and len(each) == 15 for each in numbered)


def test_reducing_twice_is_reducing_once() -> None:
    for names in HOSTILE:
        for name in names:
            assert reduce_to_username(reduce_to_username(name)) == reduce_to_username(name)


def test_a_name_that_is_taken_in_another_case_gets_digits(house: Server) -> None:
    add_person(house, username="hedylamarr")
    people = [sign_in_with(house, arrival(names=("Hedy Lamarr",)), now=NOW) for _ in range(5)]
    usernames = [each.user.username for each in people if isinstance(each, SignedIn)]
    assert len({name.casefold() for name in usernames} | {"hedylamarr"}) == 6
    assert all(name.startswith("HedyLamarr") and len(name) == 14 for name in usernames)


@pytest.mark.asvs("6.3.1")
def test_a_name_is_never_somebody_elses_e_mail_nor_an_identifier(house: Server) -> None:
    """Sign-in takes a user name or an e-mail, and an operator an id too: one must never be another's."""
    victim = add_person(house)
    for name in (str(victim.email), victim.id, victim.username):
        outcome = sign_in_with(house, arrival(names=(name,)), now=NOW)
        assert isinstance(outcome, SignedIn)
        assert outcome.user.username.casefold() not in {str(victim.email), victim.id, victim.username}
        for login in (str(victim.email), victim.username):
            found = house.store.users.find_for_sign_in(login)
            assert found is not None
            assert found[0].id == victim.id
