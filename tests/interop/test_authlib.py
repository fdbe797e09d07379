"""Authlib's requests client: its checks of metadata and ID tokens, and the flow by every client authentication."""

import pytest
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2 import rfc8414, rfc9207
from authlib.oidc import discovery, rpinitiated
from joserfc.errors import InvalidClaimError

from tests.interop.authlib_client import NONCE, AuthlibClient, connect, fetch
from tests.interop.node_clients import add_key_client, add_secret_jwt_client
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser

pytestmark = pytest.mark.interop

CORE = "OpenID Connect Core"
OFFLINE = {"prompt": "consent"}  # without it, offline_access is ignored (OpenID Connect Core §11)


def make_client(server: ServerUnderTest, method: str) -> AuthlibClient:
    """A newly registered client that authenticates by this method; `private_key_jwt ES256` names the key's alg too."""
    name, _, alg = method.partition(" ")
    if name == "private_key_jwt":
        client, private_jwk = add_key_client(server, alg)
        return connect(server, client, private_jwk=private_jwk)
    if name == "client_secret_jwt":
        return connect(server, add_secret_jwt_client(server))
    return connect(server, server.add_client(public=name == "none", token_endpoint_auth_method=name))


@pytest.mark.spec("OpenID Connect Discovery", "3", "MUST")
def test_authlib_finds_the_openid_metadata_valid(server: ServerUnderTest) -> None:
    metadata = discovery.OpenIDProviderMetadata(fetch(server.url("/.well-known/openid-configuration")))
    metadata.validate(metadata_classes=[rpinitiated.OpenIDProviderMetadata, rfc9207.AuthorizationServerMetadata])
    assert metadata["authorization_response_iss_parameter_supported"] is True


@pytest.mark.spec("RFC 8414", "2", "MUST")
def test_authlib_finds_the_authorization_server_metadata_valid(server: ServerUnderTest) -> None:
    metadata = rfc8414.AuthorizationServerMetadata(fetch(server.url("/.well-known/oauth-authorization-server")))
    metadata.validate(metadata_classes=[rfc9207.AuthorizationServerMetadata])
    assert metadata["issuer"] == server.issuer


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("none", marks=pytest.mark.spec("RFC 6749", "3.2.1", "MUST")),
        pytest.param("client_secret_basic", marks=pytest.mark.spec("RFC 6749", "2.3.1", "MUST")),
        pytest.param("client_secret_post", marks=pytest.mark.spec("RFC 6749", "2.3.1", "MAY")),
        pytest.param("client_secret_jwt", marks=pytest.mark.spec(CORE, "9", "MUST")),
        *(
            pytest.param(f"private_key_jwt {alg}", marks=pytest.mark.spec("RFC 7523", "3", "MUST"))
            for alg in ("RS256", "PS256", "ES256", "Ed25519")
        ),
    ],
)
def test_authlib_signs_a_person_in_refreshes_and_revokes_as_a_client_that_authenticates_by(
    server: ServerUnderTest, browser: Browser, method: str
) -> None:
    client, user = make_client(server, method), server.add_user()
    tokens = client.sign_in(browser, user.username, **OFFLINE)
    assert client.read_id_token(tokens, nonce=NONCE)["sub"] == user.id
    assert client.session.get(client.metadata["userinfo_endpoint"]).json() == {"sub": user.id}
    refreshed = client.session.refresh_token(client.metadata["token_endpoint"])
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    assert client.session.revoke_token(client.metadata["revocation_endpoint"]).status_code == 200
    assert client.session.get(client.metadata["userinfo_endpoint"]).status_code == 401
    with pytest.raises(AuthlibBaseError, match="invalid_grant"):
        client.session.refresh_token(client.metadata["token_endpoint"], refreshed["refresh_token"])


