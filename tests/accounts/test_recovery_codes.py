"""Recovery codes: how many, how long, how they may be typed, and that each is good once."""

import re
from collections.abc import Callable

import pytest

from idp.accounts.recovery_codes import COUNT, claim_code, make_codes
from idp.server import Server
from tests.store.samples import NOW, unique


@pytest.mark.asvs("6.5.2", "6.5.3")
def test_a_set_is_ten_different_codes_of_120_bits(house: Server) -> None:
    codes = make_codes(house, unique("u"), now=NOW)
    assert len(set(codes)) == COUNT == 10
    assert all(re.fullmatch(r"([A-Z2-7]{4}-){5}[A-Z2-7]{4}", code) for code in codes)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda code: code, id="as shown"),
        pytest.param(lambda code: code.replace("-", ""), id="without dashes"),
        pytest.param(lambda code: f"  {code.lower().replace('-', ' ')}\t", id="with blanks, in small letters"),
        pytest.param(lambda code: code.replace("O", "0").replace("I", "1").replace("B", "8"), id="misread"),
    ],
)
def test_a_code_may_be_typed_in_many_ways(house: Server, write: Callable[[str], str]) -> None:
    user_id = unique("u")
    code = make_codes(house, user_id, now=NOW)[3]
    assert claim_code(house, user_id, write(code), now=NOW)


@pytest.mark.asvs("6.5.1")
def test_a_code_is_good_once_for_its_owner_and_until_the_next_set(house: Server) -> None:
    user_id, other = unique("u"), unique("u")
    first, second, *_ = make_codes(house, user_id, now=NOW)
    assert not claim_code(house, other, first, now=NOW)
    assert [claim_code(house, user_id, first, now=NOW) for _ in range(2)] == [True, False]
    assert house.store.recovery_codes.count_unused(user_id) == 9
    make_codes(house, user_id, now=NOW)
    assert not claim_code(house, user_id, second, now=NOW)


@pytest.mark.parametrize("typed", ["", "A" * 23, "A" * 25, "É" * 24, "\0" * 24, "\ud800" * 24, "ﬁ" * 12, "A" * 100_000])
def test_nothing_that_is_typed_is_an_error(house: Server, typed: str) -> None:
    user_id = unique("u")
    make_codes(house, user_id, now=NOW)
    assert not claim_code(house, user_id, typed, now=NOW)
