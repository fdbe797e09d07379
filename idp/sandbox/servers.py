"""The seven stand-ins, each an HTTP server of its own on 127.0.0.1, started together and ended together.

Owns sockets, threads and the Flask applications. Addresses are known, and answer, from the making of a `Sandbox` on:
what comes before `start` waits in the queue of the socket.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from flask import Flask, Response, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from idp.sandbox import apple, discord, facebook, github, google, microsoft, oidc
from idp.sandbox.answers import render_json
from idp.sandbox.chooser import choose_person
from idp.sandbox.clients import registered_clients
from idp.sandbox.desk import Desk, Provider
from idp.sandbox.faults import ANSWER_FAULTS
from idp.sandbox.people import People
from idp.sandbox.signing import KeyRing

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
PROVIDERS: tuple[Provider, ...] = (
    google.PROVIDER,
    facebook.PROVIDER,
    discord.PROVIDER,
    apple.PROVIDER,
    github.PROVIDER,
    microsoft.PROVIDER,
    oidc.PROVIDER,
)
POLL_SECONDS = 0.1
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="#5b5ac0"/>'
    '<circle cx="4" cy="3" r="1.6" fill="#fff"/><path d="M1 8a3 3 0 0 1 6 0" fill="#fff"/></svg>'
)


class Sandbox:
    """All stand-ins, in the order of `PROVIDERS`; a context manager that starts and closes them.

    `ports`: one each, 0 for any that is free. `known_email`: the address of the person called known. `clock`: seconds
    since the epoch. Raises OSError, naming the address, when a port is taken; InvalidPem for a bad Apple key.
    """

    def __init__(
        self,
        ports: Sequence[int],
        apple_private_key: str,
        known_email: str = "demo@example.com",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if len(ports) != len(PROVIDERS):
            raise ValueError(f"The sandbox needs {len(PROVIDERS)} ports.")
        self._servers: list[BaseWSGIServer] = []
        self._threads: list[threading.Thread] = []
        self.desks: dict[str, Desk] = {}
        try:
            for provider, port in zip(PROVIDERS, ports, strict=True):
                self._open(provider, port, apple_private_key, known_email, clock)
        except BaseException:
            self.close()
            raise

    @property
    def origins(self) -> dict[str, str]:
        """kind → `http://127.0.0.1:PORT`."""
        return {kind: desk.origin for kind, desk in self.desks.items()}

    def start(self) -> None:
        """Answer from now on, in threads of this process."""
        for server in self._servers:
            serve = partial(server.serve_forever, poll_interval=POLL_SECONDS)
            thread = threading.Thread(target=serve, name=f"sandbox {server.port}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End every server, waiting answers included; returns when the sockets are closed. Safe to call twice."""
        for desk in self.desks.values():
            desk.closing.set()
        if self._threads:
            stopping = [threading.Thread(target=server.shutdown) for server in self._servers]
            for thread in stopping:
                thread.start()
            for thread in (*stopping, *self._threads):
                thread.join()
        for server in self._servers:
            server.server_close()
        self._servers, self._threads = [], []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, provider: Provider, port: int, key: str, known_email: str, clock: Callable[[], float]) -> None:
        with _listen(port) as listening:
            origin = f"http://{HOST}:{listening.getsockname()[1]}"
            desk = Desk(
                provider=provider,
                origin=origin,
                clients=registered_clients(provider.kind, key),
                people=People(provider.kind, provider.make_subject, known_email, relay=provider.has_relay),
                clock=clock,
                keys=KeyRing(typ=provider.token_typ),
            )
            app = make_app(desk)
            server = make_server(
                HOST, 0, app, threaded=True, request_handler=_Quiet, fd=listening.fileno()
            )  # it keeps a duplicate of the descriptor
        self._servers.append(server)
        self.desks[provider.kind] = desk


def make_app(desk: Desk) -> Flask:
    """The WSGI application of one stand-in."""
    app = Flask("idp.sandbox", static_url_path="/sandbox/static", template_folder="templates")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    provider = desk.provider
    app.add_url_rule(provider.authorize, "authorize", partial(choose_person, desk), methods=["GET", "POST"])
    for number, (rule, (methods, view)) in enumerate(provider.routes.items()):
        app.add_url_rule(rule, f"route-{number}", partial(view, desk), methods=list(methods))
    app.add_url_rule("/sandbox/faults", "faults", partial(_set_faults, desk), methods=["GET", "POST"])
    if provider.host_of_pictures:
        app.add_url_rule(f"/{provider.host_of_pictures}/<path:name>", "picture", _show_picture)
    app.after_request(_add_headers)
    return app


def _set_faults(desk: Desk) -> Response:
    """What the keys and discovery endpoints do wrong, for everybody: `{"keys": "http_500"}`, or null for nothing."""
    if not ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback:  # noqa: S104  # only a stand-in
        return render_json({"error": "This is for programs on this machine."}, 403)
    if request.method == "POST":
        wanted: Any = request.get_json(silent=True)
        if not isinstance(wanted, dict) or wanted.get("keys") not in (None, *ANSWER_FAULTS):
            return render_json({"error": f"keys must be null or one of {', '.join(ANSWER_FAULTS)}."}, 400)
        desk.keys_fault = wanted.get("keys")
    return render_json({"keys": desk.keys_fault})


def _show_picture(**_path: str) -> Response:
    return Response(_PICTURE, mimetype="image/svg+xml")


def _add_headers(answer: Response) -> Response:
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer


class _Quiet(WSGIRequestHandler):
    """Logs no request: their URLs hold codes. Errors go to our log."""

    timeout = 60

    def log(self, type: str, message: str, *args: Any) -> None:
        if type == "error":
            _log.debug(message, *args)

    def version_string(self) -> str:
        return "sandbox"


def _listen(port: int) -> socket.socket:
    """A listening socket on loopback. Bound here: the standard server would look its own name up first."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, "Address already in use", f"{HOST}:{port}") from None
        raise
    return listening
