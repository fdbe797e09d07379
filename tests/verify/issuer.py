"""A server that exists in memory: keys, metadata and a key set that a test changes, and every fetch counted."""

import json
import threading
from collections.abc import Callable
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from idp_verify import TokenVerifier
from idp_verify.fetching import FetchFailed
from tests.jose.tokens import forge
from tests.support.assertions import make_key, public_jwk

ISSUER, API = "https://id.example.com", "https://api.example.com"
NOW = 1_800_000_000
METADATA = f"{ISSUER}/.well-known/openid-configuration"
JWKS = f"{ISSUER}/jwks"
KID = "key-1"
other_key = RSAKey.generate_key(2048)


class Hands:
    """Both clocks of a verifier; they stand still until they are moved."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return NOW + self.passed

    def monotonic(self) -> float:
        return 1000 + self.passed

    def forward(self, seconds: float) -> None:
        self.passed += seconds


class Issuer:
    """`documents`: URL → what it answers, a JSON value or bytes; `is_down` makes every fetch fail."""

    def __init__(self) -> None:
        self.key: Any = make_key("RS256")
        self.hands = Hands()
        self.documents: dict[str, Any] = {METADATA: {"issuer": ISSUER, "jwks_uri": JWKS}}
        self.publish({KID: self.key})
        self.is_down = False
        self.fetched: list[str] = []
        self.gate = threading.Event()  # cleared: fetches wait
        self.gate.set()

    def publish(self, keys: dict[str, Any], **members: Any) -> None:
        common = {"use": "sig"} | members
        self.documents[JWKS] = {
            "keys": [public_jwk(key, kid=kid, **_fitting(key) | common) for kid, key in keys.items()]
        }

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        assert self.gate.wait(60)
        if self.is_down or url not in self.documents:
            raise FetchFailed(f"{url}: down")
        document = self.documents[url]
        return document if isinstance(document, bytes) else json.dumps(document).encode()

    @property
    def refreshes(self) -> int:
        return self.fetched.count(METADATA)

    def verifier(self, **settings: Any) -> TokenVerifier:
        defaults: dict[str, Any] = {"fetch": self.fetch, "clock": self.hands.now, "monotonic": self.hands.monotonic}
        return TokenVerifier(ISSUER, API, **defaults | settings)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of an access token; one given as None is left out."""
        now = int(self.hands.now())
        honest = {
            "iss": ISSUER,
            "sub": "u_ada",
            "aud": API,
            "exp": now + 900,
            "iat": now,
            "jti": "g_1.random",
            "client_id": "shop",
            "scope": "openid orders.read",
            "auth_time": now - 100,
            "acr": "aal1",
            "roles": ["reader"],
        }
        return {name: value for name, value in (honest | changes).items() if value is not None}

    def token(
        self, payload: Any = None, *, key: Any = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token of ours, one thing changed; a header member given as None is left out."""
        head = {"alg": "RS256", "typ": "at+jwt", "kid": KID} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return forge(head, self.claims(**claims) if payload is None else payload, key or self.key)


def _fitting(key: Any) -> dict[str, str]:
    return {"alg": "ES256"} if isinstance(key, ECKey) else {"alg": "RS256"}


Forge = Callable[[Issuer], object]
