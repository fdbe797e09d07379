"""`examples/api-flask` beside the real server."""

from collections.abc import Iterator

import pytest

from tests.examples.api_process import ExampleApi, running_api
from tests.examples.promises import ApiPromises
from tests.support.idp_server import ServerUnderTest


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    with running_api(server, tmp_path_factory.mktemp("api"), "api-flask", "flask", "run") as running:
        yield running


class TestFlask(ApiPromises):
    """All of them hold."""
