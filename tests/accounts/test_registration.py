"""Making accounts: the fields of the form, what may stand in them, and the account that comes of it."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from idp import audit
from idp.accounts.email_proofs import find_proof
from idp.accounts.registration import (
    PURPOSE,
    Registration,
    begin,
    complete,
    find_mistakes,
    form_fields,
    is_email,
    is_open,
    is_taken,
    make_account,
)
from idp.protocol.identity import User
from idp.server import Server
from idp.settings import Settings, load_settings
from idp.store.users import NewUser
from tests.accounts.conftest import SECRET_KEY
from tests.support.mail import mails_to

NOW = 1_900_000_000


def settings_with(**changes: str) -> Settings:
    environment = {f"IDP_{name.upper()}": value for name, value in changes.items()}
    return load_settings(environment | {"IDP_SECRET_KEY": SECRET_KEY}, Path("/nonexistent"))


@pytest.fixture
def asking(house: Server) -> Server:
    return replace(house, settings=settings_with(sign_up_fields="given_name? username email phone_number?"))


def test_a_question_mark_makes_a_field_optional() -> None:
    fields = form_fields(settings_with(sign_up_fields="username email phone_number?").sign_up_fields)
    assert [(each.name, each.required) for each in fields] == [
        ("username", True),
        ("email", True),
        ("phone_number", False),
    ]


@pytest.mark.parametrize(
    ("sign_up", "local_passwords", "anybody", "invited"),
    [
        ("open", "true", True, True),
        ("invitation", "true", False, True),
        ("closed", "true", False, False),
        ("open", "false", False, False),
        ("invitation", "false", False, False),
    ],
)
def test_who_may_make_an_account(sign_up: str, local_passwords: str, anybody: bool, invited: bool) -> None:
    settings = settings_with(sign_up=sign_up, local_passwords=local_passwords)
    assert (is_open(settings), is_open(settings, is_invited=True)) == (anybody, invited)


@pytest.mark.parametrize(
    "text", ["ada@example.com", "a.b+c@x.example", "O'Hara@example.org", "é@exämple.example", "a@b.c.d.example"]
)
def test_what_is_an_address(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text",
    ["", "ada", "@example.com", "ada@", "ada@localhost", "a b@example.com", "a@b@c.example", "a,b@c.example",
     "a@b.example\r\nBcc: x@y.example", '"a"@b.example', "<a@b.example>", "a@b..example", "a@-b.example",
     "x" * 65 + "@b.example", "a@" + "b" * 250 + ".example", "a@b.example\u202e", "a\x00@b.example"],
    ids=lambda text: ascii(text[:24]),
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    assert not is_email(text)


def test_required_fields_must_be_filled_in_and_others_well_formed(asking: Server) -> None:
    assert find_mistakes(asking, {}) == {"username": "missing", "email": "missing"}
    typed = {"given_name": "x" * 101, "username": "a b", "email": "x", "phone_number": "call me"}
    assert find_mistakes(asking, typed) == dict.fromkeys(typed, "malformed")
    fine = {"given_name": "Zoë-Marie 😀", "username": "zoe.m-1", "email": "z@x.example", "phone_number": "(01) 23 45"}
    assert find_mistakes(asking, fine) == {}


def test_a_known_address_is_no_mistake_and_a_known_user_name_is(asking: Server) -> None:
    name = f"n{secrets.token_hex(6)}"
    email = f"{name}@mail.example"
    assert make_account(asking, Registration(email, username=name), now=NOW) is not None
    assert find_mistakes(asking, {"username": f"{name}2", "email": email.upper()}) == {}
    assert find_mistakes(asking, {"username": name.upper(), "email": email}) == {}
    assert is_taken(asking, name.upper())
    assert not is_taken(asking, f"{name}2")
    assert not is_taken(asking, None)


def test_a_password_that_was_chosen_for_a_new_account_is_known_as_chosen(house: Server) -> None:
    names = [secrets.token_hex(6) for _ in range(2)]
    for name, password_hash in zip(names, ("hash", None), strict=True):
        made = make_account(house, Registration(f"{name}@mail.example", password_hash=password_hash), now=NOW)
        assert made is not None
        assert house.store.profiles.password_changed_at(made.id) == (NOW if password_hash else None)


def test_without_a_user_name_one_is_derived_that_is_free(house: Server) -> None:
    marks = [secrets.token_hex(6) for _ in range(3)]
    made = [
        make_account(house, Registration(f"{mark}@mail.example", given_name="Grâce", family_name="Hopper"), now=NOW)
        for mark in marks
    ]
    names = [user.username for user in made if user is not None]
    assert names == ["GraceHopper", *marks[1:]], "then the address says one"


def test_of_two_accounts_with_one_address_one_is_made(house: Server) -> None:
    email = f"{secrets.token_hex(6)}@mail.example"
    made = [make_account(house, Registration(email, username=f"n{secrets.token_hex(6)}"), now=NOW) for _ in range(2)]
    assert [user is not None for user in made] == [True, False]


def test_the_password_hash_is_not_shown() -> None:
    assert "argon2" not in repr(Registration("a@b.example", password_hash="$argon2id$secret"))


# --- An address that somebody typed and never confirmed


def squat(house: Server, *, factor: bool = True, **changes: object) -> User:
    """Somebody came from a provider that confirms no addresses, and set up an authenticator app."""
    name = f"n{secrets.token_hex(6)}"
    new = NewUser(f"u_{name}", name, **({"email": f"{name}@mail.example"} | changes))  # type: ignore[arg-type]
    assert house.store.users.add(new, now=NOW)
    if factor:
        house.store.totp.save(new.id, "sealed", step=0, now=NOW)
    found = house.store.users.find(new.id)
    assert found is not None
    return found


def sign_up(house: Server, email: str, *, network: str = "192.0.2.1", now: int = NOW) -> str:
    """The id of the proof."""
    wanted, waits = Registration(email, username=f"n{secrets.token_hex(6)}"), {"interaction": "", "to": ""}
    return begin(house, wanted, waits, "the secret of a browser", network=network, language="en", now=now)


def finish(house: Server, proof_id: str) -> User | None:
    proof = find_proof(house, proof_id, purpose=PURPOSE, now=NOW)
    assert proof is not None
    return complete(house, proof, now=NOW)


@pytest.mark.asvs("6.4.3")
def test_who_proves_an_address_gets_it_from_whom_no_recovery_could_confirm_it(house: Server) -> None:
    squatter = squat(house)
    email = squatter.email or ""
    proof_id = sign_up(house, email)
    assert [mail.template for mail in mails_to(house, email)] == ["verify_email"]
    owner = finish(house, proof_id)
    assert owner is not None
    assert (owner.email, owner.claims["email_verified"]) == (email, True)
    kept = house.store.users.find(squatter.id)
    assert kept is not None
    assert kept.email is None
    events = house.store.audit_events.list(user_id=squatter.id, events=[audit.Event.EMAIL_LOST.value], limit=9)
    assert len(events) == 1


@pytest.mark.parametrize(
    ("factor", "changes"),
    [(False, {}), (True, {"email_verified": True}), (True, {"disabled": True})],
    ids=["a recovery is enough", "confirmed", "disabled"],
)
def test_any_other_account_keeps_its_address(house: Server, factor: bool, changes: dict[str, bool]) -> None:
    is_disabled = changes.pop("disabled", False)
    owner = squat(house, factor=factor, **changes)
    house.store.users.set_disabled(owner.id, is_disabled, now=NOW)
    email = owner.email or ""
    assert finish(house, sign_up(house, email)) is None
    assert [mail.template for mail in mails_to(house, email)] == ["account_exists"]
    assert make_account(house, Registration(email, username=f"n{secrets.token_hex(6)}"), now=NOW) is None
    found = house.store.users.find_by_email(email)
    assert found is not None
    assert found[0].id == owner.id


def test_an_address_that_is_confirmed_meanwhile_is_not_taken(house: Server) -> None:
    squatter = squat(house)
    proof_id = sign_up(house, squatter.email or "")
    assert house.store.users.confirm_email(squatter.id, squatter.email or "", now=NOW)
    assert finish(house, proof_id) is None


def test_a_new_user_name_that_is_taken_takes_no_address(house: Server) -> None:
    squatter, other = squat(house), squat(house)
    assert make_account(house, Registration(squatter.email or "", username=other.username), now=NOW) is None
    kept = house.store.users.find(squatter.id)
    assert kept is not None
    assert kept.email == squatter.email


def test_the_mail_to_an_unconfirmed_address_repeats_no_name(house: Server) -> None:
    owner = squat(house, factor=False, profile={"name": "Call 0800 123 now"})
    sign_up(house, owner.email or "")
    (mail,) = mails_to(house, owner.email or "")
    assert mail.template == "account_exists"
    assert "0800" not in mail.text + mail.html


# --- Mails to one address


@pytest.mark.asvs("6.3.1")
def test_a_stranger_does_not_use_up_the_mails_of_who_signs_up_elsewhere(house: Server) -> None:
    email, now = f"{secrets.token_hex(6)}@mail.example", NOW
    for _ in range(20):
        for _ in range(6):
            sign_up(house, email, network="198.51.100.7", now=now)
        now += 3601
    assert len(mails_to(house, email)) == 10, "of one network in a day"
    sign_up(house, email, network="192.0.2.1", now=now)
    assert len(mails_to(house, email)) == 11


def test_all_strangers_together_send_fifty_a_day(house: Server) -> None:
    email = f"{secrets.token_hex(6)}@mail.example"
    for number in range(60):
        sign_up(house, email, network=f"192.0.2.{number}")
    assert len(mails_to(house, email)) == 50


def test_another_spelling_of_the_domain_is_no_other_address(house: Server) -> None:
    name = secrets.token_hex(6)
    spellings = ("mail", "MAIL", "ma\ufe00il", "m\ufe00ail", "\uff4dail", "mai\uff2c", "ma\ufe00i\ufe00l")
    for domain in (f"{spelling}.example" for spelling in spellings):
        assert is_email(f"{name}@{domain}"), ascii(domain)
        sign_up(house, f"{name}@{domain}")
    assert len(mails_to(house, f"{name}@mail.example")) == 5
