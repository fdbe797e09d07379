"""Authlib's requests client, set up from our discovery document, and Authlib's own check of an ID token."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import JWKRegistry, KeySet

from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser

VERIFIER = "a-verifier-of-43-characters-is-the-shortest-one"
NONCE = "nonce-of-this-test"


@dataclass
class AuthlibClient:
    """One OAuth2Session and the server's metadata, as an application would hold them."""

    session: OAuth2Session
    metadata: Mapping[str, Any]

    def ask(self, browser: Browser, username: str, **parameters: str) -> str:
        """Send the person's browser through the pages; the URL it comes back to the client with."""
        asked = {"code_verifier": VERIFIER, "nonce": NONCE} | parameters
        url, _ = self.session.create_authorization_url(self.metadata["authorization_endpoint"], **asked)
        location = browser.go_through(browser.get(url), username).headers.get("Location")
        assert location is not None, "the browser did not come back to the client"
        return location

    def redeem(self, callback: str, *, code_verifier: str | None = VERIFIER) -> dict[str, Any]:
        verifier = {} if code_verifier is None else {"code_verifier": code_verifier}
        return dict(self.session.fetch_token(authorization_response=callback, **verifier))

    def sign_in(self, browser: Browser, username: str, **parameters: str) -> dict[str, Any]:
        return self.redeem(self.ask(browser, username, **parameters))

    def read_id_token(self, tokens: Mapping[str, Any], **expected: Any) -> CodeIDToken:
        """The ID token's claims after its signature, and all that Authlib checks of them, `at_hash` among it."""
        keys = KeySet.import_key_set({"keys": fetch(self.metadata["jwks_uri"])["keys"]})
        algs = self.metadata["id_token_signing_alg_values_supported"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # about the name EdDSA, which OpenID Connect clients use
            token = jwt.decode(tokens["id_token"], keys, algorithms=algs)
        options = {"iss": {"essential": True, "value": self.metadata["issuer"]}}
        params = {"client_id": self.session.client_id, "access_token": tokens["access_token"]} | expected
        claims = CodeIDToken(token.claims, token.header, options, params)
        claims.validate()
        return claims


def fetch(url: str) -> dict[str, Any]:
    response = requests.get(url, timeout=TIMEOUT)
    response.raise_for_status()
    return dict(response.json())


def connect(
    server: ServerUnderTest,
    client: RegisteredClient,
    *,
    private_jwk: Mapping[str, Any] | None = None,
    scope: str = "openid offline_access",
) -> AuthlibClient:
    """A session for a registered client; `private_jwk` is the key of a client that authenticates with one.

    Authlib repeats `scope` whenever it refreshes.
    """
    metadata = fetch(server.url("/.well-known/openid-configuration"))
    credential = client.secret if private_jwk is None else JWKRegistry.import_key(dict(private_jwk))
    method = client.metadata.token_endpoint_auth_method
    session = OAuth2Session(
        client.client_id,
        credential,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope=scope,
        redirect_uri=client.metadata.redirect_uris[0],
        code_challenge_method="S256",
        default_timeout=TIMEOUT,
        token_endpoint=metadata["token_endpoint"],
    )
    session.trust_env = False
    if method == "client_secret_jwt":
        session.register_client_auth_method(ClientSecretJWT(metadata["token_endpoint"]))
    if private_jwk is not None:
        headers = {"kid": private_jwk["kid"]}
        session.register_client_auth_method(
            PrivateKeyJWT(metadata["token_endpoint"], headers=headers, alg=private_jwk["alg"])
        )
    return AuthlibClient(session, metadata)
