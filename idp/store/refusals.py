"""What was refused: a ring of the newest, for the flow inspector. One row a refusal, read by its request id.

The same for all instances, because it is in the database. Pruned by age and by number (`store.pruning`).
"""

import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select

from idp.store.database import Database, is_storable, to_json
from idp.store.tables import refusals

KEPT = 10_000  # rows, over all instances: the newest ones


@dataclass(frozen=True, slots=True)
class Refusal:
    """`document`: what else is known, JSON; `idp.web.inspector` says its members. `client_id` is that of a client."""

    request_id: str
    at: int
    error: str
    client_id: str | None = None
    document: dict[str, Any] = field(default_factory=dict)


_insert = insert(refusals)
_newest = select(refusals).order_by(refusals.c.id.desc())


class RefusalStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, refusal: Refusal) -> None:
        row = {"request_id": refusal.request_id, "at": refusal.at, "client_id": refusal.client_id}
        row |= {"error": refusal.error[:64], "document": to_json(refusal.document)}
        with self._database.writing() as connection:
            connection.execute(_insert, row)

    def find(self, request_id: str) -> Refusal | None:
        """The refusal of this request, or None when there was none, or it has been forgotten."""
        if not is_storable(request_id) or len(request_id) > 64:
            return None
        with self._database.reading() as connection:
            row = connection.execute(_newest.where(refusals.c.request_id == request_id).limit(1)).first()
        found = None if row is None else _to_refusal(row)
        return found if found is not None and found.request_id == request_id else None

    def list(self, *, client_id: str | None = None, limit: int = 50) -> list[Refusal]:
        """The newest first; those of one client, where it is given."""
        query = _newest.limit(limit)
        if client_id is not None:
            query = query.where(refusals.c.client_id == client_id)
        with self._database.reading() as connection:
            return [_to_refusal(row) for row in connection.execute(query)]


def _to_refusal(row: Any) -> Refusal:
    return Refusal(row.request_id, row.at, row.error, row.client_id, json.loads(row.document))
