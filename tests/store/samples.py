"""What the store tests keep: valid by default, with the texts that databases get wrong."""

import secrets
from typing import Any

from idp.protocol.claims import ClaimsRequest
from idp.protocol.grant import Grant
from idp.store import Store
from idp.store.sessions import SignIn
from idp.store.users import NewUser

NOW = 1_800_000_000
FAMILY = "👩‍👩‍👧‍👦"  # four-byte characters, joined
TEXTS = ("Ada Lovelace", "Zoë Škvorecká", "李小龍", "مرحبا", f"emoji {FAMILY} 𝒳", "quote ' \" \\ % _ ; -- \n\t end")


def unique(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(8)}"


def make_user(username: str | None = None, **changes: Any) -> NewUser:
    return NewUser(**({"id": unique("u"), "username": username or unique("ada")} | changes))


def add_user(store: Store, username: str | None = None, **changes: Any) -> NewUser:
    user = make_user(username, **changes)
    assert store.users.add(user, now=NOW)
    return user


def make_grant(user_id: str, **changes: Any) -> Grant:
    values: dict[str, Any] = {
        "id": secrets.token_urlsafe(16),
        "client_id": unique("client"),
        "user_id": user_id,
        "sid": unique("sid"),
        "scopes": ("openid", "email"),
        "resources": (),
        "acr": "urn:example:one",
        "amr": ("pwd",),
        "auth_time": NOW - 5,
        "created_at": NOW,
        "redirect_uri": "https://client.example.com/callback",
        "claims": ClaimsRequest(),
    }
    return Grant(**(values | changes))


def add_grant(store: Store, **changes: Any) -> tuple[Grant, str]:
    """A grant of a new person, and its code."""
    user_id = changes.pop("user_id", None) or add_user(store).id
    grant, code = make_grant(user_id, **changes), secrets.token_urlsafe(32)
    store.grants.add(grant, code, code_expires_at=NOW + 60)
    return grant, code


def redeem(store: Store, grant: Grant, refresh_token: str | None = None, *, now: int = NOW) -> bool:
    """Redeem the grant's code: tokens for 900 s, refresh tokens idle after 1,000 s and at their end after 10,000 s."""
    return store.grants.redeem_code(
        grant.id,
        now=now,
        access_ends=now + 900,
        refresh_token=refresh_token,
        refresh_expires_at=now + 1000,
        refresh_ends=now + 10_000,
    )


def sign_in_of(user: NewUser, **changes: Any) -> SignIn:
    return SignIn(**({"user_id": user.id, "acr": "urn:example:one", "amr": ("pwd",)} | changes))
