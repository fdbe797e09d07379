"""What no well-behaved client sends: bytes on a socket, and how many rows a server holds."""

import socket
from dataclasses import dataclass

from sqlalchemy import Table, func, select

from tests.support.idp_server import ServerUnderTest

TIMEOUT = 15


@dataclass(frozen=True)
class Answer:
    """An answer as bytes. A connection that was closed without one has status 0."""

    raw: bytes

    @property
    def status(self) -> int:
        line = self.raw.split(b"\r\n", 1)[0].split(b" ")
        return int(line[1]) if len(line) > 1 else 0

    @property
    def head(self) -> str:
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin-1")

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name.lower():
                return value.strip()
        return None


def connect(server: ServerUnderTest) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.settings.port), timeout=TIMEOUT)


def exchange(server: ServerUnderTest, request: bytes) -> Answer:
    """Send these bytes and read until the server closes (ask it to, with `Connection: close`)."""
    received = b""
    with connect(server) as connection:
        try:
            connection.sendall(request)
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionError:
            pass  # it had read enough; what came before the reset counts
    return Answer(received)


def request_bytes(method: str, target: str, *headers: str, body: bytes = b"", host: str | None = "localhost") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), "Connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


def count_rows(server: ServerUnderTest, table: Table) -> int:
    with server.store.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)
