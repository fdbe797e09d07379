"""How an answer travels, by itself: no server, no pages."""

import pytest

from idp.authorization.response_modes import RESPONSE_MODES, Delivery

PARAMS = [("code", "a+b/c="), ("state", "é&=#"), ("iss", "https://id.example.com/path")]
ENCODED = "code=a%2Bb%2Fc%3D&state=%C3%A9%26%3D%23&iss=https%3A%2F%2Fid.example.com%2Fpath"


@pytest.mark.spec("OAuth 2.0 Multiple Response Types", "2.1", "MUST")
@pytest.mark.spec("OAuth 2.0 Form Post Response Mode", "2", "MUST")
@pytest.mark.parametrize(
    ("mode", "uri", "expected"),
    [
        ("query", "https://c.example/cb", Delivery(f"https://c.example/cb?{ENCODED}")),
        ("query", "https://c.example/cb?t=1", Delivery(f"https://c.example/cb?t=1&{ENCODED}")),
        ("query", "app:/cb", Delivery(f"app:/cb?{ENCODED}")),
        ("fragment", "https://c.example/cb?t=1", Delivery(f"https://c.example/cb?t=1#{ENCODED}")),
        ("form_post", "https://c.example/cb?t=1", Delivery("https://c.example/cb?t=1", PARAMS)),
    ],
)
def test_each_mode_carries_every_parameter_unharmed(mode: str, uri: str, expected: Delivery) -> None:
    assert RESPONSE_MODES[mode](uri, PARAMS) == expected


def test_the_modes_are_these_three() -> None:
    assert set(RESPONSE_MODES) == {"query", "fragment", "form_post"}
