"""Passkeys: which answers of an authenticator prove something, and which do not (WebAuthn §7.1, §7.2)."""

import json
from dataclasses import replace
from typing import Any

import pytest
from webauthn import base64url_to_bytes

from idp.accounts.passkeys import (
    CHALLENGE_SECONDS,
    SIGN_IN_CHALLENGE_SECONDS,
    Ceremony,
    PasskeyRefused,
    Proof,
    Purpose,
    allows_passkeys,
    make_authentication_options,
    make_registration_options,
    prove,
    register,
)
from idp.jose.encryption import SecretBox
from idp.protocol.identity import User
from idp.server import Server
from tests.accounts.people import somebody
from tests.support.authenticator import Authenticator, authenticator_for, to_text
from tests.support.crowd import at_once

NOW = 1_800_000_000


def ceremony(house: Server, purpose: Purpose, user_id: str = "", browser: str = "b-1", now: int = NOW) -> Ceremony:
    return Ceremony(house, browser, purpose, user_id, now)


def registered(house: Server, user: User, **how: Any) -> Authenticator:
    device, asked = authenticator_for(house.issuer, **how), ceremony(house, Purpose.REGISTER, user.id)
    proof = register(asked, device.create(make_registration_options(asked, user)), "Phone")
    assert proof.passkey.user_id == user.id
    return device


def proved(house: Server, device: Authenticator, user_id: str = "", **lies: Any) -> Proof:
    """What one honest ceremony gives, but for the lies."""
    asked = ceremony(house, Purpose.SECOND_FACTOR if user_id else Purpose.SIGN_IN, user_id)
    return prove(asked, device.get(make_authentication_options(asked), **lies))


def why_refused(house: Server, device: Authenticator, user_id: str = "", **lies: Any) -> str:
    with pytest.raises(PasskeyRefused) as refused:
        proved(house, device, user_id, **lies)
    return refused.value.why


@pytest.mark.asvs("6.3.3", "6.7.2")
@pytest.mark.parametrize("is_synced", [False, True])
def test_a_registered_passkey_proves_its_owner_again_and_again(house: Server, is_synced: bool) -> None:
    user = somebody(house)
    device = registered(house, user, is_synced=is_synced)
    for user_id in ("", user.id):
        proof = proved(house, device, user_id)
        assert (proof.passkey.user_id, proof.user_verified, proof.is_synced) == (user.id, True, is_synced)
    stored = house.store.passkeys.find(to_text(device.credential_id))
    assert stored is not None
    assert (stored.name, stored.backed_up, stored.transports) == ("Phone", is_synced, ("internal",))


@pytest.mark.spec("WebAuthn", "5.4", "MUST")
def test_what_the_browser_is_asked_for(house: Server) -> None:
    user = somebody(house)
    device = registered(house, user)
    options = make_registration_options(ceremony(house, Purpose.REGISTER, user.id), user)
    assert (options["rp"]["id"], options["attestation"]) == ("localhost", "none")
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    assert [each["id"] for each in options["excludeCredentials"]] == [to_text(device.credential_id)]
    assert user.id not in json.dumps(options), "an authenticator is told nothing about a person but their name"
    anybody = make_authentication_options(ceremony(house, Purpose.SIGN_IN))
    assert (anybody["allowCredentials"], anybody["userVerification"]) == ([], "required")


@pytest.mark.asvs("6.7.2")
def test_a_challenge_has_128_random_bits_and_is_another_each_time(house: Server) -> None:
    asked = ceremony(house, Purpose.SIGN_IN)
    made = [base64url_to_bytes(make_authentication_options(asked)["challenge"]) for _ in range(50)]
    nonces = {challenge.decode("ascii").partition(".")[0] for challenge in made}
    assert len(nonces) == len(set(made)) == 50
    assert {len(base64url_to_bytes(nonce)) for nonce in nonces} == {16}


@pytest.mark.spec("WebAuthn", "7.1", "MUST")
@pytest.mark.parametrize(
    "lies",
    [
        pytest.param({"origin": "https://evil.example"}, id="another origin"),
        pytest.param({"origin": "http://localhost:9"}, id="another port"),
        pytest.param({"rp_id": "evil.example"}, id="another RP ID"),
        pytest.param({"type": "webauthn.get"}, id="the answer to something else"),
        pytest.param({"challenge": "AAAA"}, id="another challenge"),
        pytest.param({"absent": True}, id="nobody was there"),
    ],
)
def test_a_registration_that_proves_nothing_is_refused(house: Server, lies: dict[str, Any]) -> None:
    user = somebody(house)
    device, asked = authenticator_for(house.issuer), ceremony(house, Purpose.REGISTER, user.id)
    with pytest.raises(PasskeyRefused):
        register(asked, device.create(make_registration_options(asked, user), **lies), "Phone")
    assert house.store.passkeys.list_of(user.id) == []


