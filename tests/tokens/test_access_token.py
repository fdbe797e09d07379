"""What stands in an access token: RFC 9068, its audience by RFC 8707, roles and scopes per API."""

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from idp.protocol.scopes import Api
from tests.support.idp_server import timed_server
from tests.support.relying_party import RelyingParty, claims_of, header_of
from tests.support.scene import Scene, fetch_jwks, open_scene, refused, verified

ORDERS, STOCK, PLAIN = "https://orders.example.com", "https://stock.example.com", "urn:example:no-scopes"
SCOPES = ("openid", "email", "offline_access", "orders:read", "orders:write", "stock:read")


@pytest.fixture(scope="module")
def with_apis(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Scene]:
    """A server that knows two APIs with scopes of their own, and one without."""
    with timed_server(tmp_path_factory.mktemp("apis"), keys_from=signing_keys) as timed:
        timed.store.apis.save(Api(ORDERS, "Orders", {"orders:read": "r", "orders:write": "w"}), now=timed.now)
        timed.store.apis.save(Api(STOCK, "Stock", {"stock:read": "r"}), now=timed.now)
        timed.store.apis.save(Api(PLAIN, "Plain", {}), now=timed.now)
        yield open_scene(timed)


@pytest.mark.spec("RFC 9068", "2.1", "MUST")
@pytest.mark.spec("RFC 9068", "2.2", "REQUIRED")
@pytest.mark.asvs("9.1.1", "9.1.2")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_it_is_a_signed_at_jwt_with_all_that_an_api_needs(scene: Scene, alg: str) -> None:
    party = scene.client(id_token_signed_response_alg=alg)
    token = scene.tokens(party, scope="openid email")["access_token"]
    assert (header_of(token)["typ"], header_of(token)["alg"]) == ("at+jwt", "RS256")
    claims = verified(scene.server, token, audience=scene.server.issuer)
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(claims)
    assert claims["client_id"] == party.client.client_id
    assert claims["sub"] == scene.user.id
    assert claims["scope"] == "openid email"
    for name in ("iat", "exp", "auth_time"):
        assert type(claims[name]) is int
    assert claims["exp"] - claims["iat"] == 900


@pytest.mark.spec("RFC 9068", "2.2", "REQUIRED")
def test_each_token_has_an_identifier_of_its_own(scene: Scene) -> None:
    party = scene.client(rotate_refresh_tokens=False)
    tokens = [scene.offline(party), scene.offline(party)]
    tokens += [party.refresh(tokens[0]["refresh_token"]).json() for _ in range(3)]
    assert len({claims_of(each["access_token"])["jti"] for each in tokens}) == 5


@pytest.mark.spec("RFC 9068", "2.2.1", "MAY")
def test_it_says_how_and_when_the_person_signed_in(scene: Scene) -> None:
    tokens = scene.tokens(scene.client())
    claims, id_token = claims_of(tokens["access_token"]), claims_of(tokens["id_token"])
    assert (claims["auth_time"], claims["acr"], claims["sid"]) == (
        id_token["auth_time"],
        id_token["acr"],
        id_token["sid"],
    )


@pytest.mark.spec("RFC 9068", "2.2.3.1", "SHOULD")
def test_roles_stand_flat_in_it_and_only_when_there_are_some(scene: Scene) -> None:
    party = scene.client()
    assert claims_of(scene.tokens(party)["access_token"])["roles"] == ["reader", "Admin"]
    nobody = open_scene(scene.server, roles=())
    assert "roles" not in claims_of(nobody.tokens(scene.client())["access_token"])


def test_nothing_personal_stands_in_it(scene: Scene) -> None:
    party = scene.client(claims_in_id_token=True)
    token = scene.tokens(party, scope="openid profile email address phone")["access_token"]
    allowed = {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "auth_time", "acr", "sid", "roles"}
    assert set(claims_of(token)) == allowed


# --- Audience

AUDIENCES = [
    pytest.param("openid", None, (), "issuer", "openid", id="userinfo alone"),
    pytest.param(
        "openid orders:read", None, (), [ORDERS, "issuer"], "openid orders:read", id="the scope names the API"
    ),
    pytest.param("orders:read", None, (), ORDERS, "orders:read", id="an API without openid"),
    pytest.param("openid email", None, (ORDERS,), [ORDERS, "issuer"], "openid email", id="the client's own API"),
    pytest.param(
        "openid orders:read stock:read", ORDERS, (), [ORDERS, "issuer"], "openid orders:read", id="RFC 8707 2.2 one API"
    ),
    pytest.param(
        "openid orders:read stock:read",
        None,
        (),
        [ORDERS, STOCK, "issuer"],
        "openid orders:read stock:read",
        id="two APIs",
    ),
    pytest.param("openid", PLAIN, (PLAIN,), [PLAIN, "issuer"], "openid", id="an API without scopes"),
]


