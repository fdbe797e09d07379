"""Clients: kept as one JSON document each, read through a cache of one second in each process.

One second is short enough that an operator's change is there at the next click, and long enough that a busy server
reads each client once a second instead of once a request. A client that is not in the cache is always looked up.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from idp.protocol.client import Client, ClientSecret
from idp.protocol.scopes import Api
from idp.store.apis import write_api
from idp.store.database import Database, is_storable, to_json
from idp.store.tables import client_origins, clients, consents, grants

CACHE_SECONDS = 1.0
CACHE_SIZE = 1024

_select = select(clients.c.document).where(clients.c.client_id == bindparam("client_id"))
_select_all = select(clients.c.document).order_by(clients.c.client_id)
_select_origin = select(client_origins.c.origin).where(client_origins.c.origin == bindparam("origin")).limit(1)
_TUPLES = frozenset(field.name for field in fields(Client) if str(field.type).startswith("tuple"))


class ClientStore:
    """`find` answers from the cache; `list`, `add`, `save` and `remove` are for the command line and the admin."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def find(self, client_id: str) -> Client | None:
        """The client, or None when there is none of that id. At most CACHE_SECONDS old."""
        return self._cached(f"client {client_id}", lambda: self._load(client_id))  # type: ignore[no-any-return]

    def find_loaded(self, client_id: str) -> Client | None:
        """The client as this process has looked it up last, if it still knows; asks the database nothing."""
        entry = self._cache.get(f"client {client_id}")
        return None if entry is None else entry[1]

    def is_registered_origin(self, origin: str) -> bool:
        """Whether a browser page of this origin belongs to some client (for CORS)."""
        return len(origin) <= 255 and bool(self._cached(f"origin {origin}", lambda: self._has_origin(origin)))

    def list(self) -> list[Client]:
        with self._database.reading() as connection:
            return [_from_document(text) for text in connection.execute(_select_all).scalars()]

    def nearest(self, client_id: str) -> tuple[str, ...]:
        """The ids that look most like this one, which is none of them; for a developer who mistyped it."""
        ids = [client.client_id for client in self.list()]
        return tuple(get_close_matches(client_id[:128], ids, n=3, cutoff=0.5))

    def add(self, client: Client, *, now: int, api: Api | None = None) -> bool:
        """Store a new client; False when its id is taken. With an API, that is stored with it, or neither is; `apis`
        shows it within a second."""
        try:
            with self._database.writing() as connection:
                if api is not None:
                    write_api(connection, api, now=now)
                row = {"client_id": client.client_id, "document": _to_document(client)}
                connection.execute(insert(clients), row | {"created_at": now, "updated_at": now})
                self._write_origins(connection, client)
        except IntegrityError:
            return False
        self._forget()
        return True

    def save(self, client: Client, *, now: int) -> bool:
        """Replace a client; False when there is none of that id."""
        with self._database.writing() as connection:
            change = update(clients).where(clients.c.client_id == client.client_id)
            done = connection.execute(change.values(document=_to_document(client), updated_at=now)).rowcount == 1
            if done:
                self._write_origins(connection, client)
        self._forget()
        return done

    def remove(self, client_id: str, *, now: int) -> bool:
        """Delete a client, the consents given to it, and revoke all that was granted to it."""
        with self._database.writing() as connection:
            done = connection.execute(delete(clients).where(clients.c.client_id == client_id)).rowcount == 1
            connection.execute(delete(client_origins).where(client_origins.c.client_id == client_id))
            connection.execute(delete(consents).where(consents.c.client_id == client_id))
            theirs = update(grants).where(grants.c.client_id == client_id, grants.c.revoked_at.is_(None))
            connection.execute(theirs.values(revoked_at=now, revoked_why="client removed"))
        self._forget()
        return done

    def _load(self, client_id: str) -> Client | None:
        if not is_storable(client_id):
            return None
        with self._database.reading() as connection:
            text = connection.execute(_select, {"client_id": client_id}).scalar()
        client = None if text is None else _from_document(text)
        return client if client is not None and client.client_id == client_id else None

    def _has_origin(self, origin: str) -> bool:
        if not is_storable(origin):
            return False
        with self._database.reading() as connection:
            return bool(connection.execute(_select_origin, {"origin": origin}).scalar() == origin)

    def _write_origins(self, connection: Any, client: Client) -> None:
        connection.execute(delete(client_origins).where(client_origins.c.client_id == client.client_id))
        for origin in sorted(client.origins()):
            connection.execute(insert(client_origins), {"origin": origin, "client_id": client.client_id})

    def _cached(self, key: str, load: Callable[[], Any]) -> Any:
        now = self._monotonic()
        entry = self._cache.get(key)
        if entry is not None and now - entry[0] < CACHE_SECONDS:
            return entry[1]
        value = load()
        with self._lock:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            if value:
                self._cache[key] = (now, value)
            else:
                self._cache.pop(key, None)
        return value

    def _forget(self) -> None:
        with self._lock:
            self._cache.clear()


def _to_document(client: Client) -> str:
    return to_json(asdict(client))


def _from_document(text: str) -> Client:
    """Unknown members are left out and missing ones get their default: older and newer code share a database."""
    values = _known(Client, json.loads(text))
    for name in _TUPLES & values.keys():
        values[name] = tuple(values[name])
    values["secrets"] = tuple(ClientSecret(**_known(ClientSecret, secret)) for secret in values.get("secrets", ()))
    return Client(**values)


def _known(kind: type[Client] | type[ClientSecret], document: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in document.items() if name in names}
