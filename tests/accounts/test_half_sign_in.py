"""A sign-in that owes its second factor: whose it is, for how long, and what ends it."""

import pytest

from idp.accounts.factor_changes import end_other_sessions
from idp.accounts.half_sign_in import LIFETIME_SECONDS, HalfSignIn, claim_half, find_half, forget_half, keep_half
from idp.accounts.sign_in import by_password, by_upstream
from idp.protocol.identity import User
from idp.server import Server
from idp.store.identities import Key, LinkedIdentity
from tests.accounts.people import somebody
from tests.support.crowd import at_once

NOW = 1_800_000_000


def kept(house: Server, user: User, browser: str, interaction_id: str = "i-1") -> None:
    sign_in = by_password(user, address="203.0.113.9", user_agent="Firefox")
    keep_half(house, sign_in, user, browser, interaction_id, now=NOW)


def found(house: Server, browser: str | None, interaction_id: str = "i-1", now: int = NOW) -> HalfSignIn | None:
    return find_half(house, browser, interaction_id, now=now)


@pytest.mark.asvs("6.3.3")
def test_it_is_one_browsers_for_one_request_for_ten_minutes(house: Server) -> None:
    user = somebody(house)
    kept(house, user, "b-1")
    half = found(house, "b-1", now=NOW + LIFETIME_SECONDS - 1)
    assert half is not None
    assert (half.user.id, half.sign_in) == (user.id, by_password(user, address="203.0.113.9", user_agent="Firefox"))
    for browser, interaction_id, now in (
        ("b-2", "i-1", NOW), (None, "i-1", NOW), ("b-1", "i-2", NOW), ("b-1", "", NOW), ("b-1", "i-1", NOW + 600),
    ):  # fmt: skip
        assert found(house, browser, interaction_id, now) is None


def test_it_is_finished_by_one_of_many(house: Server) -> None:
    kept(house, somebody(house), "b-3")
    half = found(house, "b-3")
    assert half is not None
    assert sum(at_once(12, lambda _: claim_half(house, half, now=NOW))) == 1
    assert found(house, "b-3") is None


def test_it_dies_with_the_password_that_it_was_made_with(house: Server) -> None:
    user = somebody(house)
    kept(house, user, "b-4")
    house.store.users.set_password_hash(user.id, "another", now=NOW)
    assert found(house, "b-4") is None


@pytest.mark.asvs("7.4.2", "7.4.3")
@pytest.mark.parametrize("how", ["signed out everywhere", "other sessions ended"])
def test_it_dies_with_the_sessions_of_its_person_and_with_nobody_elses(house: Server, how: str) -> None:
    user, other = somebody(house), somebody(house)
    kept(house, user, "b-8")
    kept(house, other, "b-9")
    if how == "signed out everywhere":
        house.store.users.sign_out_everywhere(user.id, now=NOW, why="factors reset")
    else:
        end_other_sessions(house.store, user.id, keep="s-1", now=NOW)
    assert found(house, "b-8") is None
    assert found(house, "b-9") is not None
    kept(house, user, "b-8")
    assert found(house, "b-8") is not None, "one begun within the same second, but afterwards"


@pytest.mark.asvs("7.4.3")
def test_it_dies_with_the_link_to_the_provider_that_it_was_made_over(house: Server) -> None:
    user, now = somebody(house), NOW
    keys = [Key(upstream, "https://issuer.example", user.id) for upstream in ("acme", "google")]
    for key in keys:
        assert house.store.identities.add(LinkedIdentity(key, user.id, "test", linked_at=now, last_used_at=now))
    sign_in = by_upstream(user, "acme", None, address=None, user_agent=None)
    keep_half(house, sign_in, user, "b-10", "", now=now)
    assert found(house, "b-10", "") is not None
    assert house.store.identities.remove_all(user.id) == 2
    relinked = LinkedIdentity(keys[1], user.id, "test", linked_at=now, last_used_at=now)
    assert house.store.identities.add(relinked)
    assert found(house, "b-10", "") is None


def test_it_dies_when_its_person_is_disabled_or_gone(house: Server) -> None:
    user = somebody(house)
    kept(house, user, "b-5")
    kept(house, User("u_nobody", "nobody"), "b-6")
    assert house.store.users.set_disabled(user.id, disabled=True, now=NOW)
    assert found(house, "b-5") is None
    assert found(house, "b-6") is None


def test_a_later_one_takes_its_place_and_it_can_be_forgotten(house: Server) -> None:
    first, second = somebody(house), somebody(house)
    kept(house, first, "b-7")
    kept(house, second, "b-7")
    half = found(house, "b-7")
    assert half is not None
    assert half.user.id == second.id
    forget_half(house, "b-7", "i-1", now=NOW)
    assert found(house, "b-7") is None
