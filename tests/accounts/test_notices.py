"""Whom notices are told to: the owner of a confirmed address by name, an unconfirmed one a few times and without it."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from idp.accounts.deletion import ask_deletion
from idp.accounts.factor_changes import Change, announce, warn_of_guessing
from idp.accounts.guessing import claim_try, find_counted, note_failure, note_sign_in
from idp.accounts.notices import Scene, tell_identity_linked, tell_password_changed, tell_way_in_changed
from idp.accounts.sign_in import by_upstream
from idp.protocol.identity import User
from idp.server import Server
from idp.store.sign_in_failures import FREE_TRIES
from idp.store.users import NewUser
from tests.support.mail import mails_to

NOW = 1_800_000_000
SCENE = Scene(NOW, "192.0.2.1")
NAME = "Your parcel waits, call us"


def add(house: Server, **changes: Any) -> User:
    name = f"ada-{secrets.token_hex(6)}"
    values = {"email": f"{name}@example.com", "profile": {"name": NAME}} | changes
    assert house.store.users.add(NewUser(id=f"u_{name}", username=name, **values), now=NOW)
    found = house.store.users.find(f"u_{name}")
    assert found is not None
    return found


def fail_until_blocked(house: Server, user: User) -> None:
    counted = find_counted(house, user.username, None, now=NOW)
    for _ in range(FREE_TRIES):
        note_failure(house, counted, claim_try(house, counted, now=NOW), address="192.0.2.66", now=NOW)


def sign_in(house: Server, user: User) -> None:
    arrived = by_upstream(user, "google", None, address="192.0.2.7", user_agent="TestBrowser/1.0")
    note_sign_in(house, user, arrived, None, is_first=False, now=NOW)


NOTICES: dict[str, Callable[[Server, User], Any]] = {
    "password": lambda house, user: tell_password_changed(house, user, SCENE),
    "user name": lambda house, user: tell_way_in_changed(house, user, "username_changed", SCENE),
    "e-mail address": lambda house, user: tell_way_in_changed(house, user, "email_replaced", SCENE),
    "link": lambda house, user: tell_identity_linked(house, user, "Google", now=NOW),
    "factor": lambda house, user: announce(house, user, Change.TOTP_ADDED, SCENE),
    "guessed code": lambda house, user: warn_of_guessing(house, user, 5, SCENE),
    "guessed password": fail_until_blocked,
    "new browser": sign_in,
    "deletion": lambda house, user: ask_deletion(house, user, SCENE),
}


@pytest.mark.parametrize("notice", NOTICES)
def test_every_notice_names_the_owner_of_a_confirmed_address_alone(house: Server, notice: str) -> None:
    for is_confirmed in (True, False):
        user = add(house, email_verified=is_confirmed)
        NOTICES[notice](house, user)
        (mail,) = mails_to(house, str(user.email))
        assert (NAME in mail.text) is is_confirmed


@pytest.mark.parametrize("notice", NOTICES)
def test_every_notice_is_in_the_language_of_the_person(house: Server, notice: str) -> None:
    user = add(house, email_verified=True, profile={"name": "Renée", "locale": "fr-CH"})
    NOTICES[notice](house, user)
    (mail,) = mails_to(house, str(user.email))
    assert "Bonjour Renée" in mail.text


@pytest.mark.parametrize("notice", [name for name in NOTICES if name not in {"guessed password", "deletion"}])
def test_an_address_that_was_never_confirmed_gets_a_few_notices_an_hour(house: Server, notice: str) -> None:
    user, confirmed = add(house), add(house, email_verified=True)
    for _ in range(7):
        NOTICES[notice](house, user)
        NOTICES[notice](house, confirmed)
    counts = [len(mails_to(house, str(each.email))) for each in (user, confirmed)]
    assert counts == [5, 7]


def test_the_bound_is_one_for_all_reasons_and_all_names_of_the_account(house: Server) -> None:
    user = add(house)
    for notice in (*NOTICES.values(), *NOTICES.values()):
        notice(house, user)
    assert len(mails_to(house, str(user.email))) == 5


def test_a_notice_is_among_the_mails_of_its_person(house: Server) -> None:
    user = add(house, email_verified=True)
    tell_password_changed(house, user, SCENE)
    assert [each["template"] for each in house.store.belongings.load_all(user.id).mails] == ["password_changed"]
    (mail,) = house.store.mail_outbox.list(recipient=user.email)
    assert mail.user_id == user.id
