"""Scopes and resources: what may be granted, and that nothing grows."""

import pytest

from idp.protocol.errors import InvalidScope, InvalidTarget
from idp.protocol.scopes import Api, check_resources, grantable, is_scope_token, load_narrowed, scopes_of_token


@pytest.mark.spec("OpenID Connect Core", "3.1.2.1", "SHOULD")
@pytest.mark.asvs("10.4.11")
def test_scopes_that_the_client_may_not_have_are_left_out() -> None:
    assert grantable(["openid", "admin", "email", "openid"], ["email", "openid"]) == ("openid", "email")


@pytest.mark.spec("RFC 6749", "3.3", "MUST")
@pytest.mark.parametrize("asked", [[], ["admin"], ["OPENID"], [""]])
def test_a_request_that_leaves_no_scope_is_refused(asked: list[str]) -> None:
    with pytest.raises(InvalidScope):
        grantable(asked, ["openid"])


@pytest.mark.spec("RFC 6749", "6", "MUST NOT")
def test_a_refresh_may_ask_for_less_and_never_for_more() -> None:
    assert load_narrowed(["email"], ["openid", "email"]) == ("email",)
    with pytest.raises(InvalidScope):
        load_narrowed(["openid", "admin"], ["openid", "email"])


@pytest.mark.spec("RFC 8707", "2", "MUST")
@pytest.mark.parametrize(
    "asked", ["https://other.example", "https://api.example/", "https://api.example#x", "HTTPS://api.example"]
)
def test_a_resource_is_one_of_those_allowed_to_the_letter(asked: str) -> None:
    check_resources(["https://api.example"], {"https://api.example"})
    with pytest.raises(InvalidTarget):
        check_resources(["https://api.example", asked], {"https://api.example"})


@pytest.mark.spec("RFC 8707", "2.2", "SHOULD")
@pytest.mark.asvs("10.4.11")
def test_a_token_for_one_api_has_no_scope_of_another() -> None:
    orders, mail = Api("o", "Orders", {"orders:read": ""}), Api("m", "Mail", {"mail:read": ""})
    every = {*orders.scopes, *mail.scopes}
    granted = ["openid", "orders:read", "mail:read"]
    assert scopes_of_token(granted, [orders], all_apis_scopes=every) == ("openid", "orders:read")
    assert scopes_of_token(granted, [], all_apis_scopes=every) == ("openid",)


@pytest.mark.spec("RFC 6749", "3.3", "MUST")
@pytest.mark.parametrize(("word", "fits"), [("orders:read", True), ("!#[]~", True), ("", False), ("a b", False),
                                            ('a"', False), ("a\\", False), ("é", False), ("a\n", False)])  # fmt: skip
def test_the_alphabet_of_scopes(word: str, fits: bool) -> None:
    assert is_scope_token(word) is fits
