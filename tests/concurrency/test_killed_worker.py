"""kill -9 of worker processes in the middle of a load: what was acknowledged holds, and the service is back at once.

A client here does what real ones do: when a connection breaks, it sends the same refresh token again.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from idp.store.database import hashed
from tests.concurrency.families import grant_of, revoked_why, unused_hashes
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import Browser, RelyingParty

CHAINS, EXCHANGES = 4, 2
KILLS, SECONDS_BETWEEN_KILLS = 3, 0.8
BACK_WITHIN_SECONDS = 15.0
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)  # before or within the answer


@dataclass
class Load:
    """Threads that work until told to stop, and what they saw."""

    server: ServerUnderTest
    stopped: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, step: Callable[[], None]) -> None:
        def work() -> None:
            while not self.stopped.is_set():
                try:
                    step()
                except BROKEN as error:  # the worker that had this request is dead
                    self.broken.append(type(error).__name__)
                except Exception as error:
                    self.failures.append(repr(error))
                    return

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def seen(self, answer: requests.Response) -> requests.Response:
        self.statuses.append(answer.status_code)
        return answer

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)


class Chain:
    """One refresh after the other; `acknowledged` is the last token that the client has really received."""

    def __init__(self, load: Load, client: RelyingParty, first: str) -> None:
        self.load, self.client, self.acknowledged = load, client, first
        self.length = 0

    def step(self) -> None:
        answer = self.load.seen(self.client.refresh(self.acknowledged))
        assert answer.status_code == 200, answer.text
        self.acknowledged = answer.json()["refresh_token"]
        self.length += 1


class Exchange:
    """One authorization after the other by a person who is signed in; the tokens of those that were acknowledged."""

    def __init__(self, load: Load, client: RelyingParty, browser: Browser) -> None:
        self.load, self.client, self.browser = load, client, browser
        self.acknowledged: list[str] = []

    def step(self) -> None:
        answer = self.load.seen(self.client.redeem(self.client.sign_in(self.browser)))
        assert answer.status_code == 200, answer.text
        self.acknowledged.append(answer.json()["refresh_token"])


def workers_of(server: ServerUnderTest) -> list[int]:
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def kill_a_worker(server: ServerUnderTest, number: int) -> None:
    workers = workers_of(server)
    os.kill(workers[number % len(workers)], signal.SIGKILL)


def seconds_until(condition: Callable[[], bool], *, within: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"not within {within} s"
        time.sleep(0.02)
    return time.monotonic() - began


def is_healthy(server: ServerUnderTest) -> bool:
    with suppress(requests.RequestException):
        return requests.get(server.url("/health"), timeout=2).status_code == 200
    return False


@pytest.fixture
def load(busy_server: ServerUnderTest) -> Iterator[Load]:
    load = Load(busy_server)
    yield load
    load.stop()


@pytest.mark.slow
@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_no_acknowledged_token_is_lost_and_none_doubled_when_workers_are_killed_in_the_middle_of_a_load(
    busy_server: ServerUnderTest, load: Load
) -> None:
    client = RelyingParty(busy_server, busy_server.add_client(always_issue_refresh_token=True))
    chains, exchanges = _begin(load, client)
    for number in range(KILLS):
        time.sleep(SECONDS_BETWEEN_KILLS)
        before = workers_of(busy_server)
        kill_a_worker(busy_server, number)
        seconds_until(lambda: is_healthy(busy_server), within=BACK_WITHIN_SECONDS)
        seconds_until(lambda before=before: _is_replaced(busy_server, before), within=BACK_WITHIN_SECONDS)  # type: ignore[misc]
    time.sleep(SECONDS_BETWEEN_KILLS)
    load.stop()
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert min(chain.length for chain in chains) > 5
    assert all(exchange.acknowledged for exchange in exchanges)
    for chain in chains:
        _check_family(client, chain.acknowledged)
    for exchange in exchanges:
        for token in exchange.acknowledged:
            _check_family(client, token)


def _begin(load: Load, client: RelyingParty) -> tuple[list[Chain], list[Exchange]]:
    server, chains, exchanges = load.server, list[Chain](), list[Exchange]()
    for _ in range(CHAINS):
        tokens = client.tokens(Browser(server), server.add_user().username)
        chains.append(Chain(load, client, tokens["refresh_token"]))
    for _ in range(EXCHANGES):
        browser = Browser(server)
        client.tokens(browser, server.add_user().username)
        exchanges.append(Exchange(load, client, browser))
    for worker in (*chains, *exchanges):
        load.add(worker.step)
    return chains, exchanges


def _is_replaced(server: ServerUnderTest, before: list[int]) -> bool:
    now = workers_of(server)
    return len(now) == len(before) and set(now) != set(before)


def _check_family(client: RelyingParty, acknowledged: str) -> None:
    """The last token that the client received works, perhaps by the reuse window; there is one live branch."""
    store = client.server.store
    grant_id = grant_of(store, acknowledged)
    assert revoked_why(store, grant_id) is None
    assert len(unused_hashes(store, grant_id)) == 1
    answer = client.refresh(acknowledged)
    assert answer.status_code == 200, answer.text
    assert unused_hashes(store, grant_id) == [hashed(answer.json()["refresh_token"])]