@pytest.mark.spec("WebAuthn", "7.1", "MUST")
def test_nobody_registers_a_passkey_that_somebody_has(house: Server) -> None:
    device, thief = registered(house, somebody(house)), somebody(house)
    asked = ceremony(house, Purpose.REGISTER, thief.id)
    with pytest.raises(PasskeyRefused, match="a known credential"):
        register(asked, device.create(make_registration_options(asked, thief)), "Mine")


@pytest.mark.spec("WebAuthn", "7.2", "MUST")
@pytest.mark.asvs("6.7.2")
@pytest.mark.parametrize(
    "lies",
    [
        pytest.param({"origin": "https://evil.example"}, id="another origin"),
        pytest.param({"rp_id": "evil.example"}, id="another RP ID"),
        pytest.param({"type": "webauthn.create"}, id="the answer to something else"),
        pytest.param({"challenge": "AAAA"}, id="another challenge"),
        pytest.param({"signature": b"nonsense"}, id="a wrong signature"),
        pytest.param({"absent": True}, id="nobody was there"),
        pytest.param({"user_handle": "AAAA"}, id="another person's handle"),
    ],
)
def test_an_answer_that_proves_nothing_is_refused(house: Server, lies: dict[str, Any]) -> None:
    user = somebody(house)
    device = registered(house, user)
    for user_id in ("", user.id):
        assert why_refused(house, device, user_id, **lies)
    assert proved(house, device).passkey.user_id == user.id


def test_another_key_does_not_sign_for_this_one(house: Server) -> None:
    device = registered(house, somebody(house))
    forger = authenticator_for(house.issuer, credential_id=device.credential_id, user_handle=device.user_handle)
    assert "authentication" in why_refused(house, forger)


def test_an_unknown_passkey_proves_nothing(house: Server) -> None:
    stranger = authenticator_for(house.issuer, user_handle="AAAA")
    assert why_refused(house, stranger) == "authentication: an unknown credential"


@pytest.mark.spec("WebAuthn", "7.2", "MUST")
def test_alone_it_must_have_verified_its_holder_beside_a_password_it_need_not(house: Server) -> None:
    user = somebody(house)
    device = registered(house, user, verifies=False)
    assert proved(house, device, user.id).user_verified is False
    assert why_refused(house, device)


@pytest.mark.spec("WebAuthn", "7.2", "MUST")
def test_alone_it_must_say_whose_it_is_beside_a_password_it_need_not(house: Server) -> None:
    user = somebody(house)
    device = registered(house, user)
    assert proved(house, device, user.id, user_handle=None)
    assert why_refused(house, device, user_handle=None) == "authentication: another user handle"


def test_somebody_elses_passkey_is_no_second_factor(house: Server) -> None:
    victim, thief = somebody(house), somebody(house)
    device = registered(house, thief)
    assert why_refused(house, device, victim.id) == "authentication: another person's credential"


@pytest.mark.spec("WebAuthn", "7.2", "SHOULD")
def test_a_copied_key_is_noticed_by_its_counter(house: Server) -> None:
    device = registered(house, somebody(house), count=7)
    copy = replace(device)
    assert proved(house, device)
    with pytest.raises(PasskeyRefused) as refused:
        proved(house, copy)
    assert refused.value.is_copied
    assert proved(house, device), "the one that is ahead still works"


# --- Challenges


