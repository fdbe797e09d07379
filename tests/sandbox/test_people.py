"""Who can be chosen, and what is remembered of them."""

import pytest

from idp.sandbox import people
from idp.sandbox.people import People, UnknownPerson


@pytest.fixture
def crowd() -> People:
    return People("oidc", lambda seed: seed.hex()[:12], "kim@example.com", relay=False)


def test_fixed_people_are_the_same_in_every_process(crowd: People) -> None:
    other = People("oidc", lambda seed: seed.hex()[:12], "kim@example.com", relay=False)
    assert crowd.choose("known", {}) == other.choose("known", {})


def test_fixed_people_of_two_providers_share_no_identifier(crowd: People) -> None:
    other = People("google", lambda seed: seed.hex()[:12], "kim@example.com", relay=False)
    assert crowd.choose("known", {}).subject != other.choose("known", {}).subject


def test_nobody_is_found_by_a_value_that_was_never_offered(crowd: People) -> None:
    for value in ("", "relay", "cancel", "somebody"):
        with pytest.raises(UnknownPerson):
            crowd.choose(value, {})


def test_the_latest_visitor_is_offered_first(crowd: People) -> None:
    first, second = crowd.choose("new", {}), crowd.choose("new", {})
    offered = [choice.value for choice in crowd.choices() if choice.value in (first.subject, second.subject)]
    assert offered == [second.subject, first.subject]
    crowd.choose(first.subject, {})
    offered = [choice.value for choice in crowd.choices() if choice.value in (first.subject, second.subject)]
    assert offered == [first.subject, second.subject]


def test_only_so_many_people_are_remembered(crowd: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MAX_RETURNING", 2)
    first = crowd.choose("new", {})
    for _ in range(2):
        crowd.choose("new", {})
    with pytest.raises(UnknownPerson):
        crowd.choose(first.subject, {})


def test_user_names_are_letters_and_digits_whatever_the_name(crowd: People) -> None:
    for name in ("Léon Dubois", "李 雷", "O'Brien X", "-"):
        username = crowd.choose("new", {"name": name}).username
        assert username.isascii()
        assert username.isalnum()
        assert username == username.lower()
