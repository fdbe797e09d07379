"""Browser sessions: within their limits, under one cookie value at a time, of people who are not disabled."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from idp.protocol.identity import Session
from idp.store import Store
from idp.store.sessions import TOUCH_AFTER_SECONDS
from idp.store.tables import sessions
from tests.store.samples import FAMILY, NOW, TEXTS, add_user, sign_in_of, unique
from tests.support.crowd import at_once

IDLE, ABSOLUTE = 600, 3600


def start(store: Store, cookie: str, *, now: int = NOW, user_id: str | None = None, **changes: object) -> Session:
    user = add_user(store)
    sign_in = sign_in_of(user, **({"user_id": user_id or user.id} | changes))
    return store.sessions.start(cookie, unique("sid"), sign_in, now=now, idle=IDLE, absolute=ABSOLUTE)


def find(store: Store, cookie: str, now: int) -> Session | None:
    found = store.sessions.find(cookie, now=now, idle_lifetime=IDLE)
    return found[0] if found is not None else None


def test_a_session_comes_back_with_its_person(store: Store) -> None:
    user, cookie = add_user(store), unique("cookie")
    started = start(store, cookie, user_id=user.id, amr=("pwd", "otp"), acr="two")
    found = store.sessions.find(cookie, now=NOW + 1, idle_lifetime=IDLE)
    assert found is not None
    assert found[0] == started
    assert (found[0].amr, found[0].acr, found[0].auth_time, found[1].id) == (("pwd", "otp"), "two", NOW, user.id)


@pytest.mark.asvs("7.2.2")
def test_only_the_hash_of_the_cookie_is_stored(store: Store) -> None:
    cookie = unique("cookie")
    session = start(store, cookie)
    with store.database.reading() as connection:
        row = connection.execute(select(sessions).where(sessions.c.sid == session.sid)).one()
    assert not any(cookie in str(value) for value in row)


def test_cookies_compare_byte_for_byte(store: Store) -> None:
    cookie = unique("Cookie")
    start(store, cookie)
    for other in (cookie.lower(), cookie.upper(), f"{cookie} ", f" {cookie}", cookie[:-1], f"{cookie}\0", "\ud800", ""):
        assert find(store, other, NOW) is None, repr(other)


@pytest.mark.asvs("7.3.1")
def test_a_session_ends_when_it_was_not_used_for_its_idle_lifetime(store: Store) -> None:
    cookie = unique("cookie")
    start(store, cookie)
    assert find(store, cookie, NOW + IDLE - 1) is not None
    assert find(store, cookie, NOW + IDLE - 1 + IDLE - 1) is not None, "use must have moved the end"
    assert find(store, cookie, NOW + 3 * IDLE - 2) is None


@pytest.mark.asvs("7.3.2")
def test_a_session_ends_at_its_absolute_limit_however_busy_it_is(store: Store) -> None:
    cookie = unique("cookie")
    start(store, cookie)
    for now in range(NOW, NOW + ABSOLUTE, IDLE // 2):
        assert find(store, cookie, now) is not None
    assert find(store, cookie, NOW + ABSOLUTE - 1) is not None
    assert find(store, cookie, NOW + ABSOLUTE) is None


def test_use_is_written_down_at_most_once_a_minute(store: Store) -> None:
    cookie = unique("cookie")
    session = start(store, cookie)
    for now, seen in ((NOW + TOUCH_AFTER_SECONDS - 1, NOW), (NOW + TOUCH_AFTER_SECONDS, NOW + TOUCH_AFTER_SECONDS)):
        assert find(store, cookie, now) is not None
        with store.database.reading() as connection:
            assert (
                connection.execute(select(sessions.c.last_seen_at).where(sessions.c.sid == session.sid)).scalar()
                == seen
            )


@pytest.mark.asvs("7.2.4")
def test_a_renewed_session_goes_on_under_a_new_cookie_and_the_old_one_is_dead(store: Store) -> None:
    user, old, new = add_user(store), unique("old"), unique("new")
    session = start(store, old, user_id=user.id)
    limits = {"now": NOW + 50, "idle": IDLE, "absolute": ABSOLUTE}
    assert store.sessions.renew(old, new, sign_in_of(user, acr="two", amr=("pwd", "otp")), **limits)
    assert find(store, old, NOW + 50) is None
    renewed = find(store, new, NOW + 50)
    assert renewed is not None
    assert (renewed.sid, renewed.auth_time, renewed.acr) == (session.sid, NOW + 50, "two")
    assert not store.sessions.renew(old, unique("third"), sign_in_of(user), **limits)


@pytest.mark.asvs("7.2.4")
def test_another_person_cannot_renew_a_session(store: Store) -> None:
    owner, other, old, new = add_user(store), add_user(store), unique("old"), unique("new")
    start(store, old, user_id=owner.id)
    assert not store.sessions.renew(old, new, sign_in_of(other), now=NOW, idle=IDLE, absolute=ABSOLUTE)
    assert find(store, new, NOW) is None
    found = find(store, old, NOW)
    assert found is not None
    assert found.user_id == owner.id


def test_a_session_is_renewed_once_by_sixteen_requests_at_the_same_instant(store: Store) -> None:
    user, old = add_user(store), unique("old")
    start(store, old, user_id=user.id)
    cookies = [unique("new") for _ in range(16)]
    limits = {"now": NOW, "idle": IDLE, "absolute": ABSOLUTE}
    renewed = at_once(16, lambda index: store.sessions.renew(old, cookies[index], sign_in_of(user), **limits))
    assert renewed.count(True) == 1
    alive = [find(store, cookie, NOW) is not None for cookie in cookies]
    assert alive == renewed


@pytest.mark.asvs("7.4.1")
def test_an_ended_session_is_nobody(store: Store) -> None:
    cookie = unique("cookie")
    session = start(store, cookie)
    assert store.sessions.end(session.sid)
    assert not store.sessions.end(session.sid)
    assert find(store, cookie, NOW) is None


def test_a_session_of_somebody_who_is_not_there_is_nobody(store: Store) -> None:
    cookie = unique("cookie")
    start(store, cookie, user_id="u-never-was")
    assert find(store, cookie, NOW) is None


@pytest.mark.parametrize("agent", [*TEXTS, "x" * 4000, FAMILY * 100, "", None])
def test_whatever_a_browser_calls_itself_is_no_reason_to_fail(store: Store, agent: str | None) -> None:
    cookie = unique("cookie")
    start(store, cookie, user_agent=agent, address="2001:db8:0000:0000:0000:0000:0000:0001")
    assert find(store, cookie, NOW) is not None


def test_two_sessions_never_share_a_sid(store: Store) -> None:
    user, sid = add_user(store), unique("sid")
    limits = {"now": NOW, "idle": IDLE, "absolute": ABSOLUTE}
    store.sessions.start(unique("one"), sid, sign_in_of(user), **limits)
    with pytest.raises(IntegrityError):
        store.sessions.start(unique("two"), sid, sign_in_of(user), **limits)
