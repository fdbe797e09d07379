"""A person who is signed in, and clients that need no page any more: where tests of tokens begin.

Owns nothing of the server: everything still goes through `/authorize` and `/token` over HTTP.
"""

from dataclasses import dataclass
from typing import Any

import jwt
import requests

from idp.store.users import NewUser
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser, RelyingParty

ALL_SCOPES = "openid profile email address phone offline_access"


@dataclass
class Scene:
    """A server, a person, and the browser in which they are signed in."""

    server: ServerUnderTest
    user: NewUser
    browser: Browser

    def client(self, **changes: Any) -> RelyingParty:
        """A new first-party client: nobody is asked for consent, and offline_access needs no prompt."""
        return RelyingParty(self.server, self.server.add_client(**({"first_party": True} | changes)))

    def existing(self, client: RegisteredClient) -> RelyingParty:
        return RelyingParty(self.server, client)

    def tokens(self, client: RelyingParty, **overrides: str | None) -> dict[str, Any]:
        """The token response of a whole flow for the person who is signed in."""
        return client.tokens(self.browser, self.user.username, **overrides)

    def offline(self, client: RelyingParty, **overrides: str | None) -> dict[str, Any]:
        """The same with a refresh token."""
        return self.tokens(client, **({"scope": "openid offline_access"} | overrides))


def open_scene(server: ServerUnderTest, **person: Any) -> Scene:
    """A new person, signed in in a browser of their own."""
    user, browser = server.add_user(**person), Browser(server)
    party = RelyingParty(server, server.add_client(public=True, first_party=True))
    assert "code" in party.sign_in(browser, user.username).params
    return Scene(server, user, browser)


def refused(response: requests.Response) -> tuple[int, str | None]:
    """Status and error code of an answer; the code is None when the request was not refused."""
    return response.status_code, response.json().get("error") if response.content else None


def fetch_jwks(server: ServerUnderTest) -> dict[str, dict[str, Any]]:
    """The published keys by kid."""
    keys = requests.get(server.url("/jwks"), timeout=TIMEOUT).json()["keys"]
    return {key["kid"]: key for key in keys}


def verified(server: ServerUnderTest, token: str, *, audience: str, alg: str = "RS256") -> dict[str, Any]:
    """The claims of a token, checked by PyJWT against the published keys as a stranger would."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = jwt.PyJWK(fetch_jwks(server)[kid], algorithm=alg)
    claims = jwt.decode(
        token,
        key.key,
        algorithms=[alg],
        audience=audience,
        issuer=server.issuer,
        options={"verify_iat": False},  # the server's clock may have been moved forward
    )
    return dict(claims)
