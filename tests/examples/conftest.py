"""A server of these tests' own: the examples register an API, which discovery then shows to everybody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.idp_server import ServerUnderTest, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[ServerUnderTest]:
    with running_server(tmp_path_factory.mktemp("examples"), keys_from=signing_keys) as running:
        yield running
