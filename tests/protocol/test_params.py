"""Parameters: each at most once, an empty one counts as absent, nothing unprintable, nothing boundless."""

import pytest

from idp.protocol.errors import InvalidRequest, OAuthError
from idp.protocol.params import MAX_VALUE_LENGTH, Params, load_integer, printable


@pytest.mark.spec("RFC 6749", "3.1", "MUST")
def test_a_parameter_without_a_value_counts_as_absent() -> None:
    params = Params([("state", ""), ("nonce", "n")])
    assert dict(params) == {"nonce": "n"}
    assert params.words("state") == ()


@pytest.mark.spec("RFC 6749", "3.1", "MUST NOT")
@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("state", "a"), ("state", "b")], id="RFC 6749 §3.1 twice"),
        pytest.param([("state", "a"), ("state", "a")], id="RFC 6749 §3.1 twice the same"),
        pytest.param([("unknown", "a"), ("unknown", "b")], id="RFC 6749 §3.1 twice, unknown"),
        pytest.param([("state", "a\x00")], id="NUL"),
        pytest.param([("st\x00ate", "a")], id="NUL in a name"),
        pytest.param([("state", "\x7f")], id="DEL"),
        pytest.param([("state", "\x1b[2J")], id="escape"),
        pytest.param([("state", "\ud800")], id="lone surrogate"),
        pytest.param([("state", "a" * (MAX_VALUE_LENGTH + 1))], id="longer than allowed"),
    ],
)
def test_a_malformed_parameter_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest):
        Params(pairs).check_well_formed()


@pytest.mark.spec("RFC 8707", "2", "MAY")
def test_a_repeatable_parameter_may_come_several_times() -> None:
    params = Params([("resource", "a"), ("resource", ""), ("resource", "b")], repeatable=frozenset({"resource"}))
    params.check_well_formed()
    assert params.every("resource") == ["a", "b"]


def test_an_empty_repetition_is_none() -> None:
    params = Params([("state", ""), ("state", "a"), ("state", "")])
    params.check_well_formed()
    assert params["state"] == "a"


@pytest.mark.spec("RFC 6749", "3.3", "MUST")
def test_words_are_distinct_and_in_order() -> None:
    assert Params([("scope", "openid email openid")]).words("scope") == ("openid", "email")


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("3600", 3600), ("2147483648", 2**31), ("007", 7)])
def test_an_integer_is_read(text: str, number: int) -> None:
    assert load_integer(Params([("max_age", text)]), "max_age") == number


def test_an_absent_integer_is_none() -> None:
    assert load_integer(Params([]), "max_age") is None


@pytest.mark.parametrize("text", ["-1", "1.5", "1e3", "abc", "٣", "0x10", " 1", "2147483649", "9" * 5000, "+1"])
def test_anything_but_a_whole_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        load_integer(Params([("max_age", text)]), "max_age")


@pytest.mark.spec("RFC 6749", "5.2", "MUST NOT")
def test_an_error_description_is_ascii_without_quotes_and_backslashes() -> None:
    description = OAuthError('a "quoted" \\ naïve\nthing\x00').description
    assert description == "a 'quoted' ' na've'thing'"
    assert printable("n\x00é" + "x" * 99) == "n??" + "x" * 37
