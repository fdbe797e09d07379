"""Somebody who arrives over a connection: valid by default, so that a test changes one thing."""

import json
import secrets
from dataclasses import replace
from typing import Any

from idp.accounts.linking import Arrival
from idp.protocol.identity import Identity
from idp.server import Server
from idp.settings import UpstreamSettings
from idp.store.users import NewUser

NOW = 1_800_000_000


def new_email() -> str:
    return f"ada{secrets.token_hex(6)}@example.com"


def connection(name: str = "google", **options: Any) -> UpstreamSettings:
    return UpstreamSettings(name=name, client_id="ours", **options)


def arrival(over: UpstreamSettings | None = None, *, tokens: str | None = None, **changes: Any) -> Arrival:
    """By default somebody new, whose address the provider hands out."""
    values: dict[str, Any] = {
        "issuer": "https://accounts.example.com",
        "subject": secrets.token_hex(8),
        "email": new_email(),
        "email_verified": True,
        "owns_email": True,
        "profile": {"name": "Ada Lovelace"},
        "names": ("Ada Lovelace",),
    }
    return Arrival(over or connection(), Identity(**(values | changes)), tokens)


def add_person(house: Server, **changes: Any) -> NewUser:
    """By default with a password and an address that they have confirmed."""
    number = secrets.token_hex(8)
    values: dict[str, Any] = {"email": new_email(), "email_verified": True, "password_hash": "hash"}
    user = NewUser(**{"id": f"u_{number}", "username": f"ada{number}"} | values | changes)
    assert house.store.users.add(user, now=NOW)
    return user


def with_settings(house: Server, **changes: Any) -> Server:
    return replace(house, settings=house.settings.model_copy(update=changes))


def events_of(house: Server, user_id: str) -> list[tuple[str, str | None]]:
    """(event, why) of one person, oldest first."""
    rows = reversed(house.store.audit_events.list(user_id=user_id))
    return [(row["event"], json.loads(row["detail"]).get("why")) for row in rows]
