"""`idp users`: people are added, found by any of their names, locked out, and never shown with a password."""

import json
import re
import shlex
import time

import pytest

from idp.accounts.passwords import Passwords
from idp.settings import load_settings
from idp.store import Store
from idp.store.sessions import SignIn
from tests.cli.conftest import Idp, events


def password_of(store: Store, login: str, password: str) -> bool:
    found = store.users.find_for_sign_in(login)
    assert found is not None
    return Passwords(load_settings()).is_right(password, found[1])


def has_session(store: Store, cookie: str, now: int) -> bool:
    return store.sessions.find(cookie, now=now, idle_lifetime=600) is not None


def sign_in(store: Store, login: str, now: int) -> str:
    found = store.users.find_for_sign_in(login)
    assert found is not None
    store.sessions.start("cookie", "sid", SignIn(found[0].id, "aal1", ("pwd",)), now=now, idle=600, absolute=600)
    return "cookie"


def test_a_person_is_added_with_claims_roles_and_a_random_password(idp: Idp, store: Store) -> None:
    arguments = shlex.split("""--email ada@example.com --email-verified --name Ada --given-name Ada
        --family-name Lovelace --phone +442071234567 --phone-verified --birthdate 1815-12-10 --address-locality London
        --address-country GB --role admin --role editor --random-password""")
    added = idp("users", "add", "ada", *arguments, "--json").json
    assert re.fullmatch(r"u_[a-z2-7]{26}", added["id"])
    assert password_of(store, "ada", added["password"])
    found = store.users.find(added["id"])
    assert found is not None
    assert found.roles == ("admin", "editor")
    expected = {
        "email": "ada@example.com",
        "email_verified": True,
        "phone_number": "+442071234567",
        "phone_number_verified": True,
        "birthdate": "1815-12-10",
        "address": {"locality": "London", "country": "GB"},
    }
    assert {name: found.claims.get(name) for name in expected} == expected
    assert events(store)[-1] == "user.added"


def test_a_password_can_come_from_standard_input(idp: Idp, store: Store) -> None:
    answer = idp("users", "add", "ada", "--password-stdin", stdin="pässword from stdin\n")
    assert answer.code == 0
    assert "from stdin" not in answer.out
    assert password_of(store, "ada", "pässword from stdin")


def test_without_a_password_nobody_signs_in_by_password(idp: Idp, store: Store) -> None:
    assert idp("users", "add", "ada").code == 0
    assert idp("users", "show", "ada", "--json").json["has_password"] is False
    assert not password_of(store, "ada", "")


@pytest.mark.parametrize("name", ["", "a b", "ada@example.com", "a\tb", "a" * 65, "a\u0000b", "a\u00a0b"])
def test_a_user_name_that_breaks_a_rule_is_refused(idp: Idp, name: str) -> None:
    answer = idp("users", "add", "--", name)
    assert answer.code == 1
    assert "user name is 1 to 64" in answer.err


@pytest.mark.parametrize("email", ["ada", "a b@example.com", "@example.com", "ada@", "ada@@example.com", "ada@example"])
def test_what_is_not_an_e_mail_address_is_refused(idp: Idp, email: str) -> None:
    assert "not an e-mail address" in idp("users", "add", "ada", "--email", email).err


@pytest.mark.parametrize("password", ["", "seven77", "x" * 257])
def test_a_password_too_short_or_too_long_is_refused(idp: Idp, password: str) -> None:
    idp("users", "add", "bob")
    for arguments in (("add", "ada", "--password-stdin"), ("set-password", "bob", "--stdin")):
        answer = idp("users", *arguments, stdin=password + "\n")
        assert answer.code == 1
        assert "8 to 256 characters" in answer.err