@pytest.mark.spec("RFC 9068", "3", "MUST")
@pytest.mark.spec("RFC 8707", "2", "MUST")
@pytest.mark.asvs("9.2.4", "10.3.1", "10.4.11")
@pytest.mark.parametrize(("scope", "resource", "registered", "aud", "granted"), AUDIENCES)
def test_the_audience_is_the_api_and_never_the_client(
    with_apis: Scene,
    scope: str,
    resource: str | None,
    registered: tuple[str, ...],
    aud: str | list[str],
    granted: str,
) -> None:
    party = with_apis.client(scope=SCOPES, audience=registered)
    tokens = with_apis.tokens(party, scope=scope, resource=resource)
    issuer = with_apis.server.issuer
    expected = (
        issuer if aud == "issuer" else aud if isinstance(aud, str) else [issuer if a == "issuer" else a for a in aud]
    )
    assert claims_of(tokens["access_token"])["aud"] == expected
    assert tokens["scope"] == claims_of(tokens["access_token"])["scope"] == granted


@pytest.mark.spec("RFC 8707", "2.2", "MUST")
@pytest.mark.asvs("9.2.4")
def test_the_token_request_may_choose_among_the_apis_granted(with_apis: Scene) -> None:
    party = with_apis.client(scope=SCOPES)
    callback = party.sign_in(with_apis.browser, scope="openid orders:read stock:read")
    tokens = party.redeem(callback, resource=STOCK).json()
    assert claims_of(tokens["access_token"])["aud"] == [STOCK, with_apis.server.issuer]
    assert tokens["scope"] == "openid stock:read"


@pytest.mark.spec("RFC 8707", "2", "MUST")
def test_resource_may_be_repeated_at_both_endpoints(with_apis: Scene) -> None:
    party = with_apis.client(scope=SCOPES)
    both: list[str] = [STOCK, ORDERS]
    callback = party.sign_in(with_apis.browser, scope="openid orders:read stock:read", resource=both)  # type: ignore[arg-type]
    tokens = party.redeem(callback, resource=[*both, STOCK]).json()
    assert set(claims_of(tokens["access_token"])["aud"]) == {STOCK, ORDERS, with_apis.server.issuer}


@pytest.mark.spec("RFC 8707", "2", "MUST")
@pytest.mark.parametrize("resource", ["https://unknown.example.com", ORDERS + "/", ORDERS + "#x", "orders"])
def test_an_unknown_resource_is_invalid_target(with_apis: Scene, resource: str) -> None:
    party = with_apis.client(scope=SCOPES)
    assert party.sign_in(with_apis.browser, resource=resource).error == "invalid_target"


@pytest.mark.asvs("10.3.1", "10.3.2")
def test_a_token_for_an_api_alone_does_not_open_userinfo(with_apis: Scene) -> None:
    party = with_apis.client(scope=SCOPES)
    token = with_apis.tokens(party, scope="orders:read")["access_token"]
    assert refused(party.userinfo(token))[0] in {401, 403}


@pytest.mark.asvs("10.4.11")
def test_scopes_that_the_client_is_not_registered_for_are_not_granted(with_apis: Scene) -> None:
    party = with_apis.client(scope=("openid", "orders:read"))
    tokens = with_apis.tokens(party, scope="openid orders:read orders:write stock:read email")
    assert tokens["scope"] == "openid orders:read"
    assert party.sign_in(with_apis.browser, scope="orders:write").error == "invalid_scope"


@pytest.mark.asvs("9.2.3")
def test_an_api_that_checks_its_audience_refuses_a_token_for_another(with_apis: Scene) -> None:
    party = with_apis.client(scope=SCOPES)
    token = with_apis.tokens(party, scope="openid stock:read")["access_token"]
    key = jwt.PyJWK(fetch_jwks(with_apis.server)[header_of(token)["kid"]], algorithm="RS256")
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key.key, algorithms=["RS256"], audience=ORDERS)


# --- Lifetimes


@pytest.mark.asvs("9.2.1")
@pytest.mark.parametrize(("access", "identity"), [(None, None), (60, 7200), (86_400, 120)])
def test_lifetimes_are_the_clients_or_else_the_servers(scene: Scene, access: int | None, identity: int | None) -> None:
    party: RelyingParty = scene.client(access_token_lifetime=access, id_token_lifetime=identity)
    tokens = scene.tokens(party)
    claims, id_token = claims_of(tokens["access_token"]), claims_of(tokens["id_token"])
    assert tokens["expires_in"] == claims["exp"] - claims["iat"] == (access or 900)
    assert id_token["exp"] - id_token["iat"] == (identity or 900)
