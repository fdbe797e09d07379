"""The guarded request as a whole: URL, addresses, connection, answer. Owns the limits and the order of the steps."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from idp.outbound.connection import connect, look_up, make_tls_context, wrap
from idp.outbound.deadline import Deadline
from idp.outbound.exchange import OutboundResponse, exchange, load_request
from idp.outbound.refusals import FetchRefused, NotSent, refusing
from idp.outbound.targets import Allowed, Target, load_target

if TYPE_CHECKING:
    import ssl

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class OutboundFetcher:
    """Sends small requests to URLs that strangers or configuration name. Threads may share one.

    `allowed_hosts`: what may be reached although it is private, and over http too: ``host`` (any port),
    ``host:port``, or a network such as ``10.0.0.0/8``. `ca_bundle`: a PEM file with CAs to trust in addition to the
    system's. `timeout`: seconds for the whole request, from the look-up to the last byte. `max_bytes`: of the body
    of an answer. Raises ValueError for an entry that is none of those.
    """

    def __init__(
        self,
        *,
        allowed_hosts: Collection[str] = (),
        ca_bundle: Path | None = None,
        timeout: float = 5.0,
        max_bytes: int = 512 * 1024,
    ) -> None:
        self._allowed = Allowed(allowed_hosts)
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = threading.Lock()

    def get_json(self, url: str) -> dict[str, Any]:
        """The JSON object at `url` (status 200); raises FetchRefused, and nothing else."""
        answer = self.send("GET", url, headers={"Accept": "application/json"})
        if answer.status != 200:
            raise FetchRefused(f"{load_target(url).host} answered with status {answer.status}")
        return _load_object(answer.body)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] = _NO_HEADERS, body: bytes | None = None
    ) -> OutboundResponse:
        """The answer to one GET or POST, whatever its status, except that a redirect (3xx) is a refusal.

        Host, Connection, Accept-Encoding, Content-Length and Transfer-Encoding are set here; given ones are left
        out. Raises FetchRefused, and nothing else; its kind NotSent when nothing had been sent yet.
        """
        deadline = Deadline(self._timeout)
        request, target = load_request(method, headers, body), load_target(url)
        with refusing(NotSent, target.host, self._timeout):
            connection = self._open(target, deadline)
        with refusing(FetchRefused, target.host, self._timeout), connection:
            return exchange(connection, target, request, deadline, self._max_bytes)

    def _open(self, target: Target, deadline: Deadline) -> socket.socket:
        """A connection to one of the addresses that the checks have seen; the name is looked up only once."""
        self._allowed.check_target(target)
        addresses = look_up(target, deadline)
        self._allowed.check_addresses(target, addresses)
        if not target.secure:
            return connect(addresses, target.port, deadline)
        tls = self._load_tls()
        return wrap(connect(addresses, target.port, deadline), tls, target.host, deadline)

    def _load_tls(self) -> ssl.SSLContext:
        with self._tls_lock:
            if self._tls is None:
                self._tls = make_tls_context(self._ca_bundle)
            return self._tls


def _load_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise FetchRefused("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise FetchRefused("the answer is not a JSON object")
    return value
