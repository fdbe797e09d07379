"""A person in a real browser: the way through the pages, the client's site at its end, and what the console said."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from playwright.sync_api import Page

from tests.support.accounts import PASSWORD
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.relying_party import RelyingParty


@dataclass
class ClientSite:
    """A client's web server on loopback. It remembers what reached it, and may send the browser on to another site."""

    host: str = "localhost"
    port: int = 0
    onward: str | None = None
    received: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def callback(self) -> str:
        return f"{self.origin}/callback"

    @property
    def last(self) -> dict[str, str]:
        """The parameters of the last request to the callback."""
        return next(params for _, path, params in reversed(self.received) if path == "/callback")


@contextmanager
def client_site(host: str = "localhost", onward: str | None = None) -> Iterator[ClientSite]:
    site = ClientSite(host, onward=onward)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(parts.path, parts.query)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._answer(urlsplit(self.path).path, body)

        def _answer(self, path: str, query: str) -> None:
            if path != "/favicon.ico":
                site.received.append((self.command, path, dict(parse_qsl(query))))
            body = b"<!doctype html><title>client</title><h1>Back at the client</h1>"
            if site.onward is not None and path == "/callback":
                self.send_response(303)
                self.send_header("Location", site.onward)
                body = b""
            else:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what came is in `received`."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    site.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)


def authorize_url(server: ServerUnderTest, client: RegisteredClient, **overrides: str | None) -> str:
    """The address of a valid request; overrides as those of RelyingParty."""
    params, _ = RelyingParty(server, client).request(**overrides)
    return f"{server.url('/authorize')}?{urlencode(params)}"


def sign_in(page: Page, username: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in page and send it."""
    page.fill("#username", username)
    page.fill("#password", password)
    page.click("#login")


def complaints_of(page: Page) -> list[str]:
    """What the console and the scripts of the page say from now on, refusals of the security policy among it. Not that
    the test was quicker to focus a field than the page was."""
    said: list[str] = []
    page.on("console", lambda message: None if _is_about_haste(message.text) else said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


def _is_about_haste(text: str) -> bool:
    return text.startswith("Autofocus processing was blocked because a document already has a focused element")


def focused(page: Page) -> str:
    """The id of the element that has the focus."""
    return str(page.evaluate("document.activeElement.id"))


def width(page: Page) -> int:
    """How wide the page is, in CSS pixels: wider than the screen means that it scrolls sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth"))
