"""A server with stores and settings, and without keys, connections that listen, or HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from idp.jose.encryption import SecretBox
from idp.server import Server
from idp.settings import load_settings
from idp.store import migrations, open_store

SECRET_KEY = "tests-only-secret-key-of-some-length-0123456789"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Tests keep apart by random names."""
    folder = tmp_path_factory.mktemp("accounts")
    settings = load_settings(
        {"IDP_DATABASE_URL": f"sqlite:///{folder}/idp.sqlite3", "IDP_SECRET_KEY": SECRET_KEY}, Path("/nonexistent")
    )
    store = open_store(settings.database_url)
    migrations.upgrade(store.database)
    absent = cast(Any, None)
    yield Server(settings, store, keys=absent, secret_box=SecretBox(SECRET_KEY), remote_keys=absent, clock=lambda: 0)
    store.database.dispose()
