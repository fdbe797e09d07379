"""The audit trail: security events, appended and never changed."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import insert, select

from idp.store.database import Database, to_json
from idp.store.tables import audit_events

_insert = insert(audit_events)


class AuditEventStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        event: str,
        *,
        at: int,
        user_id: str | None = None,
        client_id: str | None = None,
        address: str | None = None,
        request_id: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        row = {"at": at, "event": event, "user_id": user_id, "client_id": client_id, "address": address}
        with self._database.writing() as connection:
            connection.execute(_insert, row | {"request_id": request_id, "detail": to_json(detail or {})})

    def list(
        self,
        *,
        user_id: str | None = None,
        events: Collection[str] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """The newest events first, of one person and of these names where they are given; `before`: an id, to go on."""
        query = select(audit_events).order_by(audit_events.c.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(audit_events.c.user_id == user_id)
        if before is not None:
            query = query.where(audit_events.c.id < before)
        if events is not None:
            query = query.where(audit_events.c.event.in_(list(events)))
        with self._database.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]
