"""Links for a new password: to whom they go, and when they are good."""

import secrets

import pytest
from sqlalchemy import select

from idp.accounts.recovery import (
    LIFETIME_SECONDS,
    find_reset,
    finish_reset,
    is_recoverable,
    send_reset,
    start_recovery,
)
from idp.accounts.tries import MAIL_LIMITS, allows_mail
from idp.protocol.identity import User
from idp.server import Server
from idp.store.tables import ephemeral
from idp.store.users import NewUser
from tests.support.mail import mails_to

NOW = 1_900_000_000


def add(house: Server, **changes: object) -> User:
    name = f"n{secrets.token_hex(6)}"
    values: dict[str, object] = {"email": f"{name}@mail.example", "email_verified": True, "password_hash": "old"}
    user = NewUser(f"u_{name}", name, **(values | changes))  # type: ignore[arg-type]
    assert house.store.users.add(user, now=NOW)
    found = house.store.users.find(user.id)
    assert found is not None
    return found


def send(house: Server, user: User, *, now: int = NOW) -> str:
    """The token of the link that was sent."""
    send_reset(house, user, None, language="en", now=now)
    return mails_to(house, user.email or "")[-1].link.partition("token=")[2]


def finish(house: Server, token: str, password_hash: str = "new") -> bool:
    reset = find_reset(house, token, now=NOW)
    return reset is not None and finish_reset(house, reset, password_hash, address="::1", now=NOW)


def password_hash_of(house: Server, user: User) -> str | None:
    found = house.store.users.find_for_sign_in(user.username)
    assert found is not None
    return found[1]


@pytest.mark.asvs("6.4.3")
def test_a_link_is_good_once_and_for_an_hour(house: Server) -> None:
    user = add(house)
    token = send(house, user)
    assert find_reset(house, token, now=NOW + LIFETIME_SECONDS - 1) is not None
    assert find_reset(house, token, now=NOW + LIFETIME_SECONDS) is None
    assert [finish(house, token, "first"), finish(house, token, "second")] == [True, False]
    assert password_hash_of(house, user) == "first"


def test_two_that_were_found_before_either_was_used_change_it_once(house: Server) -> None:
    token = send(house, add(house))
    resets = [find_reset(house, token, now=NOW) for _ in range(2)]
    done = [finish_reset(house, each, "x", address="::1", now=NOW) for each in resets if each]
    assert done == [True, False]


def test_the_newest_link_alone_is_good(house: Server) -> None:
    user = add(house)
    old, new = send(house, user), send(house, user)
    assert find_reset(house, old, now=NOW) is None
    assert find_reset(house, new, now=NOW) is not None


def test_a_link_for_nobody_disturbs_nobodys(house: Server) -> None:
    token = send(house, add(house))
    send_reset(house, None, None, asked_for="somebody.else@mail.example", language="en", now=NOW)
    assert find_reset(house, token, now=NOW) is not None


def test_a_request_too_many_leaves_the_newest_link_good(house: Server) -> None:
    user = add(house)
    start_recovery(house, user.email or "", None, language="en", now=NOW)
    token = mails_to(house, user.email or "")[-1].link.partition("token=")[2]
    start_recovery(house, (user.email or "").upper(), None, language="en", now=NOW + 1)
    assert len(mails_to(house, user.email or "")) == 1
    assert find_reset(house, token, now=NOW + 1) is not None


def test_the_mail_to_an_unconfirmed_address_repeats_no_name(house: Server) -> None:
    user = add(house, email_verified=False, profile={"name": "Call 0800 123 now"})
    send(house, user)
    (mail,) = mails_to(house, user.email or "")
    assert "0800" not in mail.text + mail.html


@pytest.mark.asvs("6.5.2")
def test_the_link_is_not_in_the_database(house: Server) -> None:
    token = send(house, add(house))
    with house.store.database.reading() as connection:
        stored = "\n".join(str(tuple(row)) for row in connection.execute(select(ephemeral)))
    assert token not in stored


def test_a_second_factor_that_is_set_up_meanwhile_shuts_an_unconfirmed_mailbox_out(house: Server) -> None:
    user = add(house, email_verified=False)
    token = send(house, user)
    assert find_reset(house, token, now=NOW) is not None
    house.store.totp.save(user.id, "sealed", step=0, now=NOW)
    assert find_reset(house, token, now=NOW) is None


def test_for_whom_the_mailbox_is_enough(house: Server) -> None:
    plain, unconfirmed, bare = add(house), add(house, email_verified=False), add(house, email=None)
    strict, doubtful = add(house), add(house, email_verified=False)
    for user in (strict, doubtful):
        house.store.totp.save(user.id, "sealed", step=0, now=NOW)
    people = (plain, unconfirmed, strict, bare, doubtful)
    assert [is_recoverable(house.store, user) for user in people] == [True, True, True, False, False]


@pytest.mark.parametrize("reason", MAIL_LIMITS)
def test_mails_to_one_address_are_bounded_whatever_its_spelling(house: Server, reason: str) -> None:
    name, other = (f"{secrets.token_hex(6)}@mail.example" for _ in range(2))
    pause = 61
    spelled = (name, name.upper(), name.replace("mail", "m\ufe00ail"), name.replace("mail", "ma\ufe00il"))
    allowed = [allows_mail(house, reason, spelled[n % 4], now=NOW + n * pause) for n in range(8)]
    assert allowed == [True] * 5 + [False] * 3
    assert allows_mail(house, reason, other, now=NOW), "another address has its own"
    assert allows_mail(house, reason, name, now=NOW + 3600 + pause), "and an hour later it may have one again"
