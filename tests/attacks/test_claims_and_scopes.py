"""What a client gets is never more than its operator allows: the claims parameter, removed APIs, narrowed clients."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp.protocol.scopes import Api
from tests.support.assertions import wait_for_client_caches
from tests.support.authorize import ask, signed_in
from tests.support.idp_server import ServerUnderTest, TimedServer, timed_server
from tests.support.relying_party import Browser, RelyingParty, claims_of

ORDERS = "https://orders.example.com"


# --- The claims parameter


@pytest.mark.spec("OpenID Connect Core", "5.5", "MAY")
@pytest.mark.asvs("10.7.1")
@pytest.mark.parametrize("first_party", [True, False], ids=["first party", "third party"])
@pytest.mark.parametrize("claims_in_id_token", [True, False], ids=["fat ID token", "lean ID token"])
def test_single_claims_are_limited_to_the_scopes_that_the_client_may_have(
    server: ServerUnderTest, browser: Browser, first_party: bool, claims_in_id_token: bool
) -> None:
    user = server.add_user()
    registered = server.add_client(
        scope=("openid", "profile"), first_party=first_party, claims_in_id_token=claims_in_id_token
    )
    party = RelyingParty(server, registered)
    wishes = {
        place: {name: {"essential": True} for name in ("sub", "given_name", "email", "phone_number", "address")}
        for place in ("userinfo", "id_token")
    }
    asked = ask(party, browser, claims=json.dumps(wishes)).log_in(user.username)
    if not first_party:
        assert asked.page.id == "consent-page"
        assert "mail" not in asked.page.soup.select_one("#consent-page").text.lower().replace(user.email.lower(), "")  # type: ignore[union-attr]
        asked = asked.then(asked.page.submit("allow"))
    tokens = party.redeem(asked.callback).json()
    everything = {**claims_of(tokens["id_token"]), **party.userinfo(tokens["access_token"]).json()}
    assert everything["given_name"] == "Ada"
    assert not {"email", "email_verified", "phone_number", "address"} & everything.keys()


@pytest.mark.spec("OpenID Connect Core", "5.5", "MUST")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param("[" * 4000, id="deeply nested"),
        pytest.param('{"id_token":{"sub":{"value":{"a":[1]}}}}', id="an object for a value"),
        pytest.param('{"id_token":{"sub":{"value":["a"]}}}', id="an array for a value"),
        pytest.param('{"id_token":{"acr":{"essential":true,"values":[["aal1"],{}]}}}', id="arrays among the values"),
        pytest.param('{"id_token":{"acr":{"values":"aal1"}}}', id="values that are a text"),
        pytest.param('{"userinfo":{"email":' + "[" * 1500 + "]" * 1500 + "}}", id="nesting in a wish"),
        pytest.param('{"userinfo":{"\\ud800":1}}', id="a lone surrogate in a name"),
        pytest.param('{"userinfo":{"\\n\\u0000\\"é":1}}', id="line breaks and quotes in a name"),
        pytest.param('{"userinfo":' * 2 + "1" + "}" * 2, id="a number for a wish"),
        pytest.param('{"userinfo":{"email":{"value":NaN}}}', id="NaN"),
        pytest.param('{"id_token":{"sub":{"essential":"yes"}}}', id="essential that is a text"),
        pytest.param("[]", id="an array"),
        pytest.param('"x"', id="a text"),
    ],
)
def test_claims_of_a_strange_shape_are_invalid_request(server: ServerUnderTest, browser: Browser, claims: str) -> None:
    callback = ask(RelyingParty(server, server.add_client()), browser, method="POST", claims=claims).callback
    assert callback.error == "invalid_request"
    assert set(callback.params["error_description"]) <= {chr(c) for c in range(0x20, 0x7F)} - {'"', "\\"}


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param('{"id_token":{"nonsense":{"value":1e999,"other":{"deep":[[[]]]}}}}', id="unknown members"),
        pytest.param('{"userinfo":{"\\ud800":null}, "more":[[]]}', id="a lone surrogate"),
        pytest.param('{"userinfo":' * 300 + "1" + "}" * 300, id="depth in an unknown member"),
        pytest.param('{"userinfo":{"email":{"value":' + "9" * 4000 + "}}}", id="a long number"),
    ],
)
def test_what_is_unknown_in_claims_is_ignored_all_the_way(
    server: ServerUnderTest, browser: Browser, claims: str
) -> None:
    party, user = RelyingParty(server, server.add_client()), server.add_user()
    tokens = party.tokens(browser, user.username, claims=claims)
    assert claims_of(tokens["id_token"])["sub"] == user.id


# --- What the operator takes back


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[TimedServer]:
    with timed_server(tmp_path_factory.mktemp("shop"), keys_from=signing_keys) as timed:
        yield timed


@pytest.fixture(autouse=True)
def orders(request: pytest.FixtureRequest) -> None:
    """The API is there at the beginning of each test, and known to the server."""
    if "shop" in request.fixturenames:
        timed = request.getfixturevalue("shop")
        timed.store.apis.save(Api(ORDERS, "Orders", {"orders:read": "r", "orders:write": "w"}), now=timed.now)
        wait_for_client_caches()


def started(shop: TimedServer, scope: str, **changes: Any) -> tuple[RelyingParty, Any, Any]:
    """A client, its token response, and a code that is not redeemed yet."""
    allowed = ("openid", "email", "offline_access", "orders:read", "orders:write")
    party = RelyingParty(shop, shop.add_client(first_party=True, scope=allowed, **changes))
    browser = signed_in(shop, shop.add_user().username)
    tokens = party.tokens(browser, scope=scope)
    return party, tokens, party.sign_in(browser, scope=scope)


def narrow(shop: TimedServer, party: RelyingParty, *scope: str) -> None:
    changed = replace(party.client.metadata, scope=scope)
    assert shop.store.clients.save(changed, now=shop.now)
    wait_for_client_caches()


@pytest.mark.spec("RFC 8707", "2.2", "MUST")
@pytest.mark.asvs("10.4.11")
def test_an_api_that_was_removed_is_in_no_new_token(shop: TimedServer) -> None:
    party, tokens, callback = started(shop, "openid offline_access orders:read")
    assert ORDERS in claims_of(tokens["access_token"])["aud"]
    shop.store.apis.remove(ORDERS)
    wait_for_client_caches()
    for answer in (party.refresh(tokens["refresh_token"]), party.redeem(callback)):
        assert answer.status_code == 200, answer.text
        claims = claims_of(answer.json()["access_token"])
        assert claims["aud"] == shop.issuer
        assert "orders:read" not in claims["scope"].split(), "a scope of an API that is gone"


@pytest.mark.asvs("10.4.11")
def test_a_scope_that_the_client_lost_is_in_no_new_token(shop: TimedServer) -> None:
    party, tokens, callback = started(shop, "openid offline_access orders:read orders:write")
    narrow(shop, party, "openid", "offline_access", "orders:read")
    for answer in (party.refresh(tokens["refresh_token"]), party.redeem(callback)):
        assert answer.json()["scope"] == "openid offline_access orders:read"
        assert claims_of(answer.json()["access_token"])["scope"] == "openid offline_access orders:read"


@pytest.mark.spec("RFC 6749", "5.2", "MUST")
def test_with_no_scope_left_the_answer_is_invalid_scope(shop: TimedServer) -> None:
    party, tokens, callback = started(shop, "orders:read orders:write", always_issue_refresh_token=True)
    narrow(shop, party, "openid")
    for answer in (party.refresh(tokens["refresh_token"]), party.redeem(callback)):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    narrow(shop, party, "orders:read")
    assert party.refresh(tokens["refresh_token"]).status_code == 200, "the refusal has not used the token up"


@pytest.mark.asvs("10.4.11")
def test_a_single_claim_that_the_client_lost_is_not_delivered_any_more(shop: TimedServer) -> None:
    registered = shop.add_client(first_party=True, scope=("openid", "email", "offline_access"))
    party, user = RelyingParty(shop, registered), shop.add_user()
    wishes = json.dumps({"userinfo": {"email": None}, "id_token": {"email": None}})
    tokens = party.tokens(Browser(shop), user.username, scope="openid offline_access", claims=wishes)
    assert claims_of(tokens["id_token"])["email"] == user.email
    narrow(shop, party, "openid", "offline_access")
    later = party.refresh(tokens["refresh_token"]).json()
    assert "email" not in claims_of(later["id_token"])
    assert set(party.userinfo(later["access_token"]).json()) == {"sub"}
