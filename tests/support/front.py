"""What stands in front of a server under test, and can be told to spoil things: a reverse proxy on loopback.

It connects to the server from an address of its own, FRONT_ADDRESS, as a proxy on another machine would. With no server
behind it, it answers 502.
"""

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FRONT_ADDRESS = "127.0.0.2"
FORWARDED = "X-Forwarded-For"
_NOT_PASSED = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Passing:
    """An answer on its way back; a test changes it in place. `headers` may have one name twice."""

    method: str
    path: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def set(self, name: str, value: str | None) -> None:
        """This value alone; None: the header is lost."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        self.headers += [] if value is None else [(name, value)]


def leave(_passing: Passing) -> None:
    """Spoils nothing."""


@dataclass
class Front:
    """`spoil`: what happens to each answer. `forwarding`: what becomes of X-Forwarded-For: `replace`, `append`,
    `nothing`, or `pass` (as it came). `hangs`: whether requests are taken and never answered."""

    port: int = 0
    upstream: int = 0
    spoil: Callable[[Passing], None] = leave
    forwarding: str = "replace"
    hangs: bool = False
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def heal(self) -> None:
        self.spoil, self.forwarding, self.hangs = leave, "replace", False
        self.asked.clear()

    def pass_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Passing:
        self.asked.append(f"{method} {path}")
        passing = self._ask(method, path, headers, body) if self.upstream else Passing(method, path, 502, [], b"")
        self.spoil(passing)
        return passing

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Passing:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.upstream, timeout=60, source_address=(FRONT_ADDRESS, 0)
        )
        try:
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _NOT_PASSED]
            return Passing(method, path, answer.status, kept, answer.read())
        finally:
            connection.close()

    def forwarded(self, came: str | None, address: str) -> str | None:
        """What the server is told."""
        return {
            "replace": address,
            "append": address if came is None else f"{came}, {address}",
            "nothing": None,
            "pass": came,
        }[self.forwarding]


class _Handler(BaseHTTPRequestHandler):
    front: Front

    def _answer(self) -> None:
        if self.front.hangs:
            self.front.released.wait(60)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED}
        came = headers.pop(FORWARDED, None)
        forwarded = self.front.forwarded(came, self.client_address[0])
        if forwarded is not None:
            headers[FORWARDED] = forwarded
        passing = self.front.pass_on(self.command, self.path, headers, body)
        self.send_response_only(passing.status)
        passing.set("Content-Length", str(len(passing.body)))
        for name, value in passing.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(passing.body)

    do_GET = do_POST = do_OPTIONS = _answer

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: object) -> None:
        """A handshake that fails is what the test is about."""


@contextmanager
def running_front(*, context: ssl.SSLContext | None = None) -> Iterator[Front]:
    """A front on a port of 127.0.0.1; tell it its `upstream` before the first request. `context`: for https."""
    front = Front()
    handler = type("Handler", (_Handler,), {"front": front})
    with _Quiet(("127.0.0.1", 0), handler) as server:
        front.port = server.server_port
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield front
        finally:
            front.released.set()
            server.shutdown()
            thread.join(5)
