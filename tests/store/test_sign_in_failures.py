"""Tries at one account, counted as one by any number of threads and processes, on every database."""

from collections.abc import Callable
from typing import Any

import pytest

from idp.store import Store
from idp.store.sign_in_failures import FREE_TRIES, wait_after
from tests.store.contenders import ACTS, THREADS, contend
from tests.store.samples import NOW, unique
from tests.support.crowd import Processes, at_once

Contest = Callable[..., list[Any]]


@pytest.fixture(params=["threads", "processes"])
def contest(request: pytest.FixtureRequest, store: Store, migrated_url: str, processes: Processes) -> Contest:
    """`contest("try_password", …)`: what every contender got."""
    if request.param == "threads":
        return lambda act, *arguments: at_once(20, lambda index: ACTS[act](store, f"t-{index}", *arguments))
    return lambda act, *arguments: processes.at_once(contend, migrated_url, None, act, *arguments)


@pytest.mark.asvs("6.3.1")
def test_parallel_tries_cannot_exceed_what_is_free(store: Store, contest: Contest) -> None:
    key = unique("key")
    for _ in range(2):
        waits = contest("try_password", key, NOW)
        assert waits.count(0) == FREE_TRIES
        assert set(waits) == {0, 30}
        assert len(waits) >= min(20, 3 * THREADS)
        assert store.sign_in_failures.forget([key], now=NOW) == FREE_TRIES


def test_after_a_wait_one_of_many_parallel_tries_is_made(store: Store, contest: Contest) -> None:
    key, now = unique("key"), NOW
    for _ in range(FREE_TRIES):
        assert store.sign_in_failures.claim(key, now=now).wait == 0
    for expected in (60, 120):
        now += store.sign_in_failures.claim(key, now=now).wait
        waits = contest("try_password", key, now)
        assert waits.count(0) == 1
        assert set(waits) == {0, expected}


def test_keys_count_apart_and_what_is_forgotten_is_no_failure(store: Store) -> None:
    one, other = unique("key"), unique("key")
    for _ in range(3):
        store.sign_in_failures.claim(one, now=NOW)
    store.sign_in_failures.claim(other, now=NOW)
    assert store.sign_in_failures.forget([one], now=NOW) == 3
    assert store.sign_in_failures.forget([one], now=NOW) == 0
    assert store.sign_in_failures.forget([], now=NOW) == 0
    assert store.sign_in_failures.claim(one, now=NOW).tries == 1
    assert store.sign_in_failures.claim(other, now=NOW).tries == 2
    assert store.sign_in_failures.forget([one, other, unique("key")], now=NOW) == 3


def test_what_was_counted_is_forgotten_after_an_hour_without_a_try(store: Store) -> None:
    key = unique("key")
    for _ in range(FREE_TRIES - 1):
        store.sign_in_failures.claim(key, now=NOW)
    assert store.sign_in_failures.forget([key], now=NOW + 3600) == 0
    assert store.sign_in_failures.claim(key, now=NOW + 3600).tries == 1


def test_the_waits_double_up_to_a_quarter_of_an_hour() -> None:
    assert [wait_after(number) for number in (4, 5, 6, 9, 10, 10_000)] == [0, 30, 60, 480, 900, 900]


def test_a_try_that_others_have_followed_is_not_given_back(store: Store) -> None:
    key = unique("key")
    first = store.sign_in_failures.claim(key, now=NOW)
    store.sign_in_failures.claim(key, now=NOW)
    store.sign_in_failures.give_back(key, first, now=NOW)
    assert store.sign_in_failures.forget([key], now=NOW) == 2
