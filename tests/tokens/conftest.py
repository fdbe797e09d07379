"""One person for all tests of a module about what stands in tokens."""

import pytest

from tests.support.idp_server import ServerUnderTest
from tests.support.scene import Scene, open_scene


@pytest.fixture(scope="module")
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)
