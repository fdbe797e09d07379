"""Reading what others write about people: what is usable is taken, everything else is as if it were not there."""

from typing import Any

import pytest

from idp.upstream.profile import is_true, read_claims, read_email, read_https_url, read_names, read_text

CONTROL = "Grace\x07Hopper"
UNUSABLE: list[Any] = [
    None,
    7,
    True,
    [],
    {},
    "",
    "   ",
    CONTROL,
    "a\nb",
    "nul\0",
    "x" * 201,
    "\u202eevil",
    "half \ud800",
]


@pytest.mark.parametrize("value", UNUSABLE)
def test_what_is_no_plain_text_is_not_read(value: Any) -> None:
    assert read_text(value) is None
    assert read_names(value) == ()
    assert read_claims({"name": value, "nickname": value}) == {}


@pytest.mark.parametrize("value", ["Grace Hopper", "李小龍", "محمد علي", "O'Brien", "😀", "x" * 200])
def test_names_of_all_scripts_are_texts(value: str) -> None:
    assert read_text(f" {value} ") == value


@pytest.mark.parametrize("value", ["grace@example.org", "g+tag@sub.example.org", "ü@example.org", "a.b@example.org"])
def test_addresses(value: str) -> None:
    assert read_email(value) == value


@pytest.mark.parametrize(
    "value",
    [None, 7, "", "grace", "@example.org", "grace@", "grace@localhost", "a b@example.org", "g@example.org\n", "g@e.x\0"]
    + ["grace@.", "a@b@example.org", f"{'x' * 320}@example.org", ["g@example.org"]],
)
def test_what_is_no_address(value: Any) -> None:
    assert read_email(value) is None


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        ("https://example.org/p.png", True),
        ("http://example.org/p.png", False),
        ("javascript:alert(1)", False),
        ("data:image/png;base64,AAAA", False),
        ("https:///p.png", False),
        ("https://[bad", False),
        ("//example.org/p.png", False),
        ("https://example.org/ p.png", False),
        ("https://example.org/\np.png", False),
        (f"https://example.org/{'x' * 2048}", False),
        (7, False),
    ],
)
def test_pictures_are_over_https(value: Any, is_kept: bool) -> None:
    assert (read_https_url(value) is not None) is is_kept
    assert ("picture" in read_claims({"picture": value})) is is_kept


@pytest.mark.parametrize("value", [True, 1, "true", "True", "1"])
def test_truths_of_all_spellings(value: Any) -> None:
    assert is_true(value)


@pytest.mark.parametrize("value", [False, None, 0, 2, "false", "0", "yes", "", [], [True], {}])
def test_everything_else_is_not_true(value: Any) -> None:
    assert not is_true(value)


def test_only_harmless_claims_are_read() -> None:
    source = {
        "name": "G",
        "sub": "x",
        "email": "g@x.example",
        "roles": ["admin"],
        "phone_number": "+1",
        "birthdate": "1906",
    }
    assert read_claims(source | {"locale": "en-US"}) == {"name": "G", "locale": "en-US"}
    assert read_claims({"locale": "x" * 36}) == {}
