"""What may happen once happens once: twenty threads, then three processes with six threads each, on every database."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from idp.store import Store
from idp.store.passkeys import Passkey
from idp.store.tables import refresh_tokens
from idp.store.users import NewUser
from tests.store.conftest import migrated, opened
from tests.store.contenders import ACTS, THREADS, contend
from tests.store.samples import NOW, add_grant, add_user, redeem, unique
from tests.support.crowd import Processes, at_once
from tests.support.databases import DATABASE_KINDS
from tests.support.machine import ProgramMissing
from tests.support.services import Bench

Contest = Callable[..., list[Any]]
ROUNDS = 2


@pytest.fixture(params=["threads", "processes"])
def contest(request: pytest.FixtureRequest, store: Store, migrated_url: str, processes: Processes) -> Contest:
    """`contest("rotate", …)`: what every contender got."""
    if request.param == "threads":
        return lambda act, *arguments: at_once(20, lambda index: ACTS[act](store, f"t-{index}", *arguments))
    return lambda act, *arguments: processes.at_once(contend, migrated_url, None, act, *arguments)


def only(results: list[Any]) -> Any:
    """The one result that is not None."""
    won = [result for result in results if result is not None]
    assert len(won) == 1, won
    return won[0]


def unused_tokens(store: Store, grant_id: str) -> int:
    query = select(refresh_tokens).where(refresh_tokens.c.grant_id == grant_id, refresh_tokens.c.used_at.is_(None))
    with store.database.reading() as connection:
        return len(connection.execute(query).all())


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
@pytest.mark.asvs("10.4.1")
def test_a_code_is_redeemed_by_one(store: Store, contest: Contest) -> None:
    for _ in range(ROUNDS):
        grant, _code = add_grant(store)
        token = only(contest("redeem", grant.id))
        assert store.refresh_tokens.is_unused(token)
        assert unused_tokens(store, grant.id) == 1


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_a_refresh_token_is_rotated_by_one(store: Store, contest: Contest) -> None:
    grant, _ = add_grant(store)
    token = unique("rt")
    assert redeem(store, grant, token)
    for _ in range(ROUNDS):
        token = only(contest("rotate", token, grant.id))
        assert store.refresh_tokens.is_unused(token)
        assert unused_tokens(store, grant.id) == 1


def test_a_user_name_is_given_to_one_whatever_its_case(store: Store, contest: Contest) -> None:
    for _ in range(ROUNDS):
        name = unique("Zoë")
        winner = only(contest("sign_up", name))
        found = store.users.find_for_sign_in(name)
        assert found is not None
        assert found[0].id == winner


def test_an_email_is_given_to_one(store: Store, contest: Contest) -> None:
    email = f"{unique('ada')}@example.com"
    winner = only(contest("sign_up_email", email))
    found = store.users.find_for_sign_in(email)
    assert found is not None
    assert found[0].id == winner


def test_first_consents_at_the_same_instant_are_all_remembered(store: Store, contest: Contest) -> None:
    for _ in range(ROUNDS):
        user, client_id = add_user(store), unique("client")
        count = len(contest("consent", user.id, client_id))
        assert len(store.consents.find(user.id, client_id)) == count >= 16


def test_a_grant_is_revoked_by_one(store: Store, contest: Contest) -> None:
    grant, _ = add_grant(store)
    assert contest("revoke", grant.id).count(True) == 1
    assert store.grants.find_live(grant.id, "jti") is None


def test_revoking_one_access_token_many_times_at_once_is_no_fault(store: Store, contest: Contest) -> None:
    grant, _ = add_grant(store)
    contest("revoke_access_token", f"{grant.id}.x")
    assert store.grants.find_live(grant.id, f"{grant.id}.x") is None


def add_user_with_app_and_passkeys(store: Store, count: int) -> tuple[NewUser, list[str]]:
    """The person, and the keys of their passkeys."""
    user = add_user(store)
    store.totp.save(user.id, "sealed", step=0, now=NOW)
    passkeys = [Passkey(user.id, unique("id"), "key", 0, "Key") for _ in range(count)]
    assert all(store.passkeys.add(passkey, now=NOW) for passkey in passkeys)
    return user, [passkey.key for passkey in passkeys]


def test_of_factors_that_are_removed_at_the_same_instant_one_stays(store: Store, contest: Contest) -> None:
    """Each is removed by somebody who has seen that there are others, and so was not asked."""
    for _ in range(ROUNDS):
        user, keys = add_user_with_app_and_passkeys(store, 5)
        removed = contest("remove_factor", user.id, [None, *keys])
        assert removed.count(True) == 5
        assert int(store.totp.find(user.id) is not None) + len(store.passkeys.list_of(user.id)) == 1


def test_of_the_passkeys_that_alone_open_an_account_one_stays(store: Store, contest: Contest) -> None:
    """An app beside them is a factor and opens nothing."""
    for _ in range(ROUNDS):
        user, keys = add_user_with_app_and_passkeys(store, 6)
        assert contest("remove_way_in", user.id, keys).count(True) == 5
        assert len(store.passkeys.list_of(user.id)) == 1


# --- Short-lived state, in Redis too


@pytest.fixture(scope="module", params=[*DATABASE_KINDS, "redis"])
def places(request: pytest.FixtureRequest, bench: Bench) -> Iterator[tuple[Store, str, str | None]]:
    """The stores, and the URLs through which others reach the same ones."""
    kind = "sqlite" if request.param == "redis" else request.param
    try:
        redis_url = bench.fresh_redis() if request.param == "redis" else None
    except ProgramMissing as missing:
        pytest.skip(str(missing))
    with migrated(bench, kind) as url, opened(url, redis_url) as store:
        yield store, url, redis_url


@pytest.fixture(params=["threads", "processes"])
def brief_contest(
    request: pytest.FixtureRequest, places: tuple[Store, str, str | None], processes: Processes
) -> Contest:
    store, url, redis_url = places
    if request.param == "threads":
        return lambda act, *arguments: at_once(20, lambda index: ACTS[act](store, f"t-{index}", *arguments))
    return lambda act, *arguments: processes.at_once(contend, url, redis_url, act, *arguments)


def test_a_one_time_value_is_claimed_by_one(places: tuple[Store, str, str | None], brief_contest: Contest) -> None:
    ephemeral, now = places[0].ephemeral, int(time.time())
    for _ in range(ROUNDS):
        key = unique("key")
        ephemeral.put("contended", key, {"n": 1}, lifetime=60, now=now)
        assert only(brief_contest("claim", key, now)) == {"n": 1}
        assert ephemeral.get("contended", key, now=now) is None


@pytest.mark.spec("RFC 7523", "3", "MAY")
@pytest.mark.asvs("10.4.16")
def test_a_jti_is_marked_by_one(places: tuple[Store, str, str | None], brief_contest: Contest) -> None:
    ephemeral, now = places[0].ephemeral, int(time.time())
    for _ in range(ROUNDS):
        key = unique("jti")
        winner = only(brief_contest("put_new", key, now))
        assert ephemeral.get("contended", key, now=now) == {"by": winner}


def test_a_mark_that_has_expired_is_taken_over_by_one(
    places: tuple[Store, str, str | None], brief_contest: Contest
) -> None:
    store, _, redis_url = places
    if redis_url is not None:
        assert "redis" in redis_url  # Redis drops an expired key by itself: it is the same as a new one
    now = int(time.time())
    key = unique("jti")
    assert store.ephemeral.put_new("contended", key, {"by": "before"}, lifetime=1, now=now)
    if redis_url is not None:
        time.sleep(1.1)
    only(brief_contest("put_new", key, now + 1))


def test_the_processes_are_enough_to_mean_something(processes: Processes) -> None:
    assert processes.count * THREADS >= 16