@pytest.mark.spec(CORE, "3.1.3.6", "OPTIONAL")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_authlib_accepts_signature_and_at_hash_of_an_id_token_by(
    server: ServerUnderTest, browser: Browser, alg: str
) -> None:
    client = connect(server, server.add_client(id_token_signed_response_alg=alg))
    tokens = client.sign_in(browser, server.add_user().username)
    claims = client.read_id_token(tokens, nonce=NONCE)
    assert claims.header["alg"] == alg
    assert "at_hash" in claims
    with pytest.raises(InvalidClaimError, match="at_hash"):
        client.read_id_token(tokens | {"access_token": "another"})


@pytest.mark.spec("RFC 7662", "2.1", "MUST")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_jwt", "private_key_jwt ES256"])
def test_authlib_introspects_as_a_client_that_authenticates_by(
    server: ServerUnderTest, browser: Browser, method: str
) -> None:
    client, user = make_client(server, method), server.add_user()
    client.sign_in(browser, user.username, **OFFLINE)
    endpoint = client.metadata["introspection_endpoint"]
    for name in ("access_token", "refresh_token"):
        answer = client.session.introspect_token(endpoint, token=client.session.token[name], token_type_hint=name)
        assert (answer.json()["active"], answer.json()["sub"]) == (True, user.id)
    assert client.session.introspect_token(endpoint, token="unknown").json() == {"active": False}


@pytest.mark.spec("RFC 6749", "6", "MUST")
def test_authlib_refreshes_by_itself_when_its_access_token_has_expired(
    server: ServerUnderTest, browser: Browser
) -> None:
    client, user = make_client(server, "client_secret_basic"), server.add_user()
    first = client.sign_in(browser, user.username, **OFFLINE)
    client.session.token["expires_at"] = 1
    assert client.session.get(client.metadata["userinfo_endpoint"]).json() == {"sub": user.id}
    assert client.session.token["refresh_token"] != first["refresh_token"]


@pytest.mark.spec("RFC 6750", "2.2", "MAY")
def test_authlib_may_send_the_access_token_in_the_body(server: ServerUnderTest, browser: Browser) -> None:
    client, user = make_client(server, "client_secret_basic"), server.add_user()
    client.sign_in(browser, user.username)
    client.session.token_auth.token_placement = "body"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.session.post(client.metadata["userinfo_endpoint"], headers=headers)
    assert answer.json()["sub"] == user.id


@pytest.mark.spec("RFC 7636", "4.6", "MUST")
@pytest.mark.asvs("10.4.6")
@pytest.mark.parametrize("code_verifier", [None, "x" * 43], ids=["no verifier", "a wrong verifier"])
def test_authlib_is_refused_with(server: ServerUnderTest, browser: Browser, code_verifier: str | None) -> None:
    client = make_client(server, "client_secret_basic")
    callback = client.ask(browser, server.add_user().username)
    with pytest.raises(AuthlibBaseError, match="invalid_grant"):
        client.redeem(callback, code_verifier=code_verifier)
    assert client.redeem(callback)["token_type"] == "Bearer"


@pytest.mark.spec("RFC 6749", "5.2", "MUST")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
def test_authlib_hears_invalid_client_for_a_wrong_secret_by(
    server: ServerUnderTest, browser: Browser, method: str
) -> None:
    client = make_client(server, method)
    callback = client.ask(browser, server.add_user().username)
    client.session.client_secret = "wrong-but-as-long-as-a-real-secret-would-be"
    with pytest.raises(AuthlibBaseError, match="invalid_client"):
        client.redeem(callback)


@pytest.mark.spec("OpenID Connect RP-Initiated Logout", "3", "MUST")
def test_authlib_signs_the_person_out(server: ServerUnderTest, browser: Browser) -> None:
    registered = server.add_client()
    client = connect(server, registered)
    tokens = client.sign_in(browser, server.add_user().username)
    parameters = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": registered.metadata.post_logout_redirect_uris[0],
        "state": "bye",
    }
    answer = browser.follow(browser.get(client.metadata["end_session_endpoint"], params=parameters))
    assert answer.headers["Location"] == f"{parameters['post_logout_redirect_uri']}?state=bye"
    url, _ = client.session.create_authorization_url(client.metadata["authorization_endpoint"], code_verifier="v" * 43)
    assert browser.open(url).id == "login-page"
