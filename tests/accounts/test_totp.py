"""Authenticator apps: what counts as their code, and when (RFC 6238)."""

from urllib.parse import parse_qs, unquote, urlsplit

import pyotp
import pytest

from idp.accounts.totp import ENROLMENT_SECONDS, STEP_SECONDS, Enrolment, begin_enrolment, confirm_enrolment, try_code
from idp.protocol.identity import User
from idp.server import Server
from idp.store.sign_in_failures import FREE_TRIES
from tests.accounts.people import somebody

NOW = 1_800_000_000


def code_of(secret: str, now: int = NOW) -> str:
    return str(pyotp.TOTP(secret).at(now))


def begun(house: Server, user: User, browser: str = "a browser", now: int = NOW) -> Enrolment:
    return begin_enrolment(house, user, browser, now=now)


def with_app(house: Server) -> tuple[User, str]:
    """Somebody whose app was set up long ago, and its secret."""
    user, long_ago = somebody(house), NOW - 9_000
    secret = begun(house, user, now=long_ago).secret
    assert confirm_enrolment(house, user, "a browser", code_of(secret, long_ago), now=long_ago)
    return user, secret


def is_right(house: Server, user: User, code: str, now: int = NOW) -> bool:
    return try_code(house, user.id, code, now=now).is_right


@pytest.mark.spec("RFC 6238", "5.1", "RECOMMENDED")
@pytest.mark.asvs("6.5.3")
def test_a_secret_has_160_bits_and_is_another_each_time(house: Server) -> None:
    secrets = {begun(house, somebody(house)).secret for _ in range(5)}
    assert {len(secret) for secret in secrets} == {32}
    assert len(secrets) == 5


def test_the_app_labels_the_entry_with_the_service_and_the_user_name(house: Server) -> None:
    user = User("u_label", "zoë:& co")
    enrolment = begun(house, user)
    parts = urlsplit(enrolment.uri)
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/idp:zoë & co")
    assert parse_qs(parts.query) == {"secret": [enrolment.secret], "issuer": ["idp"]}
    parsed = pyotp.parse_uri(enrolment.uri)
    assert (parsed.secret, parsed.issuer, parsed.name) == (enrolment.secret, "idp", "zoë & co")


def test_the_qr_code_is_an_element_without_style_or_script(house: Server) -> None:
    svg = begun(house, somebody(house)).svg
    assert svg.startswith("<svg")
    assert not any(word in svg for word in ("style=", "<script", " on", "xlink"))


def test_it_counts_only_once_a_code_of_it_was_given(house: Server) -> None:
    user = somebody(house)
    secret = begun(house, user).secret
    assert house.store.totp.find(user.id) is None
    assert not is_right(house, user, code_of(secret))
    assert not confirm_enrolment(house, user, "another browser", code_of(secret), now=NOW)
    assert not confirm_enrolment(house, user, "a browser", code_of(secret, NOW + 600), now=NOW)
    assert begun(house, user).secret == secret, "the same until it is confirmed"
    assert confirm_enrolment(house, user, "a browser", code_of(secret), now=NOW)
    assert not confirm_enrolment(house, user, "a browser", code_of(secret), now=NOW)
    assert begun(house, user).secret != secret


@pytest.mark.asvs("6.3.4")
def test_one_that_had_to_be_set_up_never_takes_the_place_of_another(house: Server) -> None:
    """Two people with one password are asked to set one up at the same time: the first has it, the other has not."""
    user = somebody(house)
    secret = begun(house, user).secret
    house.store.totp.save(user.id, "another, confirmed meanwhile", step=0, now=NOW)
    assert not confirm_enrolment(house, user, "a browser", code_of(secret), now=NOW, replaces=False)
    stored = house.store.totp.find(user.id)
    assert stored is not None
    assert stored.secret == "another, confirmed meanwhile"


@pytest.mark.spec("RFC 6238", "5.2", "MUST NOT")
def test_the_code_that_confirmed_it_is_used_up(house: Server) -> None:
    user = somebody(house)
    secret = begun(house, user).secret
    assert confirm_enrolment(house, user, "a browser", code_of(secret), now=NOW)
    assert not is_right(house, user, code_of(secret))
    assert is_right(house, user, code_of(secret, NOW + STEP_SECONDS), NOW + STEP_SECONDS)


def test_what_nobody_confirms_is_forgotten(house: Server) -> None:
    user = somebody(house)
    secret, later = begun(house, user).secret, NOW + ENROLMENT_SECONDS
    assert not confirm_enrolment(house, user, "a browser", code_of(secret, later), now=later)


@pytest.mark.asvs("6.5.5")
@pytest.mark.parametrize(("steps", "fits"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_a_step_off(house: Server, steps: int, fits: bool) -> None:
    user, secret = with_app(house)
    assert is_right(house, user, code_of(secret, NOW + steps * STEP_SECONDS)) is fits


@pytest.mark.spec("RFC 6238", "5.2", "MUST NOT")
@pytest.mark.asvs("6.5.1")
def test_a_code_is_accepted_once_and_none_before_it_after_that(house: Server) -> None:
    user, secret = with_app(house)
    assert is_right(house, user, code_of(secret))
    assert not is_right(house, user, code_of(secret))
    assert not is_right(house, user, code_of(secret, NOW - STEP_SECONDS))
    assert is_right(house, user, code_of(secret, NOW + STEP_SECONDS))


@pytest.mark.asvs("6.6.3")
def test_after_a_few_wrong_codes_the_right_one_must_wait_too(house: Server) -> None:
    user, secret = with_app(house)
    other, other_secret = with_app(house)
    for number in range(1, FREE_TRIES + 1):
        assert try_code(house, user.id, "wrong", now=NOW).tries == number
    waiting = try_code(house, user.id, code_of(secret), now=NOW)
    assert (waiting.is_right, waiting.wait) == (False, 30)
    assert is_right(house, other, code_of(other_secret)), "nobody else waits"
    later = NOW + 30
    assert is_right(house, user, code_of(secret, later), later)
    assert try_code(house, user.id, "wrong", now=later).tries == 1, "a right code ends the count"


@pytest.mark.parametrize("typed", ["", "0", "\0" * 6, "\ud800" * 6, "٣" * 6, "-12345", "1e5", "9" * 100_000])
def test_nothing_that_is_typed_is_an_error(house: Server, typed: str) -> None:
    user, _secret = with_app(house)
    assert not is_right(house, user, typed)


@pytest.mark.asvs("13.3.1")
def test_the_secret_is_encrypted_at_rest_and_useless_under_another_key(house: Server) -> None:
    user, secret = with_app(house)
    stored = house.store.totp.find(user.id)
    assert stored is not None
    assert secret not in stored.secret
    house.store.totp.save(user.id, "1.c29tZXRoaW5nIGVsc2U", step=0, now=NOW)
    assert not is_right(house, user, code_of(secret))
