"""An application and its person in one, independent of the code under test: requests for HTTP, PyJWT for tokens."""

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import requests

from idp.settings import UpstreamSettings

CALLBACK = "http://localhost:9/callback"
PATIENCE = 60

AUTHORIZE = {
    "google": "/accounts.google.com/o/oauth2/v2/auth",
    "facebook": "/www.facebook.com/v23.0/dialog/oauth",
    "discord": "/discord.com/oauth2/authorize",
    "apple": "/appleid.apple.com/auth/authorize",
    "github": "/github.com/login/oauth/authorize",
    "microsoft": "/login.microsoftonline.com/common/oauth2/v2.0/authorize",
    "oidc": "/authorize",
}
TOKEN = {
    "google": "/oauth2.googleapis.com/token",
    "facebook": "/graph.facebook.com/v23.0/oauth/access_token",
    "discord": "/discord.com/api/oauth2/token",
    "apple": "/appleid.apple.com/auth/token",
    "github": "/github.com/login/oauth/access_token",
    "microsoft": "/login.microsoftonline.com/common/oauth2/v2.0/token",
    "oidc": "/token",
}
KEYS = {
    "google": "/www.googleapis.com/oauth2/v3/certs",
    "apple": "/appleid.apple.com/auth/keys",
    "microsoft": "/login.microsoftonline.com/common/discovery/v2.0/keys",
    "oidc": "/jwks",
}
PROFILE = {
    "google": "/openidconnect.googleapis.com/v1/userinfo",
    "facebook": "/graph.facebook.com/v23.0/me",
    "discord": "/discord.com/api/v10/users/@me",
    "github": "/api.github.com/user",
    "microsoft": "/graph.microsoft.com/oidc/userinfo",
    "oidc": "/userinfo",
}
SCOPES = {
    "google": "openid email profile",
    "facebook": "email,public_profile",
    "discord": "identify email",
    "apple": "name email",
    "github": "read:user user:email",
    "microsoft": "openid profile email",
    "oidc": "openid profile email",
}


@dataclass
class Visitor:
    """One sign-in at one stand-in: PKCE, nonce and state are sent and remembered; parameters can be replaced."""

    kind: str
    settings: UpstreamSettings
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def origin(self) -> str:
        assert self.settings.sandbox_url is not None
        return self.settings.sandbox_url

    @property
    def secret(self) -> str:
        return self.apple_secret() if self.kind == "apple" else str(self.settings.client_secret)

    def url(self, **changed: str | None) -> str:
        """The authorization request; a parameter that is None is left out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        params: dict[str, str | None] = {
            "client_id": self.settings.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": SCOPES[self.kind],
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "response_mode": "form_post" if self.kind == "apple" else None,
            **changed,
        }
        sent = {name: value for name, value in params.items() if value is not None}
        return f"{self.origin}{AUTHORIZE[self.kind]}?{urlencode(sent)}"

    def choose(
        self, person: str = "new", *, asked: Mapping[str, str | None] | None = None, **form: str
    ) -> dict[str, str]:
        """What comes back to the callback, whether by redirect or by form_post."""
        answer = self.post(person, asked=asked, **form)
        if answer.status_code == 303:
            target = urlsplit(answer.headers["Location"])
            assert answer.headers["Location"].startswith(CALLBACK)
            return dict(parse_qsl(target.query)) | ({"#": target.fragment} if target.fragment else {})
        assert answer.status_code == 200, answer.text
        assert f'action="{CALLBACK}"' in answer.text
        fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text)
        return {name: unescape(value) for name, value in fields}

    def post(self, person: str, *, asked: Mapping[str, str | None] | None = None, **form: str) -> requests.Response:
        body = {"person": person, **form}
        return requests.post(self.url(**(asked or {})), data=body, allow_redirects=False, timeout=PATIENCE)

    def redeem(self, code: str, **changed: str | None) -> requests.Response:
        """The token request, with the secret in the form."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "client_id": self.settings.client_id,
            "client_secret": self.secret,
            "code_verifier": self.verifier,
            **changed,
        }
        sent = {name: value for name, value in form.items() if value is not None}
        headers = {"Accept": "application/json"}
        return requests.post(self.origin + TOKEN[self.kind], data=sent, headers=headers, timeout=PATIENCE)

    def tokens(self, person: str = "new", **form: Any) -> dict[str, Any]:
        """The success body of the token endpoint."""
        answer = self.redeem(self.choose(person, **form)["code"])
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def profile(self, token: str, path: str | None = None, **params: str) -> requests.Response:
        """The profile endpoint, with what Facebook wants in addition."""
        if self.kind == "facebook" and "appsecret_proof" not in params:
            params["appsecret_proof"] = hmac.digest(self.secret.encode(), token.encode(), "sha256").hex()
        headers = {"Authorization": f"Bearer {token}"}
        url = self.origin + (path or PROFILE[self.kind])
        return requests.get(url, headers=headers, params=params, timeout=PATIENCE)

    def keys(self) -> requests.Response:
        return requests.get(self.origin + KEYS[self.kind], timeout=PATIENCE)

    def verify(self, id_token: str, **options: Any) -> dict[str, Any]:
        """Its claims, verified by PyJWT with the published keys; raises what PyJWT raises."""
        keys = {key["kid"]: jwt.PyJWK(key) for key in self.keys().json()["keys"]}
        key = keys[jwt.get_unverified_header(id_token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            id_token, key, algorithms=["RS256"], audience=self.settings.client_id, **options
        )
        return claims

    def apple_secret(self, **changed: Any) -> str:
        """Apple's client secret, made with PyJWT from the .p8 key."""
        now = int(time.time())
        claims = {
            "iss": self.settings.team_id,
            "sub": self.settings.client_id,
            "aud": "https://appleid.apple.com",
            "iat": now,
            "exp": now + 300,
            **{name: value for name, value in changed.items() if name not in ("kid", "key")},
        }
        headers = {"kid": changed.get("kid", self.settings.key_id)}
        return jwt.encode(claims, changed.get("key", str(self.settings.private_key)), "ES256", headers=headers)


def asked_of(page: str) -> dict[str, str]:
    """What the page says was asked."""
    found = re.search(r'<script type="application/json" id="asked">(.*?)</script>', page)
    assert found is not None
    asked: dict[str, str] = json.loads(found[1])
    return asked
