"""One sandbox for the tests of a process; tests that stop or spoil one make their own."""

from collections.abc import Callable, Iterator

import pytest

from idp.sandbox.connections import load_apple_key, sandbox_upstreams
from idp.sandbox.servers import Sandbox
from tests.sandbox.visitor import Visitor

ANY_PORTS = [0] * 7

MakeVisitor = Callable[[str], Visitor]


@pytest.fixture(scope="session")
def apple_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    return load_apple_key(tmp_path_factory.mktemp("apple"))


@pytest.fixture(scope="session")
def sandbox(apple_key: str) -> Iterator[Sandbox]:
    with Sandbox(ANY_PORTS, apple_key) as running:
        yield running


@pytest.fixture(scope="session")
def visitor(sandbox: Sandbox, apple_key: str) -> MakeVisitor:
    """Makes a visitor for a kind: `visitor("google")`."""
    upstreams = {str(each.kind): each for each in sandbox_upstreams(sandbox.origins, apple_key)}
    return lambda kind: Visitor(kind, upstreams[kind])
