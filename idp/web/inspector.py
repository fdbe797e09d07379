"""The pen of the flow inspector: each refused request is noted once, masked, under the id that its answer carries.

Nothing is written for a request that is answered. A flood of refused ones is no flood of writes: each network and each
process may note so many a second and no more, and what is not noted is refused all the same. The request itself only
masks and hands over (`idp.web.note_writer`): it never waits for the writing, and failing to note never changes an
answer. What is noted: `docs/inspector.md`.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, cast

import structlog
from flask import Flask, current_app, g, request, url_for

from idp.protocol.client import Client
from idp.protocol.errors import OAuthError
from idp.protocol.findings import Finding, expect, network_of, shown_uri
from idp.protocol.redirect_uri import origin_of
from idp.server import Server
from idp.settings import Settings
from idp.store.refusals import Refusal
from idp.web.current import current_server, request_time
from idp.web.log import address, request_id
from idp.web.note_writer import NoteWriter
from idp.web.probe import is_probe
from idp.web.sent import claimed_client_id, sent_values, without_secrets

EXTENSION = "idp.inspector"
WRITER = "idp.note_writer"
NETWORK_RATE, NETWORK_BURST = 1.0, 30  # refusals noted of one network: a second in the long run, at once at most
PROCESS_RATE, PROCESS_BURST = 10.0, 100  # and of all networks together, in one worker process
MAX_NETWORKS = 1000
NOT_FOR_PAGES = frozenset({"/introspect", "/health"})  # for clients with a secret, and for the machines around us
PAGE_WAITS = 1.0  # seconds that a page of the inspector waits for what this process has yet to write
_log = structlog.get_logger("idp.inspector")


class Allowance:
    """So many at once, and then so many a second (a token bucket)."""

    def __init__(self, rate: float, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._monotonic = rate, burst, monotonic
        self._left, self._at = float(burst), monotonic()

    def take(self) -> bool:
        now = self._monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class WriteLimits:
    """What this process may note: first of the network, then of all. `per_network`: whether the first counts."""

    def __init__(self, *, per_network: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_network, self._monotonic = per_network, monotonic
        self._all = Allowance(PROCESS_RATE, PROCESS_BURST, monotonic)
        self._networks: OrderedDict[str, Allowance] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, network: str) -> bool:
        with self._lock:
            return (not self._per_network or self._of(network).take()) and self._all.take()

    def _of(self, network: str) -> Allowance:
        if network not in self._networks:
            self._networks[network] = Allowance(NETWORK_RATE, NETWORK_BURST, self._monotonic)
        self._networks.move_to_end(network)
        while len(self._networks) > MAX_NETWORKS:
            self._networks.popitem(last=False)
        return self._networks[network]


def register_inspector(app: Flask, settings: Settings) -> None:
    app.extensions[EXTENSION] = WriteLimits(per_network=settings.ratelimit_enabled)
    server: Server = app.extensions["idp"]
    app.extensions[WRITER] = NoteWriter(server.store.refusals.add)


def note_error(error: OAuthError, *, client_id: str | None = None) -> None:
    """A refusal by a rule of a specification."""
    note(error.error or "no_token", error.description, error.findings, client_id=client_id or error.client_id)


Findings = Iterable[Finding] | Callable[[], Iterable[Finding]]


def note(error: str, description: str, findings: Findings = (), *, client_id: str | None = None) -> None:
    """Keep why this request is refused. `description` is English, and what the client was told; nobody's secret in it.
    `findings` may be a function, called when they are needed. A request is noted once: what is found first is why."""
    server = current_server()
    if server.settings.inspect_retention == 0 or was_noted():
        return
    if is_probe(server, request.environ, now=request_time()):
        return
    limits = cast(WriteLimits, current_app.extensions[EXTENSION])
    if not limits.allows(network_of(address()) or address()):
        return
    try:
        found = tuple(findings() if callable(findings) else findings)
        g.refusal_noted = current_writer().put(_refusal(error, description, found, client_id))
        kind = None if g.refusal_noted else "too many wait"
    except Exception as failure:  # whatever it is, the answer to the client stays what it is
        kind = type(failure).__name__
    if kind is not None:
        _log.warning("a refusal could not be noted", kind=kind)


def current_writer() -> NoteWriter:
    return cast(NoteWriter, current_app.extensions[WRITER])


def was_noted() -> bool:
    """Whether this request's refusal is kept, or will be as soon as the database takes it."""
    return bool(g.get("refusal_noted"))


def inspect_url() -> str | None:
    """The page of this request's refusal, where there is such a page, or will be when somebody asks for it: not while
    the database takes none."""
    if not was_noted() or not current_writer().is_well or current_server().settings.is_production:
        return None
    return url_for("pages.dev_refusal", request_id=request_id())


def note_foreign_origin() -> None:
    """A browser's page asks that no client has registered: it will not see the answer (Fetch §3.2)."""
    if _origin_of_page() is not None:
        note("origin_not_registered", "The browser withholds this answer from the page that asked.")


def is_registered_origin(origin: str) -> bool:
    """Whether a client has registered the origin that the running request names; looked up once a request."""
    if "origin_is_registered" not in g:
        g.origin_is_registered = current_server().store.clients.is_registered_origin(origin)
    return bool(g.origin_is_registered)


def _refusal(error: str, description: str, findings: tuple[Finding, ...], client_id: str | None) -> Refusal:
    client = _find_client(client_id or claimed_client_id())
    origin = _origin_finding(client)
    listed = findings if origin is None else (*findings, origin)
    document: dict[str, Any] = {
        "method": request.method,
        "endpoint": request.url_rule.rule if request.url_rule is not None else shown_uri(request.path)[:100],
        "description": description,
        "findings": [asdict(finding) for finding in listed],
        "sent": sent_values(client),
        "network": network_of(address()),
    }
    known = client.client_id if client is not None else None
    return Refusal(request_id(), request_time(), error, known, without_secrets(document))


def _find_client(client_id: str | None) -> Client | None:
    """The client, if this process has looked it up, for this request or lately: noting asks the database nothing."""
    return current_server().store.clients.find_loaded(client_id) if client_id else None


def _origin_of_page() -> str | None:
    """Of a browser's page that is not ours, at an endpoint that pages may call."""
    origin = request.headers.get("Origin")
    if origin is None or request.blueprint != "endpoints" or request.path in NOT_FOR_PAGES:
        return None
    return None if origin == origin_of(current_server().issuer) else origin


def _origin_finding(client: Client | None) -> Finding | None:
    """RFC 6454: of a page whose origin no client has registered."""
    origin = _origin_of_page()
    if origin is None or is_registered_origin(origin):
        return None
    registered = expect(sorted(client.origins())) if client is not None else ()
    hint = "Register it: idp clients update --origin. Without that, the browser withholds the answer from the page."
    return Finding("origin", registered, shown_uri(origin), hint, is_compared=True)
