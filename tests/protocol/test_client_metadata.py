"""What a client may be registered as."""

from typing import Any

import pytest

from idp.protocol.client import Client, ClientSecret
from idp.protocol.client_metadata import check_client
from idp.protocol.errors import InvalidClientMetadata, InvalidRedirectUri
from tests.support.accounts import make_client

SUPPORTED: dict[str, Any] = {
    "auth_methods": ("none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"),
    "grant_types": ("authorization_code", "refresh_token", "client_credentials"),
    "signing_algs": ("RS256", "PS256", "ES256", "EdDSA"),
    "assertion_algs": ("RS256", "ES256", "HS256"),
}
JWKS: dict[str, Any] = {"keys": []}


def make(**changes: Any) -> Client:
    return make_client("client-1", secret="a secret", **changes)


@pytest.mark.spec("RFC 7591", "2", "MUST")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as it comes"),
        pytest.param({"token_endpoint_auth_method": "none", "secrets": ()}, id="public"),
        pytest.param({"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS}, id="private_key_jwt by jwks"),
        pytest.param(
            {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://c.example/jwks"}, id="by jwks_uri"
        ),
        pytest.param(
            {
                "token_endpoint_auth_method": "client_secret_jwt",
                "token_endpoint_auth_signing_alg": "HS256",
                "secrets": (ClientSecret(encrypted="x"),),
            },
            id="client_secret_jwt",
        ),
        pytest.param({"web_origins": ("https://app.example.com", "http://localhost:3000")}, id="origins"),
        pytest.param({"logo_uri": "http://localhost:3000/logo.png"}, id="logo on loopback"),
        pytest.param({"id_token_signed_response_alg": "EdDSA"}, id="EdDSA"),
    ],
)
def test_a_sound_client_may_be_registered(changes: dict[str, Any]) -> None:
    check_client(make(**changes), **SUPPORTED)
    assert make(**changes).name


@pytest.mark.spec("RFC 7591", "2", "MUST")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_id": ""}, id="empty client_id"),
        pytest.param({"client_id": "a b"}, id="client_id with a space"),
        pytest.param({"client_id": "x" * 129}, id="client_id too long"),
        pytest.param({"client_id": "u_123"}, id="RFC 9068 §5 client_id like a person's id"),
        pytest.param({"client_id": "client-1\n"}, id="client_id with a line break"),
        pytest.param({"client_name": "x" * 201}, id="name too long"),
        pytest.param({"client_name": "a\u202eb"}, id="name that turns the text around"),
        pytest.param({"client_name": "a\nb"}, id="name of two lines"),
        pytest.param({"scope": ('a"b',)}, id="RFC 6749 §3.3 scope"),
        pytest.param({"grant_types": ("password",)}, id="RFC 9700 §2.4 password grant"),
        pytest.param(
            {"grant_types": ("client_credentials",), "token_endpoint_auth_method": "none"},
            id="RFC 6749 §4.4 client credentials without any",
        ),
        pytest.param({"grant_types": ("implicit",)}, id="RFC 9700 §2.1.2 implicit grant"),
        pytest.param({"redirect_uris": ()}, id="code grant without redirect URI"),
        pytest.param({"response_types": ("token",)}, id="response type token"),
        pytest.param({"token_endpoint_auth_method": "tls"}, id="unknown authentication"),
        pytest.param({"token_endpoint_auth_method": "private_key_jwt"}, id="private_key_jwt without keys"),
        pytest.param(
            {"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS, "jwks_uri": "https://c.example/jwks"},
            id="private_key_jwt with keys twice",
        ),
        pytest.param({"secrets": ()}, id="confidential without a secret"),
        pytest.param({"token_endpoint_auth_signing_alg": "none"}, id="RFC 7523 §3 alg none"),
        pytest.param(
            {"token_endpoint_auth_signing_alg": "HS256", "token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS},
            id="RFC 8725 §2.1 HS256 with public keys",
        ),
        pytest.param({"id_token_signed_response_alg": "none"}, id="unsigned ID tokens"),
        pytest.param({"id_token_signed_response_alg": "HS256"}, id="ID tokens by a shared secret"),
        pytest.param({"userinfo_signed_response_alg": "none"}, id="userinfo alg none"),
        pytest.param({"logo_uri": "javascript:alert(1)"}, id="logo javascript"),
        pytest.param({"policy_uri": "data:text/html,x"}, id="policy data"),
        pytest.param({"tos_uri": "http://c.example/tos"}, id="terms over http"),
        pytest.param({"client_uri": 'https://c.example/"onload=x'}, id="quote in a link"),
        pytest.param({"client_uri": "https://user@c.example/"}, id="link with a user name"),
        pytest.param({"web_origins": ("https://app.example.com/",)}, id="origin with a path"),
        pytest.param({"web_origins": ("*",)}, id="origin wildcard"),
        pytest.param({"web_origins": ("null",)}, id="origin null"),
        pytest.param({"access_token_lifetime": 0}, id="no lifetime"),
        pytest.param({"refresh_token_lifetime": -1}, id="negative lifetime"),
        pytest.param({"default_max_age": -1}, id="negative default_max_age"),
    ],
)
def test_an_unsound_client_may_not_be_registered(changes: dict[str, Any]) -> None:
    client_id = changes.pop("client_id", "client-1")
    with pytest.raises(InvalidClientMetadata):
        check_client(make_client(client_id or "", **({"secret": "a secret"} | changes)) if client_id else
                     Client("", redirect_uris=("https://c.example/cb",)), **SUPPORTED)  # fmt: skip


@pytest.mark.parametrize("member", ["redirect_uris", "post_logout_redirect_uris"])
def test_every_redirect_uri_of_a_client_is_looked_at(member: str) -> None:
    with pytest.raises(InvalidRedirectUri):
        check_client(make(**{member: ("https://c.example/cb", "http://c.example/cb")}), **SUPPORTED)


@pytest.mark.parametrize(
    ("registered", "expected"),
    [((), {"https://client.example.com"}), (("https://app.example.com",), {"https://app.example.com"})],
)
def test_browsers_may_call_from_the_registered_origins_else_from_those_of_the_redirect_uris(
    registered: tuple[str, ...], expected: set[str]
) -> None:
    assert make(web_origins=registered).origins() == expected
