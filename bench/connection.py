"""HTTP/1.1 over one kept connection, with as little work as possible: the driver must not be what is measured.

Reads answers with a Content-Length only, which is all that the server sends.
"""

import socket
from dataclasses import dataclass

TIMEOUT_SECONDS = 15
_CHUNK = 65_536


class BadAnswer(Exception):
    """The server's answer was not the one that the operation expects."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`head` is the status line with the headers, as they came."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: bytes) -> bytes:
        """The value of a header (its name as the server writes it); empty when there is none."""
        _, found, rest = self.head.partition(b"\r\n" + name + b": ")
        return rest.partition(b"\r\n")[0] if found else b""


class Connection:
    """One connection to 127.0.0.1; opened at first need, and again when the server has closed it while it was idle."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> Answer:
        """One request, one answer. Raises OSError when the server is gone, BadAnswer when it answers nonsense."""
        if self._socket is not None:
            try:
                return self._exchange(self._socket, request)
            except (ConnectionError, BrokenPipeError):
                self.close()  # closed by the server between two requests: a new one decides
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._exchange(self._socket, request)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, connection: socket.socket, request: bytes) -> Answer:
        connection.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _receive(connection)
        head = received[:end]
        answer = Answer(int(head[9:12]), head, b"")
        length = int(answer.header(b"Content-Length") or -1)
        if length < 0:
            raise BadAnswer("an answer without Content-Length")
        body = received[end + 4 :]
        while len(body) < length:
            body += _receive(connection)
        if answer.header(b"Connection").lower() == b"close":
            self.close()
        return Answer(answer.status, head, body)


def _receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(_CHUNK)
    if not chunk:
        raise ConnectionResetError("the server closed the connection")
    return chunk
