"""From a host to a connection: one look-up, the first address that answers, TLS. Owns which authorities are trusted."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idp.outbound.addresses import Address
from idp.outbound.deadline import Deadline
from idp.outbound.refusals import FetchRefused, NotSent
from idp.outbound.targets import Target

if TYPE_CHECKING:
    import ssl


def look_up(target: Target, deadline: Deadline) -> list[Address]:
    """Ask the resolver once; raises NotSent when it knows no address.

    It knows no deadline, so it is asked on a thread that we can stop waiting for.
    """
    found: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
        except Exception as error:
            found.put(error)

    threading.Thread(target=ask, name="outbound-lookup", daemon=True).start()
    try:
        answer = found.get(timeout=deadline.remaining())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception) and not isinstance(answer, (OSError, UnicodeError)):
        raise answer
    if not answer or isinstance(answer, Exception):
        raise NotSent(f"{target.host} cannot be found")
    # A scope ("%eth0") only ever comes with link-local addresses, which the checks refuse.
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0].partition("%")[0]) for entry in answer))


def connect(addresses: list[Address], port: int, deadline: Deadline) -> socket.socket:
    """A connection to the first address that answers; a dead one may use up its share of the time only."""
    for left in range(len(addresses), 0, -1):
        try:
            return socket.create_connection((str(addresses[-left]), port), timeout=deadline.remaining() / left)
        except OSError:
            if left == 1:
                raise
    raise OSError("no address")


def wrap(plain: socket.socket, context: ssl.SSLContext, host: str, deadline: Deadline) -> ssl.SSLSocket:
    """TLS over the connection, verified for the host of the URL and not for the address it was made to."""
    with plain:  # the wrapping takes the connection out of it: only after a failure is there something to close
        plain.settimeout(deadline.remaining())
        return context.wrap_socket(plain, server_hostname=host)


def make_tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later, trusting the system's CAs (certifi's where the system has none), and those of `ca_bundle`."""
    import ssl

    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        import certifi

        context.load_verify_locations(certifi.where())
    if ca_bundle is not None:
        try:
            context.load_verify_locations(ca_bundle)
        except OSError as error:
            raise FetchRefused(f"the CA bundle cannot be read: {error.strerror or type(error).__name__}") from None
    return context