@pytest.mark.asvs("6.2.1", "6.2.4", "6.2.11")
@pytest.mark.parametrize("password", ["password1", "Grace-Hopper!", "xqzvkwjpmrtyoa"])
def test_the_rules_on_passwords_hold_here_too(idp: Idp, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("IDP_PASSWORD_MIN_LENGTH", "15" if password.startswith("xq") else "8")
    idp("users", "add", "bob", "--name", "Grace Hopper")
    for arguments in (("add", "ada", "--name", "Grace Hopper", "--password-stdin"), ("set-password", "bob", "--stdin")):
        answer = idp("users", *arguments, stdin=password + "\n")
        assert answer.code == 1
        assert ("guessed soon" in answer.err) is not ("15 to 256" in answer.err)
        assert password not in answer.err


def test_user_names_and_e_mails_are_unique_whatever_their_case(idp: Idp) -> None:
    assert "The user name DEMO is taken" in idp("users", "add", "DEMO").err
    answer = idp("users", "add", "ada", "--email", "Demo@Example.com", "--json")
    assert answer.code == 1
    assert "belongs to somebody else" in answer.json["error"]


def test_a_person_is_found_by_id_user_name_and_e_mail(idp: Idp) -> None:
    shown = idp("users", "show", "demo", "--json").json
    assert idp("users", "show", shown["id"], "--json").json == shown
    assert idp("users", "show", "demo@example.com", "--json").json == shown
    assert "argon2" not in idp("users", "show", "demo").out


@pytest.mark.asvs("7.4.2")
def test_disabling_signs_out_everywhere_at_once(idp: Idp, store: Store) -> None:
    now = 2_000_000_000
    cookie = sign_in(store, "demo", now)
    assert has_session(store, cookie, now)
    assert idp("users", "disable", "demo", "--json").json["disabled"] is True
    assert not has_session(store, cookie, now)
    assert idp("users", "enable", "demo", "--json").json["disabled"] is False
    assert events(store)[-2:] == ["user.disabled", "user.enabled"]


@pytest.mark.asvs("7.4.3")
def test_a_new_password_ends_all_sessions(idp: Idp, store: Store) -> None:
    now = 2_000_000_000
    idp("users", "add", "ada")
    cookie = sign_in(store, "ada", now)
    password = idp("users", "set-password", "ada", "--random", "--json").json["password"]
    assert password_of(store, "ada", password)
    assert not has_session(store, cookie, now)
    assert events(store)[-1] == "password.changed"


@pytest.mark.asvs("6.4.6")
def test_nobody_chooses_a_password_for_somebody_who_has_an_e_mail_address(idp: Idp, store: Store) -> None:
    before = store.users.find_for_sign_in("demo")
    answer = idp("users", "set-password", "demo", "--random")
    assert answer.code == 1
    assert "start-reset" in answer.err
    assert store.users.find_for_sign_in("demo") == before


def test_set_password_wants_to_know_where_from(idp: Idp) -> None:
    assert idp("users", "set-password", "demo").code == 2
    assert idp("users", "set-password", "demo", "--random", "--stdin").code == 2


def test_roles_are_added_removed_and_replaced(idp: Idp) -> None:
    assert idp("users", "roles", "demo", "--json").json["roles"] == ["demo"]
    assert idp("users", "roles", "demo", "--add", "a", "--add", "b", "--json").json["roles"] == ["demo", "a", "b"]
    assert idp("users", "roles", "demo", "--remove", "a", "--json").json["roles"] == ["demo", "b"]
    assert idp("users", "roles", "demo", "--set", "x y", "--json").json["roles"] == ["x", "y"]
    assert idp("users", "roles", "demo", "--set", "", "--json").json["roles"] == []
    assert idp("users", "roles", "demo", "--set", "x", "--add", "y").code == 2
    assert idp("users", "roles", "demo", "--add", "two words").code == 1


def test_removed_people_are_unknown(idp: Idp, store: Store) -> None:
    assert idp("users", "remove", "demo@example.com").code == 0
    for arguments in (("show",), ("remove",), ("disable",), ("enable",), ("roles",), ("set-password", "--random")):
        answer = idp("users", arguments[0], "demo", *arguments[1:], "--json")
        assert answer.code == 1
        assert "demo" in answer.json["error"]
    assert events(store)[-1] == "user.removed"


def test_the_list_names_everyone(idp: Idp) -> None:
    idp("users", "add", "ada", "--name", "[bold]Ada[/bold]")
    out = idp("users", "list").out
    assert "demo@example.com" in out
    assert "[bold]Ada[/bold]" in out


@pytest.mark.asvs("6.4.4")
def test_factors_are_reset_for_a_reason_that_stays_in_the_trail_and_the_person_is_told(idp: Idp, store: Store) -> None:
    now = int(time.time())
    added = idp("users", "add", "ada", "--email", "ada@example.com", "--locale", "fr-CA", "--json").json
    store.totp.save(added["id"], "sealed", step=0, now=now)
    store.recovery_codes.replace_all(added["id"], ["code"], now=now)
    cookie = sign_in(store, "ada", now)
    for refused in ((), ("--reason", " "), ("--reason", "x" * 501)):
        assert idp("users", "reset-factors", "ada", *refused).code != 0
    assert store.totp.find(added["id"]) is not None
    assert idp("users", "reset-factors", "ada", "--reason", "came to the desk  with a passport").code == 0
    assert store.totp.find(added["id"]) is None
    assert store.recovery_codes.count_unused(added["id"]) == 0
    assert not has_session(store, cookie, now)
    event = store.audit_events.list()[0]
    assert (event["event"], event["user_id"]) == ("factors.reset", added["id"])
    assert json.loads(event["detail"])["reason"] == "came to the desk with a passport"
    (mail,) = store.mail_outbox.list(recipient="ada@example.com")
    assert mail.template == "factor_changed"
    again = idp("users", "reset-factors", "ada", "--reason", "once more")
    assert (again.code, "has no second factor" in again.err) == (1, True)
