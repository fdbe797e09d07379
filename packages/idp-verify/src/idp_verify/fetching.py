"""One GET with limits: https only (http to this machine), no redirect, no proxy, bounded in time and size."""

import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

MAX_DOCUMENT_BYTES = 256 * 1024
_CHUNK = 16 * 1024


class FetchFailed(Exception):
    """There is no document; the text is for the log."""


def check_url(url: str) -> SplitResult:
    """RFC 8414 §2: https, or http to a loopback host; no user, query or fragment. Raises ValueError."""
    try:
        parts = urlsplit(url)
        is_plain = bool(parts.hostname) and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        is_plain = False
    if not is_plain or not url.isascii() or not url.isprintable() or " " in url or "?" in url or "#" in url:
        raise ValueError(f"{url!r} is not a plain absolute URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError(f"{url!r} must be https; http is for this machine only")
    return parts


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name (RFC 6761 §6.3) or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def fetch(url: str, *, timeout: float, context: ssl.SSLContext | None = None) -> bytes:
    """The document behind a URL, within `timeout` seconds from the connection on. Raises FetchFailed."""
    try:
        connection = _connect(check_url(url), timeout, context)
    except (OSError, ValueError) as error:
        raise FetchFailed(f"{url}: {error}") from None
    watchdog = threading.Timer(timeout, _cut, [connection.sock])  # a read has a limit of its own, many reads do not
    watchdog.daemon = True
    watchdog.start()
    try:
        return _read_document(connection, urlsplit(url).path or "/", url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchFailed(f"{url}: {type(error).__name__} {error}") from None
    finally:
        watchdog.cancel()
        connection.close()


def _connect(parts: SplitResult, timeout: float, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        trusted = context or ssl.create_default_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=trusted
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    connection.connect()
    return connection


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the plain one: under TLS too, this only ends the reading


def _read_document(connection: http.client.HTTPConnection, path: str, url: str) -> bytes:
    connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "idp-verify"})
    with connection.getresponse() as response:
        if response.status != http.client.OK:
            raise FetchFailed(f"{url}: status {response.status}")
        document = b""
        while chunk := response.read(_CHUNK):
            document += chunk
            if len(document) > MAX_DOCUMENT_BYTES:
                raise FetchFailed(f"{url}: more than {MAX_DOCUMENT_BYTES} bytes")
    return document
