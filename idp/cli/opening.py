"""Opening the stores for a command: checked first, closed afterwards, refused with a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from idp.cli.command import Refused
from idp.settings import Settings
from idp.store import Store, open_store
from idp.store.database import Database
from idp.store.schema import is_current


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """The database, reachable, whatever its schema. Raises Refused or DatabaseUrlError."""
    database = Database(settings.database_url, pool_size=1)
    try:
        if not database.is_reachable():
            raise Refused("The database (IDP_DATABASE_URL) cannot be reached.")
        yield database
    finally:
        database.dispose()


@contextmanager
def opened_store(settings: Settings, *, with_redis: bool = False) -> Iterator[Store]:
    """The stores on a database with the schema of this version. Redis is only opened for a command that leaves a link
    there, which the server is to find."""
    store = open_store(settings.database_url, pool_size=1, redis_url=settings.redis_url if with_redis else None)
    try:
        if not store.database.is_reachable():
            raise Refused("The database (IDP_DATABASE_URL) cannot be reached.")
        if not is_current(store.database):
            raise Refused("The database schema is not that of this version; run: idp db upgrade")
        yield store
    finally:
        store.database.dispose()
