"""Proofs of an address: what ends them, how often a code may be tried, and that nothing of them can be read at rest."""

import re
import secrets

import pytest
from sqlalchemy import select

from idp.accounts.email_proofs import (
    CODE_TRIES,
    DAILY_TRIES,
    LIFETIME_SECONDS,
    EmailProof,
    Started,
    claim_proof,
    find_by_link,
    find_proof,
    is_of_browser,
    is_right_code,
    start_proof,
)
from idp.server import Server
from idp.store.tables import ephemeral

NOW = 1_900_000_000
PURPOSE, BROWSER = "registration", "the secret of a browser"


def begin(house: Server, email: str | None = None, *, now: int = NOW) -> tuple[Started, EmailProof]:
    address = email or f"{secrets.token_hex(6)}@mail.example"
    started = start_proof(house, PURPOSE, address, {"name": "Grace"}, BROWSER, now=now)
    proof = find_proof(house, started.id, purpose=PURPOSE, now=now)
    assert proof is not None
    return started, proof


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_proof_is_found_by_its_id_and_by_its_link(house: Server) -> None:
    started, proof = begin(house)
    assert find_by_link(house, started.token, purpose=PURPOSE, now=NOW) == proof
    assert proof.data == {"name": "Grace"}
    assert is_of_browser(proof, BROWSER)
    assert not is_of_browser(proof, "another")
    assert not is_of_browser(proof, None)


@pytest.mark.asvs("6.5.1")
def test_a_proof_is_claimed_once_and_is_gone_then(house: Server) -> None:
    started, proof = begin(house)
    assert [claim_proof(house, proof, now=NOW) for _ in range(2)] == [True, False]
    assert find_proof(house, started.id, purpose=PURPOSE, now=NOW) is None
    assert find_by_link(house, started.token, purpose=PURPOSE, now=NOW) is None


@pytest.mark.asvs("6.5.5")
def test_a_proof_ends_after_an_hour(house: Server) -> None:
    started, _ = begin(house)
    end = NOW + LIFETIME_SECONDS
    assert find_proof(house, started.id, purpose=PURPOSE, now=end - 1) is not None
    assert find_proof(house, started.id, purpose=PURPOSE, now=end) is None
    assert find_by_link(house, started.token, purpose=PURPOSE, now=end) is None


def test_a_proof_for_one_purpose_is_none_for_another(house: Server) -> None:
    started, _ = begin(house)
    assert find_proof(house, started.id, purpose="email change", now=NOW) is None
    assert find_by_link(house, started.token, purpose="email change", now=NOW) is None


@pytest.mark.asvs("6.6.3")
def test_a_code_is_tried_five_times(house: Server) -> None:
    started, proof = begin(house)
    assert not any(is_right_code(house, proof, wrong(started.code), now=NOW) for _ in range(CODE_TRIES))
    assert not is_right_code(house, proof, started.code, now=NOW)


@pytest.mark.asvs("6.6.3")
def test_one_address_has_twenty_tries_a_day_over_all_its_proofs_whatever_its_spelling(house: Server) -> None:
    name = secrets.token_hex(6)
    for number in range(DAILY_TRIES // CODE_TRIES):
        unseen = "\ufe00" * number
        started, proof = begin(house, f"{name if number % 2 else name.upper()}@ma{unseen}il.example")
        assert not any(is_right_code(house, proof, wrong(started.code), now=NOW) for _ in range(CODE_TRIES))
    started, proof = begin(house, f"{name}@mail.example")
    assert not is_right_code(house, proof, started.code, now=NOW)
    started, proof = begin(house, f"{name}@mail.example", now=NOW + 86_401)
    assert is_right_code(house, proof, started.code, now=NOW + 86_401)


@pytest.mark.parametrize("typed", ["{0}", " {0} ", "{1} {2}", "{1}-{2}"])
def test_a_code_may_be_typed_in_groups(house: Server, typed: str) -> None:
    started, proof = begin(house)
    code = started.code
    assert is_right_code(house, proof, typed.format(code, code[:3], code[3:]), now=NOW)


@pytest.mark.parametrize("typed", ["", "x", "\x00", "\ud800", "１２３４５６", "9" * 100_000])
def test_what_is_no_code_is_wrong(house: Server, typed: str) -> None:
    assert not is_right_code(house, begin(house)[1], typed, now=NOW)


@pytest.mark.asvs("6.5.2")
def test_neither_link_nor_code_nor_content_can_be_read_in_the_database(house: Server) -> None:
    started, proof = begin(house)
    with house.store.database.reading() as connection:
        stored = "\n".join(str(tuple(row)) for row in connection.execute(select(ephemeral)))
    for secret in (started.token, proof.email, "Grace", BROWSER):
        assert secret not in stored
    assert not re.search(rf"\b{started.code}\b", stored), "but for the digits of a hash"


@pytest.mark.asvs("6.5.4")
def test_a_code_is_six_digits_and_each_one_another(house: Server) -> None:
    codes = {begin(house)[0].code for _ in range(20)}
    assert all(len(code) == 6 and code.isdecimal() for code in codes)
    assert len(codes) > 15
