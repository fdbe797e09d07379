"""Short-lived state: the same promises in each database and in Redis."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from idp.store import Ephemeral
from tests.store.conftest import migrated, opened
from tests.store.samples import TEXTS, unique
from tests.support.crowd import at_once
from tests.support.databases import DATABASE_KINDS
from tests.support.machine import ProgramMissing
from tests.support.services import Bench


@dataclass
class Kept:
    """A store of short-lived state with its clock, which for Redis is the real one."""

    ephemeral: Ephemeral
    is_redis: bool
    now: int = int(time.time())

    def wait(self, seconds: int) -> None:
        self.now += seconds
        if self.is_redis:
            time.sleep(seconds + 0.05)


@pytest.fixture(scope="module", params=[*DATABASE_KINDS, "redis"])
def kept(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Kept]:
    is_redis = request.param == "redis"
    try:
        redis_url = bench.fresh_redis() if is_redis else None
    except ProgramMissing as missing:
        pytest.skip(str(missing))
    with migrated(bench, "sqlite" if is_redis else request.param) as url, opened(url, redis_url) as store:
        yield Kept(store.ephemeral, is_redis)


def test_a_value_is_there_until_its_lifetime_ends(kept: Kept) -> None:
    key = unique("key")
    kept.ephemeral.put("kind", key, {"a": [1, None]}, lifetime=4, now=kept.now)
    assert kept.ephemeral.get("kind", key, now=kept.now) == {"a": [1, None]}
    kept.wait(1)
    assert kept.ephemeral.get("kind", key, now=kept.now) == {"a": [1, None]}
    kept.wait(3)
    assert kept.ephemeral.get("kind", key, now=kept.now) is None
    assert kept.ephemeral.claim_once("kind", key, now=kept.now) is None
    assert not kept.ephemeral.replace("kind", key, {"a": 2}, now=kept.now)
    assert kept.ephemeral.get("kind", key, now=kept.now) is None


def test_kinds_and_keys_are_kept_apart_byte_for_byte(kept: Kept) -> None:
    key = unique("Key")
    kept.ephemeral.put("kind", key, {"mine": True}, lifetime=60, now=kept.now)
    for kind, other in (
        ("Kind", key),
        ("other", key),
        ("kind", key.lower()),
        ("kind", f"{key} "),
        ("kind", "\0\ud800"),
    ):
        assert kept.ephemeral.get(kind, other, now=kept.now) is None, (kind, other)


def test_those_of_many_keys_that_have_a_value_are_found(kept: Kept) -> None:
    keys = [unique("Key") for _ in range(1000)]
    for key in keys[:3]:
        kept.ephemeral.put("kind", key, {}, lifetime=60 if key != keys[2] else 1, now=kept.now)
    kept.wait(1)
    assert kept.ephemeral.find_taken("kind", keys, now=kept.now) == set(keys[:2])
    assert kept.ephemeral.find_taken("kind", [each.lower() for each in keys], now=kept.now) == set()
    assert kept.ephemeral.find_taken("other", keys, now=kept.now) == set()
    assert kept.ephemeral.find_taken("kind", [], now=kept.now) == set()


def test_putting_again_replaces_value_and_lifetime(kept: Kept) -> None:
    key = unique("key")
    kept.ephemeral.put("kind", key, {"n": 1}, lifetime=1, now=kept.now)
    kept.ephemeral.put("kind", key, {"n": 2}, lifetime=60, now=kept.now)
    kept.wait(1)
    assert kept.ephemeral.get("kind", key, now=kept.now) == {"n": 2}


def test_replacing_keeps_the_lifetime(kept: Kept) -> None:
    key = unique("key")
    kept.ephemeral.put("kind", key, {"n": 1}, lifetime=3, now=kept.now)
    assert kept.ephemeral.replace("kind", key, {"n": 1}, now=kept.now), "the same value again is still a change"
    assert kept.ephemeral.replace("kind", key, {"n": 2}, now=kept.now)
    assert kept.ephemeral.get("kind", key, now=kept.now) == {"n": 2}
    kept.wait(3)
    assert kept.ephemeral.get("kind", key, now=kept.now) is None
    assert not kept.ephemeral.replace("kind", unique("unknown"), {}, now=kept.now)


@pytest.mark.spec("RFC 7523", "3", "MAY")
def test_a_taken_key_keeps_its_value_until_it_ends(kept: Kept) -> None:
    key = unique("jti")
    assert kept.ephemeral.put_new("kind", key, {"n": 1}, lifetime=3, now=kept.now)
    assert not kept.ephemeral.put_new("kind", key, {"n": 2}, lifetime=60, now=kept.now)
    assert kept.ephemeral.get("kind", key, now=kept.now) == {"n": 1}
    kept.wait(3)
    assert kept.ephemeral.put_new("kind", key, {"n": 3}, lifetime=60, now=kept.now)
    assert kept.ephemeral.get("kind", key, now=kept.now) == {"n": 3}


def test_a_value_is_claimed_once_and_then_gone(kept: Kept) -> None:
    key = unique("key")
    kept.ephemeral.put("kind", key, {"n": 1}, lifetime=60, now=kept.now)
    assert kept.ephemeral.claim_once("kind", key, now=kept.now) == {"n": 1}
    assert kept.ephemeral.claim_once("kind", key, now=kept.now) is None
    assert kept.ephemeral.get("kind", key, now=kept.now) is None
    assert not kept.ephemeral.replace("kind", key, {"n": 2}, now=kept.now), "a claimed value does not come back"
    assert kept.ephemeral.get("kind", key, now=kept.now) is None


@pytest.mark.parametrize("text", [*TEXTS, "nul\0inside", "\ud800 alone", "x" * 200_000])
def test_any_text_comes_back_unchanged(kept: Kept, text: str) -> None:
    key = unique("key")
    kept.ephemeral.put("kind", key, {text: text}, lifetime=60, now=kept.now)
    assert kept.ephemeral.get("kind", key, now=kept.now) == {text: text}


def test_sixteen_who_put_the_same_key_at_the_same_instant_all_succeed(kept: Kept) -> None:
    for key in (unique("key") for _ in range(5)):
        put = partial(kept.ephemeral.put, "kind", key, {"n": 1}, lifetime=60, now=kept.now)
        at_once(16, lambda _, put=put: put())
        assert kept.ephemeral.get("kind", key, now=kept.now) == {"n": 1}


def test_what_is_claimed_while_it_is_replaced_is_either_the_old_or_the_new_and_never_comes_back(kept: Kept) -> None:
    for key in (unique("key") for _ in range(5)):
        kept.ephemeral.put("kind", key, {"n": 1}, lifetime=60, now=kept.now)
        claim = partial(kept.ephemeral.claim_once, "kind", key, now=kept.now)
        replace = partial(kept.ephemeral.replace, "kind", key, {"n": 2}, now=kept.now)
        results = at_once(16, lambda index, acts=(replace, claim): acts[index % 2]())
        claimed = [value for value in results[1::2] if value is not None]
        assert claimed in ([{"n": 1}], [{"n": 2}])
        assert kept.ephemeral.get("kind", key, now=kept.now) is None


def test_it_says_whether_it_can_be_reached(kept: Kept) -> None:
    assert kept.ephemeral.is_reachable()


def test_a_redis_that_is_not_there_is_not_reachable(bench: Bench) -> None:
    from idp.store.ephemeral import RedisEphemeral
    from tests.support.machine import find_free_port

    assert not RedisEphemeral(f"redis://127.0.0.1:{find_free_port()}/0").is_reachable()
