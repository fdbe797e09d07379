"""Clients and people that tests start from: valid by default, so that a test changes one thing."""

import secrets
import time
from dataclasses import replace
from typing import Any

from idp.protocol.client import Client, ClientSecret
from idp.store import Store
from idp.store.database import hashed
from idp.store.users import NewUser

PASSWORD = "correct horse battery staple"
FULL_PROFILE = {
    "name": "Ada Marie Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "middle_name": "Marie",
    "nickname": "Ada",
    "profile": "https://example.com/ada",
    "picture": "https://example.com/ada.png",
    "website": "https://ada.example.com",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "address": {
        "formatted": "12 St James's Square\nLondon",
        "street_address": "12 St James's Square",
        "locality": "London",
        "region": "Greater London",
        "postal_code": "SW1Y 4JH",
        "country": "GB",
    },
}


def make_client(client_id: str | None = None, *, secret: str | None = None, **changes: Any) -> Client:
    """A confidential third-party client, or, with token_endpoint_auth_method="none", a public one."""
    client = Client(
        client_id=client_id or f"client-{secrets.token_hex(6)}",
        client_name="Test application",
        redirect_uris=("https://client.example.com/callback",),
        post_logout_redirect_uris=("https://client.example.com/signed-out",),
        secrets=(ClientSecret(hash=hashed(secret), created_at=int(time.time())),) if secret else (),
    )
    return replace(client, **changes)


def add_user(store: Store, password_hash: str, username: str | None = None, **changes: Any) -> NewUser:
    """A person with a value for every standard claim."""
    name = username or f"ada{secrets.token_hex(5)}"
    values: dict[str, Any] = {
        "email": f"{name}@example.com",
        "email_verified": True,
        "phone_number": "+442071234567",
        "phone_number_verified": True,
        "profile": FULL_PROFILE,
        "roles": ("reader", "Admin"),
    }
    user = NewUser(id=f"u_{secrets.token_hex(13)}", username=name, password_hash=password_hash, **(values | changes))
    assert store.users.add(user, now=int(time.time()))
    return user
