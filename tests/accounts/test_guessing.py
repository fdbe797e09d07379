"""What tries at a password count under, how the waits grow, what is forgotten, and what the owner is told."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from idp.accounts.guessing import Counted, claim_try, find_counted, note_failure, note_sign_in
from idp.accounts.sign_in import by_password, by_upstream
from idp.mail import read_mail
from idp.protocol.identity import User
from idp.server import Server
from idp.store.pruning import prune
from idp.store.sign_in_failures import FREE_TRIES, LONGEST_WAIT_SECONDS
from idp.store.tables import mail_outbox, sign_in_failures
from idp.store.users import NewUser

NOW, DAY = 1_800_000_000, 86_400
WHERE: dict[str, Any] = {"address": "192.0.2.7", "user_agent": "TestBrowser/1.0"}


@pytest.fixture
def ada(house: Server) -> User:
    return add_person(house)


@pytest.fixture
def nobody() -> str:
    return f"nobody{secrets.token_hex(4)}"


@pytest.fixture(autouse=True)
def empty_outbox(house: Server) -> Iterator[None]:
    yield
    with house.store.database.writing() as connection:
        connection.execute(mail_outbox.delete())


def add_person(house: Server, **changes: Any) -> User:
    name = f"ada{secrets.token_hex(5)}"
    new = NewUser(f"u_{secrets.token_hex(13)}", name, f"{name}@example.com", email_verified=True, **changes)
    assert house.store.users.add(new, now=NOW)
    found = house.store.users.find(new.id)
    assert found is not None
    return found


def know(house: Server, user: User, *, until: int = NOW + DAY, since: int = NOW, old: str | None = None) -> str:
    """A browser that this person has signed in with; its cookie. `old`: the one that it had before."""
    cookie = secrets.token_urlsafe(32)
    house.store.devices.remember(old, cookie, user.id, until=until, now=since)
    return cookie


def fail(house: Server, login: str, device: str | None = None, *, now: int = NOW) -> int:
    """One wrong try; the seconds to wait if it could not be made."""
    counted = find_counted(house, login, device, now=now)
    claim = claim_try(house, counted, now=now)
    if not claim.wait:
        note_failure(house, counted, claim, address="192.0.2.66", now=now)
    return claim.wait


def fail_until_blocked(house: Server, login: str, device: str | None = None, *, now: int = NOW) -> None:
    for _ in range(FREE_TRIES):
        assert fail(house, login, device, now=now) == 0


def mails(house: Server) -> list[tuple[str, str, str]]:
    """(template, recipient, text), the oldest first; those to nobody too."""
    with house.store.database.reading() as connection:
        ids = list(connection.execute(select(mail_outbox.c.id).order_by(mail_outbox.c.id)).scalars())
    found = []
    for mail_id in ids:
        mail = house.store.mail_outbox.find(mail_id)
        assert mail is not None
        content = read_mail(house, mail)
        found.append((mail.template, mail.recipient, "" if content is None else content.text))
    return found


def arrive(house: Server, user: User, device: str | None, *, is_first: bool = False, now: int = NOW) -> None:
    note_sign_in(house, user, by_password(user, **WHERE), device, is_first=is_first, now=now)


# --- Waits


@pytest.mark.asvs("6.3.1")
def test_a_few_tries_are_free_and_then_each_makes_the_next_wait_longer(house: Server, ada: User) -> None:
    now, waits = NOW, []
    for number in range(FREE_TRIES + 8):
        assert fail(house, ada.username, now=now) == 0, number
        wait = fail(house, ada.username, now=now) if number + 1 >= FREE_TRIES else 0
        assert wait == 0 or fail(house, ada.username, now=now + wait - 1) == 1, "not a second earlier"
        waits.append(wait)
        now += wait
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900, 900]
    assert max(waits) == LONGEST_WAIT_SECONDS == 900


def test_tries_during_a_wait_do_not_make_it_longer(house: Server, ada: User) -> None:
    fail_until_blocked(house, ada.username)
    assert [fail(house, ada.username, now=NOW + seconds) for seconds in (0, 10, 29)] == [30, 20, 1]
    assert fail(house, ada.username, now=NOW + 30) == 0


def test_what_is_counted_is_forgotten_after_an_hour_or_a_day_once_there_was_a_wait(house: Server, ada: User) -> None:
    for _ in range(FREE_TRIES - 1):
        fail(house, ada.username)
    for _ in range(FREE_TRIES):
        assert fail(house, ada.username, now=NOW + 3600) == 0
    later = NOW + 3600 + 30 + DAY
    assert fail(house, ada.username, now=later - 1) == 0
    assert fail(house, ada.username, now=later - 1) == 60, "within the day it goes on where it was"
    much_later = later + 2 * DAY
    for _ in range(FREE_TRIES):
        assert fail(house, ada.username, now=much_later) == 0


def test_a_try_that_was_never_made_is_given_back(house: Server, ada: User) -> None:
    for _ in range(3 * FREE_TRIES):
        counted = find_counted(house, ada.username, None, now=NOW)
        claim = claim_try(house, counted, now=NOW)
        assert claim.wait == 0
        house.store.sign_in_failures.give_back(counted.key, claim, now=NOW)


@pytest.mark.asvs("16.3.3")
def test_a_blocked_try_is_an_event_once_a_minute(house: Server, ada: User, nobody: str) -> None:
    for login in (ada.username, nobody):
        fail_until_blocked(house, login)
        for seconds in (0, 1, 2):
            assert fail(house, login, now=NOW + seconds)
    events = [event for event in house.store.audit_events.list(limit=1000) if event["event"] == "sign_in.limited"]
    assert [event["user_id"] for event in events[:2]] == [None, ada.id]
    assert nobody not in str(events)


# --- Whose tries count together


def test_spellings_of_one_name_count_together(house: Server, ada: User) -> None:
    for spelling in (
        ada.username,
        ada.username.upper(),
        f"  {ada.username} ",
        "\uff41" + ada.username[1:],
        ada.username,
    ):
        assert fail(house, spelling) == 0
    assert fail(house, ada.username.title()) == 30


@pytest.mark.asvs("6.3.8")
def test_the_two_names_of_an_account_do_not_tell_that_they_are_one(house: Server, ada: User) -> None:
    assert ada.email is not None
    fail_until_blocked(house, ada.username)
    assert fail(house, ada.username) == 30
    assert fail(house, ada.email) == 0


@pytest.mark.asvs("6.1.1", "6.3.1")
def test_a_known_browser_is_never_held_up_by_strangers(house: Server, ada: User) -> None:
    device = know(house, ada)
    fail_until_blocked(house, ada.username)
    assert fail(house, ada.username)
    assert fail(house, ada.username, device) == 0


def test_a_known_browser_is_slowed_by_its_own_failures_alone(house: Server, ada: User) -> None:
    first, second = know(house, ada), know(house, ada, since=NOW - 1)
    fail_until_blocked(house, ada.username, first)
    assert fail(house, ada.username, first) == 30
    assert ada.email is not None
    assert fail(house, ada.email, first) == 30, "there, the account counts"
    assert fail(house, ada.username, second) == 0
    assert fail(house, ada.username) == 0


@pytest.mark.asvs("6.3.1")
def test_the_count_of_a_known_browser_stays_when_others_who_sign_in_there_renew_its_cookie(
    house: Server, ada: User
) -> None:
    device = know(house, ada)
    fail_until_blocked(house, ada.username, device)
    for later in (1, 2):
        device = know(house, add_person(house), since=NOW + later, old=device)
        assert fail(house, ada.username, device) == 30
    arrive(house, ada, device)
    assert fail(house, ada.username, device) == 0, "forgotten once its person has signed in"


def test_a_browser_known_to_somebody_else_or_no_longer_is_a_strangers(house: Server, ada: User) -> None:
    bens, old = know(house, add_person(house)), know(house, ada, until=NOW)
    fail_until_blocked(house, ada.username)
    for cookie in (bens, old, "made-up", "x" * 128):
        assert fail(house, ada.username, cookie) == 30


def test_one_person_has_a_bounded_number_of_known_browsers(house: Server, ada: User) -> None:
    cookies = [secrets.token_urlsafe(32) for _ in range(25)]
    for number, cookie in enumerate(cookies):
        house.store.devices.remember(None, cookie, ada.id, until=NOW + DAY, now=NOW + number)
    known = [house.store.devices.is_known(cookie, ada.id, now=NOW + 30) for cookie in cookies]
    assert known == [False] * 5 + [True] * 20


# --- Names that nobody has


@pytest.mark.asvs("6.3.8")
def test_a_name_that_nobody_has_waits_as_long_and_costs_the_same_statements(
    house: Server, ada: User, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import event

    statements: list[str] = []
    device = know(house, add_person(house))

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(house.store.database.engine, "before_cursor_execute", note)
    try:
        seen = []
        for login in (ada.username, nobody):
            statements.clear()
            waits = [fail(house, login, device) for _ in range(FREE_TRIES + 2)]
            seen.append((waits, list(statements)))
    finally:
        event.remove(house.store.database.engine, "before_cursor_execute", note)
    assert seen[0] == seen[1]
    assert len(mails(house)) == 2
    assert [recipient for _, recipient, _ in mails(house)] == [ada.email, ""]


@pytest.mark.parametrize("login", ["\0", "\ud800", "a" * 310, "😀" * 310, "' OR 1=1 --", "%", "İ", "ß \u202e"])
def test_odd_names_are_counted_like_any_other(house: Server, login: str) -> None:
    fail_until_blocked(house, login)
    assert fail(house, login) == 30


@pytest.mark.asvs("2.4.1")
def test_strangers_fill_no_table_for_longer_than_a_day(house: Server) -> None:
    far = NOW + 40 * DAY
    for number in range(50):
        fail(house, f"made up {number}", now=far)
    fail_until_blocked(house, "blocked", now=far)
    rows = select(func.count()).select_from(sign_in_failures).where(sign_in_failures.c.last_at == far)

    def count() -> int:
        with house.store.database.reading() as connection:
            return int(connection.execute(rows).scalar_one())

    assert count() == 51
    prune(house.store.database, now=far + 3600)
    assert count() == 1
    prune(house.store.database, now=far + 30 + DAY)
    assert count() == 0


def test_no_name_is_stored_with_its_failures(house: Server, ada: User) -> None:
    fail(house, ada.username)
    with house.store.database.reading() as connection:
        keys = list(connection.execute(select(sign_in_failures.c.key_hash)).scalars())
    assert not any(ada.username in key for key in keys)
    assert find_counted(house, ada.username, None, now=NOW).key in keys


# --- What the owner is told


@pytest.mark.asvs("6.3.5")
def test_the_owner_is_told_when_strangers_must_wait_once_a_day(house: Server, ada: User) -> None:
    now = NOW
    for _ in range(FREE_TRIES + 3):
        wait = fail(house, ada.username, now=now)
        now += wait or 900
    written = [mail for mail in mails(house) if mail[1]]
    assert [(template, recipient) for template, recipient, _ in written] == [("suspicious_sign_in", ada.email)]
    assert "There were 5 failed tries" in written[0][2]
    assert "192.0.2.66" in written[0][2]
    fail_until_blocked(house, ada.username, now=now + 2 * DAY)
    assert len([mail for mail in mails(house) if mail[1]]) == 2


def test_ones_own_slips_in_a_known_browser_send_no_mail_and_nobody_writes_to_a_disabled_person(house: Server) -> None:
    ada = add_person(house)
    fail_until_blocked(house, ada.username, know(house, ada))
    assert mails(house) == []
    house.store.users.set_disabled(ada.id, True, now=NOW)
    fail_until_blocked(house, ada.username)
    assert [recipient for _, recipient, _ in mails(house)] == [""]


@pytest.mark.asvs("6.3.5")
def test_the_owner_is_told_of_a_sign_in_that_follows_several_failures(house: Server, ada: User) -> None:
    fail_until_blocked(house, ada.username)
    counted = find_counted(house, ada.username, None, now=NOW + 30)
    assert claim_try(house, counted, now=NOW + 30).wait == 0
    arrive(house, ada, None, now=NOW + 30)
    template, recipient, text = mails(house)[-1]
    assert (template, recipient) == ("suspicious_sign_in", ada.email)
    assert "signed in to your account" in text
    assert "after 5 failed tries" in text
    assert fail(house, ada.username, now=NOW + 30) == 0, "what was counted is forgotten"


def test_a_sign_in_after_a_slip_or_two_is_nothing_to_write_about(house: Server, ada: User) -> None:
    device = know(house, ada)
    for _ in range(FREE_TRIES):  # the last one is the right one
        assert claim_try(house, find_counted(house, ada.username, device, now=NOW), now=NOW).wait == 0
    arrive(house, ada, device)
    assert mails(house) == []
    assert fail(house, ada.username, device) == 0


def test_a_sign_in_in_a_known_browser_leaves_what_is_counted_for_strangers(house: Server, ada: User) -> None:
    device = know(house, ada)
    fail_until_blocked(house, ada.username)
    arrive(house, ada, device)
    assert fail(house, ada.username) == 30


def test_a_sign_in_without_a_password_forgets_no_failures(house: Server, ada: User) -> None:
    fail_until_blocked(house, ada.username)
    sign_in = by_upstream(ada, "google", None, **WHERE)
    note_sign_in(house, ada, sign_in, None, is_first=True, now=NOW)
    assert fail(house, ada.username) == 30


@pytest.mark.asvs("6.3.5")
def test_a_new_browser_is_told_but_not_the_first_nor_a_known_one(house: Server, ada: User) -> None:
    arrive(house, ada, None, is_first=True)
    arrive(house, ada, know(house, ada))
    assert mails(house) == []
    arrive(house, ada, None)
    assert [(template, recipient) for template, recipient, _ in mails(house)] == [("new_sign_in", ada.email)]
    assert "TestBrowser/1.0" in mails(house)[0][2]


def test_mails_are_in_the_language_of_the_person(house: Server) -> None:
    fail_until_blocked(house, add_person(house, profile={"locale": "fr-CH"}).username)
    assert "15 janvier 2027" in mails(house)[0][2]


def test_somebody_without_an_address_is_written_nothing(house: Server, ada: User) -> None:
    bare = replace(ada, claims={})
    counted = Counted(find_counted(house, ada.username, None, now=NOW).key, bare, is_known=False)
    for _ in range(FREE_TRIES):
        note_failure(house, counted, claim_try(house, counted, now=NOW), address="192.0.2.1", now=NOW)
    arrive(house, bare, None)
    assert [recipient for _, recipient, _ in mails(house)] == [""]
