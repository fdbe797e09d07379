"""Drives one operation on one server for some seconds, over several kept connections, and says what it cost."""

import threading
import time
from dataclasses import dataclass, field

from bench.connection import Connection
from bench.operations import Operation
from bench.servers import Server


@dataclass
class Sample:
    """What one spell of load cost: seconds of wall time and of the server's CPU, and the time of each request."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return len(self.latencies)

    @property
    def cpu_ms(self) -> float:
        """The server's CPU-milliseconds per request."""
        return 1000 * self.cpu_seconds / self.requests if self.requests else 0.0

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def drive(server: Server, operation: Operation, *, seconds: float, connections: int) -> Sample:
    """Load for `seconds`, less when the operation runs out of requests. Raises what the first failure raised."""
    sample, failures = Sample(), list[BaseException]()
    deadline = time.perf_counter() + seconds
    lanes = [
        threading.Thread(target=_drive_lane, args=(server.port, operation, deadline, sample.latencies, failures))
        for _ in range(connections)
    ]
    began, used = time.perf_counter(), server.cpu_seconds()
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    sample.seconds, sample.cpu_seconds = time.perf_counter() - began, server.cpu_seconds() - used
    if failures:
        raise failures[0]
    return sample


def _drive_lane(
    port: int, operation: Operation, deadline: float, latencies: list[float], failures: list[BaseException]
) -> None:
    connection = Connection(port)
    try:
        while not failures and time.perf_counter() < deadline:
            request = operation.next_request()
            if request is None:
                break
            began = time.perf_counter()
            answer = connection.send(request)
            latencies.append(time.perf_counter() - began)
            operation.take(answer)
    except Exception as error:  # told to the thread that waits for all lanes
        failures.append(error)
    finally:
        connection.close()
