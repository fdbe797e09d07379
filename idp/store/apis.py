"""APIs (protected resources, RFC 8707): their identifier, name and scopes. Read through a cache of one second."""

import json
import time
from collections.abc import Callable

from sqlalchemy import Connection, delete, insert, select

from idp.protocol.scopes import Api
from idp.store.database import Database, to_json
from idp.store.tables import apis

CACHE_SECONDS = 1.0


def write_api(connection: Connection, api: Api, *, now: int) -> None:
    """Add an API, or replace it, inside a transaction of the caller."""
    connection.execute(delete(apis).where(apis.c.identifier == api.identifier))
    row = {"identifier": api.identifier, "name": api.name, "scopes": to_json(api.scopes), "created_at": now}
    connection.execute(insert(apis), row)


class ApiStore:
    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._cache: tuple[float, dict[str, Api]] | None = None

    def all(self) -> dict[str, Api]:
        """Every API by its identifier. At most CACHE_SECONDS old."""
        now, cached = self._monotonic(), self._cache
        if cached is not None and now - cached[0] < CACHE_SECONDS:
            return cached[1]
        with self._database.reading() as connection:
            rows = connection.execute(select(apis.c.identifier, apis.c.name, apis.c.scopes).order_by(apis.c.identifier))
            found = {row.identifier: Api(row.identifier, row.name, json.loads(row.scopes)) for row in rows}
        self._cache = (now, found)
        return found

    def save(self, api: Api, *, now: int) -> None:
        with self._database.writing() as connection:
            write_api(connection, api, now=now)
        self._cache = None

    def remove(self, identifier: str) -> bool:
        with self._database.writing() as connection:
            done = connection.execute(delete(apis).where(apis.c.identifier == identifier)).rowcount == 1
        self._cache = None
        return done
