"""One moment by which a whole request must be over. Owns the socket that keeps to it, read by read, write by write."""

import io
import socket
import time
from typing import Any


class Deadline:
    """The moment at which a request is given up."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class DeadlineSocket:
    """The three things that ``http.client`` does with a socket, under the deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._reader = _DeadlineReader(connection, deadline)

    @property
    def has_ended(self) -> bool:
        """Whether a read has met the end of what the other side sends."""
        return self._reader.has_ended

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(self._deadline.remaining())
        self._connection.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)

    def close(self) -> None:
        """The connection is closed by whoever opened it."""


class _DeadlineReader(io.RawIOBase):
    """What is received, as a stream of which every single read ends by the deadline, however slowly it drips."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._deadline.remaining())
        received = self._connection.recv_into(buffer)
        self.has_ended = received == 0
        return received
