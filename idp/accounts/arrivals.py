"""Arrivals that wait for the person to decide: kept for a quarter of an hour, for one browser, taken up once."""

import hmac
import json
import secrets
from dataclasses import asdict, fields
from typing import Any

from idp.accounts.linking import Arrival, find_conflict
from idp.jose.encryption import DecryptionFailed
from idp.protocol.identity import Identity, User
from idp.server import Server
from idp.store.database import hashed

KIND = "upstream_arrival"
LIFETIME_SECONDS = 900
_PURPOSE = "upstream arrival"


def keep_arrival(server: Server, arrival: Arrival, browser: str, *, now: int) -> str:
    """Keep it for this browser (its secret value); the key to find it with."""
    key = secrets.token_urlsafe(24)
    content = {"identity": asdict(arrival.identity), "tokens": arrival.tokens, "label": arrival.label}
    sealed = server.secret_box.encrypt(json.dumps(content), purpose=_PURPOSE)
    value = {"browser": hashed(browser), "connection": arrival.connection.name, "arrival": sealed}
    server.store.ephemeral.put(KIND, key, value, lifetime=LIFETIME_SECONDS, now=now)
    return key


def find_arrival(server: Server, key: str | None, browser: str | None, *, now: int) -> Arrival | None:
    """None when it has ended, is another browser's, or its connection is not configured any more."""
    value = server.store.ephemeral.get(KIND, key, now=now) if key else None
    return None if value is None or not _is_of(value, browser) else _to_arrival(server, value)


def is_question_to(server: Server, arrival: Arrival, user: User) -> bool:
    """Whether it is this person who may link it: theirs is the account that has its e-mail."""
    conflict = find_conflict(server, arrival)
    return conflict is not None and conflict.user.id == user.id


def claim_arrival(server: Server, key: str, browser: str | None, *, now: int) -> Arrival | None:
    """Take it up, once among all who try."""
    if find_arrival(server, key, browser, now=now) is None:
        return None
    value = server.store.ephemeral.claim_once(KIND, key, now=now)
    return None if value is None else _to_arrival(server, value)


def _is_of(value: dict[str, Any], browser: str | None) -> bool:
    return browser is not None and hmac.compare_digest(value["browser"], hashed(browser))


def _to_arrival(server: Server, value: dict[str, Any]) -> Arrival | None:
    connection = next((each for each in server.settings.upstream if each.name == value["connection"]), None)
    try:
        content = json.loads(server.secret_box.decrypt(value["arrival"], purpose=_PURPOSE))
    except DecryptionFailed:
        return None
    if connection is None:
        return None
    found = {field.name: content["identity"][field.name] for field in fields(Identity)}
    identity = Identity(**found | {"names": tuple(found["names"])})
    return Arrival(connection, identity, content["tokens"], content.get("label", ""))
