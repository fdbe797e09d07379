"""All that is stored about a person, for themselves to read and to take away (GDPR articles 15 and 20).

Owns which of it is told and in which words. Never a hash, a secret, a token, a public key or the name of a cookie: they
say nothing about anybody, and some would let somebody in. Times are ISO 8601 in UTC.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from idp.mail.outbox import mailbox_of
from idp.protocol.identity import User
from idp.server import Server
from idp.store.belongings import Belongings

PAGE = 1000  # events read at a time
# Whoever works at the operator's is not the person's business, and is said as `operator` without a name.
_HIDDEN_DETAILS = frozenset({"operator"})
_TIMES = frozenset({"trusted_until"})


def export_data(server: Server, user: User, *, now: int) -> dict[str, Any]:
    """The whole as a JSON object. Its members are described in docs/your-data.md."""
    owned = server.store.belongings.load_all(user.id, mailbox=mailbox_of(user))
    return {
        "service": server.issuer,
        "made_at": iso(now),
        "account": _account(user, owned),
        "identities": [_identity(each) for each in owned.identities],
        "passkeys": [_plain(each) for each in owned.passkeys],
        "authenticator_app": _plain(owned.totp) if owned.totp is not None else None,
        "recovery_codes": [_plain(each) for each in owned.recovery_codes],
        "sessions": [_plain(each, "amr") for each in owned.sessions],
        "devices": [_plain(each) for each in owned.devices],
        "consents": [_app(server, each) for each in owned.consents],
        "grants": [_app(server, each) for each in owned.grants],
        "mails": [_plain(each) for each in owned.mails],
        "events": list(_events(server, user.id)),
    }


def iso(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _account(user: User, owned: Belongings) -> dict[str, Any]:
    """The claims that applications may see, and what there is about the account itself."""
    claims = {name: value for name, value in user.claims.items() if name not in {"updated_at", "preferred_username"}}
    return {
        "id": user.id,
        "username": user.username,
        "claims": claims,
        "roles": list(user.roles),
        "is_disabled": user.disabled,
        "has_password": owned.has_password,
        **{name: iso(seconds) for name, seconds in owned.account_times.items()},
    }


def _identity(row: Mapping[str, Any]) -> dict[str, Any]:
    return _plain(row, "profile") | {"issuer": row["issuer"], "subject": row["subject"]}


def _app(server: Server, row: Mapping[str, Any]) -> dict[str, Any]:
    client = server.store.clients.find(row["client_id"])
    name = {"name": client.name} if client is not None else {}
    return {"client_id": row["client_id"], **name, **_plain(row, "scopes", "resources", "claims", "amr")}


def _plain(row: Mapping[str, Any], *documents: str) -> dict[str, Any]:
    """`documents`: columns that hold JSON."""
    return {name: _told(name, value, documents) for name, value in row.items()}


def _told(name: str, value: Any, documents: tuple[str, ...]) -> Any:
    if name in documents and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, int) and not isinstance(value, bool) and (name.endswith("_at") or name in _TIMES | {"at"}):
        return iso(value)
    return iso(value) if name == "auth_time" else value


def _events(server: Server, user_id: str) -> Iterator[dict[str, Any]]:
    """The newest first."""
    before: int | None = None
    while True:
        rows = server.store.audit_events.list(user_id=user_id, before=before, limit=PAGE)
        for row in rows:
            detail = json.loads(row["detail"])
            by = {"by": "operator"} if "operator" in detail else {}
            told = {name: value for name, value in detail.items() if name not in _HIDDEN_DETAILS}
            yield {
                "at": iso(row["at"]),
                "event": row["event"],
                "client_id": row["client_id"],
                "address": row["address"],
                "detail": told | by,
            }
        if len(rows) < PAGE:
            return
        before = rows[-1]["id"]
