"""A load balancer for tests: each new connection goes to the next instance, and past one that is not there."""

import socket
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count


class Balancer(socketserver.ThreadingTCPServer):
    """Listens on a port of 127.0.0.1 in front of others; `served` says which of them each connection went to."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, backends: Sequence[int]) -> None:
        self.backends, self.served = tuple(backends), list[int]()
        self._turn = count()
        super().__init__(("127.0.0.1", port), _Connection)

    def connect(self) -> socket.socket:
        """A connection to the instance whose turn it is. Raises ConnectionRefusedError when none is there."""
        turn = next(self._turn)
        for step in range(len(self.backends)):
            port = self.backends[(turn + step) % len(self.backends)]
            with suppress(ConnectionRefusedError):
                connection = socket.create_connection(("127.0.0.1", port), timeout=30)
                self.served.append(port)
                return connection
        raise ConnectionRefusedError


class _Connection(socketserver.BaseRequestHandler):
    server: Balancer
    request: socket.socket

    def handle(self) -> None:
        with suppress(OSError), self.server.connect() as backend:
            back = threading.Thread(target=_pump, args=(backend, self.request), daemon=True)
            back.start()
            _pump(self.request, backend)
            back.join(30)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def balancing(port: int, backends: Sequence[int]) -> Iterator[Balancer]:
    """The balancer for the length of a block."""
    with Balancer(port, backends) as balancer:
        thread = threading.Thread(target=balancer.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield balancer
        finally:
            balancer.shutdown()
            thread.join(5)
