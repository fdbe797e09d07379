"""The claims parameter, and which claims scopes deliver."""

import json

import pytest

from idp.protocol.claims import claims_of_scopes, parse_claims, select_claims
from idp.protocol.errors import InvalidRequest


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="an array"),
        pytest.param("null", id="null"),
        pytest.param('"x"', id="a string"),
        pytest.param('{"id_token": []}', id="id_token is an array"),
        pytest.param('{"userinfo": "name"}', id="userinfo is a string"),
        pytest.param('{"userinfo": {"name": true}}', id="a claim is true"),
        pytest.param('{"userinfo": {"name": []}}', id="a claim is an array"),
        pytest.param('{"userinfo": {"name": {"essential": "yes"}}}', id="essential is a string"),
        pytest.param('{"id_token": {"acr": {"values": "aal1"}}}', id="values is a string"),
        pytest.param('{"id_token": {"acr": {"value": NaN}}}', id="a number that JSON has not"),
        pytest.param('{"id_token": {"acr": {"value": -Infinity}}}', id="infinity"),
        pytest.param("[" * 4000, id="nested beyond measure"),
        pytest.param('{"a": "' + "x" * 5000 + '"}', id="too long"),
    ],
)
def test_a_malformed_claims_parameter_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_claims(text)


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{}", id="empty"),
        pytest.param('{"userinfo": null, "id_token": null}', id="null places"),
        pytest.param('{"elsewhere": {"name": 1}}', id="unknown place"),
        pytest.param('{"userinfo": {"https://example.com/unheard": {"essential": true}}}', id="unknown claim"),
        pytest.param('{"userinfo": {"name": {"purpose": "to greet you"}}}', id="unknown member"),
        pytest.param('{\n\t"userinfo": {}\r\n}', id="pretty-printed"),
    ],
)
def test_what_is_unknown_in_the_claims_parameter_is_ignored(text: str) -> None:
    claims = parse_claims(text)
    assert set(claims.user_claims()) <= {"name"}
    assert claims.required_sub() is None


@pytest.mark.spec("OpenID Connect Core", "5.5.1", "MUST")
def test_what_the_claims_parameter_says_is_read() -> None:
    wish = {"id_token": {"acr": {"essential": True, "values": ["aal2", "aal1"]}, "email": None},
            "userinfo": {"name": {"essential": True}, "sub": {"value": "u_1"}}}  # fmt: skip
    claims = parse_claims(json.dumps(wish))
    assert claims.is_essential("acr")
    assert not claims.is_essential("email")
    assert not claims.is_essential("name"), "essential in userinfo says nothing of the ID token"
    assert claims.wanted_values("acr") == ("aal2", "aal1")
    assert claims.wanted_values("email") == ()
    assert claims.required_sub() == "u_1"
    assert claims.user_claims() == ("name", "sub", "email")


def test_one_value_is_asked_for_as_such_whatever_values_says() -> None:
    claims = parse_claims('{"id_token": {"acr": {"value": "aal1", "values": ["aal2"]}}}')
    assert claims.wanted_values("acr") == ("aal1",)


@pytest.mark.spec("OpenID Connect Core", "5.4", "MUST")
@pytest.mark.parametrize(
    ("scope", "some"),
    [
        ("openid", {"sub"}),
        ("profile", {"name", "birthdate", "updated_at", "preferred_username"}),
        ("email", {"email", "email_verified"}),
        ("phone", {"phone_number", "phone_number_verified"}),
        ("address", {"address"}),
        ("offline_access", set()),
        ("orders:read", set()),
    ],
)
def test_a_scope_delivers_its_claims(scope: str, some: set[str]) -> None:
    delivered = set(claims_of_scopes([scope]))
    assert some <= delivered
    assert scope in {"openid", "profile"} or delivered == some


@pytest.mark.spec("OpenID Connect Core", "5.3.2", "SHOULD")
def test_claims_without_a_value_are_left_out_and_false_is_a_value() -> None:
    available: dict[str, object] = {
        "name": "",
        "roles": [],
        "address": {},
        "email": None,
        "email_verified": False,
        "zoneinfo": "UTC",
    }
    assert select_claims(available, [*available, "unheard"]) == {"email_verified": False, "zoneinfo": "UTC"}