@pytest.mark.spec("WebAuthn", "13.4.3", "MUST")
@pytest.mark.asvs("6.7.2")
def test_an_answer_is_taken_once_even_by_many_at_once(house: Server) -> None:
    user = somebody(house)
    asked = ceremony(house, Purpose.SIGN_IN)
    answer = registered(house, user).get(make_authentication_options(asked))

    def is_taken(_: int) -> bool:
        try:
            return prove(asked, answer).passkey.user_id == user.id
        except PasskeyRefused:
            return False

    assert sum(at_once(8, is_taken)) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"browser": "b-2"}, id="another browser"),
        pytest.param({"purpose": Purpose.SECOND_FACTOR}, id="another purpose"),
        pytest.param({"user_id": "u_other"}, id="another person"),
        pytest.param({"now": NOW + SIGN_IN_CHALLENGE_SECONDS}, id="too late"),
    ],
)
def test_a_challenge_is_for_one_browser_purpose_person_and_an_hour(house: Server, change: dict[str, Any]) -> None:
    device = registered(house, somebody(house))
    asked = ceremony(house, Purpose.SIGN_IN)
    answer = device.get(make_authentication_options(asked))
    with pytest.raises(PasskeyRefused, match="challenge"):
        prove(replace(asked, **change), answer)


def test_the_challenge_of_a_sign_in_page_is_good_for_an_hour_any_other_for_five_minutes(house: Server) -> None:
    user = somebody(house)
    device = registered(house, user)
    for purpose, user_id, lasts in (
        (Purpose.SIGN_IN, "", SIGN_IN_CHALLENGE_SECONDS),
        (Purpose.SECOND_FACTOR, user.id, CHALLENGE_SECONDS),
    ):
        asked = ceremony(house, purpose, user_id)
        in_time, late = (device.get(make_authentication_options(asked)) for _ in range(2))
        assert prove(replace(asked, now=NOW + lasts - 1), in_time).passkey.user_id == user.id
        with pytest.raises(PasskeyRefused, match="challenge"):
            prove(replace(asked, now=NOW + lasts), late)


@pytest.mark.parametrize("end", ["9999999999", "9" * 5000, "-1", "NaN", ""])
def test_nobody_makes_a_challenge_but_this_server(house: Server, end: str) -> None:
    device = registered(house, somebody(house))
    options = make_authentication_options(ceremony(house, Purpose.SIGN_IN))
    forged = to_text(f"nonce.{end}.{'A' * 43}".encode())
    assert "challenge" in why_refused(house, device, challenge=forged)
    assert options["challenge"] != forged


def test_a_challenge_of_before_a_change_of_the_secret_key_is_still_good(house: Server) -> None:
    device = registered(house, somebody(house))
    answer = device.get(make_authentication_options(ceremony(house, Purpose.SIGN_IN)))
    rolled = replace(house, secret_box=SecretBox("another secret key of some length, for tests", [SECRET]))
    assert prove(ceremony(rolled, Purpose.SIGN_IN), answer)


SECRET = "tests-only-secret-key-of-some-length-0123456789"
ODD = ["", "null", "[]", "{}", "1", '"x"', '{"response": null}', '{"response": {"clientDataJSON": 5}}',
       "{" * 9999, '{"id": "\\ud800", "response": {"clientDataJSON": "e30"}}', "\0", "\ud800",
       "[" * 16_000, "x" * 20_000]  # fmt: skip


@pytest.mark.parametrize("answer", ODD)
def test_nothing_that_is_sent_is_an_error(house: Server, answer: str) -> None:
    user = somebody(house)
    for act in (lambda: register(ceremony(house, Purpose.REGISTER, user.id), answer, "x"),
                lambda: prove(ceremony(house, Purpose.SIGN_IN), answer)):  # fmt: skip
        with pytest.raises(PasskeyRefused):
            act()


@pytest.mark.parametrize(
    "spoil",
    [{"id": 5}, {"id": "\ud800"}, {"id": None}, {"rawId": "!"}, {"type": "password"}, {"response": {}}],
)
def test_an_answer_with_one_odd_member_is_refused(house: Server, spoil: dict[str, Any]) -> None:
    device, asked = registered(house, somebody(house)), ceremony(house, Purpose.SIGN_IN)
    answer = json.loads(device.get(make_authentication_options(asked)))
    with pytest.raises(PasskeyRefused):
        prove(asked, json.dumps(answer | spoil))


@pytest.mark.parametrize(
    ("issuer", "allowed"),
    [("https://id.example.com", True), ("http://localhost:8000", True), ("http://idp.localhost", True),
     ("http://id.example.com", False), ("https://192.0.2.1", False), ("http://127.0.0.1:8000", False)],
)  # fmt: skip
def test_where_browsers_know_passkeys(house: Server, issuer: str, allowed: bool) -> None:
    settings = house.settings.model_copy(update={"issuer": issuer})
    assert allows_passkeys(replace(house, settings=settings)) is allowed
