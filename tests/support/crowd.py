"""Many callers at the same instant: threads that a barrier lets go together, and processes that agree on a moment."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, TypeVar

import requests

Result = TypeVar("Result")
PATIENCE_SECONDS = 60


def at_once(count: int, call: Callable[[int], Result]) -> list[Result]:
    """The results of `call(0)` to `call(count - 1)`, begun together in as many threads. Raises what a call raised."""
    barrier = threading.Barrier(count)

    def run(index: int) -> Result:
        barrier.wait(PATIENCE_SECONDS)
        return call(index)

    with ThreadPoolExecutor(count) as pool:
        return [future.result(PATIENCE_SECONDS) for future in [pool.submit(run, index) for index in range(count)]]


def patiently(send: Callable[[], requests.Response]) -> requests.Response:
    """Send again while the answer is to come back later: a process looks at two passwords at once, others get a 503."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while (answer := send()).status_code == 503 and time.monotonic() < ends:
        assert int(answer.headers["Retry-After"]) > 0
        time.sleep(0.1)
    return answer


class Processes:
    """A few warm processes. They are spawned, not forked, so that nothing of the test process comes with them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
        for future in [self._pool.submit(time.sleep, 0.2) for _ in range(count)]:
            future.result(PATIENCE_SECONDS)

    def at_once(self, call: Callable[..., Sequence[Result]], *arguments: Any) -> list[Result]:
        """All that `call(number, starts_at, *arguments)` gives in each process; see `wait_for`."""
        starts_at = time.time() + 0.4
        futures = [self._pool.submit(call, number, starts_at, *arguments) for number in range(self.count)]
        return [result for future in futures for result in future.result(PATIENCE_SECONDS)]

    def close(self) -> None:
        self._pool.shutdown()


def wait_for(moment: float) -> None:
    """Return at this time of the wall clock, which all processes share."""
    time.sleep(max(0.0, moment - time.time()))
