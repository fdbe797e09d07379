"""Instances behind a load balancer: same PostgreSQL, same Redis, same keys, same settings."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.concurrency.conftest import check_no_fault, database_of, redis_of
from tests.support.balancer import Balancer, balancing
from tests.support.idp_server import ServerUnderTest, make_settings, prepare, start, stop
from tests.support.machine import find_free_port
from tests.support.relying_party import Browser
from tests.support.services import Bench


@dataclass
class Cluster:
    """`front` is what the world sees; the instances behind it answer in turn."""

    front: ServerUnderTest
    instances: list[ServerUnderTest]
    balancer: Balancer

    def browser(self) -> Browser:
        """Every request is a connection of its own, hence the next instance's."""
        return Browser(self.front, Connection="close")


@contextmanager
def open_cluster(bench: Bench, signing_keys: Path, folder: Path, **changes: str) -> Iterator[Cluster]:
    """Two instances with two workers each."""
    with ExitStack() as stack:
        url = stack.enter_context(database_of(bench, "postgresql"))
        shared = {"database_url": url, "redis_url": redis_of(bench), "keys_dir": str(folder / "keys"), **changes}
        settings, environment = make_settings(folder, **shared)
        prepare(settings, signing_keys)
        front = ServerUnderTest(settings, environment)
        stack.callback(lambda: front.store.database.dispose())
        shared |= {"issuer": settings.issuer, "secret_key": settings.secret_key}
        instances = [stack.enter_context(_instance(folder / name, shared)) for name in ("one", "two")]
        ports = [instance.settings.port for instance in instances]
        yield Cluster(front, instances, stack.enter_context(balancing(settings.port, ports)))


@contextmanager
def _instance(folder: Path, shared: dict[str, str]) -> Iterator[ServerUnderTest]:
    folder.mkdir()
    settings, environment = make_settings(folder, port=find_free_port(), **shared)
    instance = ServerUnderTest(settings, environment, log=folder / "server.log")
    start(instance)
    try:
        yield instance
        check_no_fault(instance)
    finally:
        stop(instance, signal.SIGQUIT)
