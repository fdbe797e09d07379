"""The guard for every fetch made because a client or an administrator named a URL (as RFC 9101 section 10.4 warns).

Owns what such a fetch may reach and cost: https and public addresses only, except what the operator has allowed;
one look-up, every address checked, and the connection made to the very address that was checked, so that a name
cannot mean something else a moment later; no redirects, proxies, cookies or credentials; one deadline and one size
limit over everything.

It stands on ``http.client``: that sends one request over a socket that we hand it, and does nothing else by itself.
"""

from __future__ import annotations

import io
import ipaddress
import json
import queue
import re
import socket
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import http.client
    import ssl

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"[!-~]{1,2048}")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_CLOUD_METADATA = frozenset({ipaddress.ip_address("168.63.129.16"), ipaddress.ip_address("192.0.0.192")})
"""Metadata services at addresses that look public; the others live in private or link-local ranges anyway."""
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")
_UNROUTABLE: tuple[Network, ...] = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments (RFC 6890)
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, deprecated (RFC 7526)
    ipaddress.IPv6Network("2002::/16"),  # 6to4, carries an IPv4 address
    ipaddress.IPv6Network("fec0::/10"),  # site-local, deprecated (RFC 3879)
)
_CHUNK = 16 * 1024


class FetchRefused(Exception):
    """Nothing usable was fetched. The text says which rule refused or what failed; safe for a log, not for a client."""


@dataclass(frozen=True)
class _Target:
    """A URL after the checks that need no network."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header (RFC 9110 section 7.2): without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.secure else "http"] else f"{host}:{self.port}"


class OutboundFetcher:
    """Fetches small JSON documents from URLs that strangers name.

    `allowed_hosts`: what may be reached although it is private, and over http too: ``host`` (any port),
    ``host:port``, or a network such as ``10.0.0.0/8``. `ca_bundle`: a PEM file with CAs to trust in addition to the
    system's. `timeout`: seconds for the whole fetch, from the look-up to the last byte. `max_bytes`: of the body.
    Raises ValueError for an entry that is none of those.
    """

    def __init__(
        self,
        *,
        allowed_hosts: Collection[str] = (),
        ca_bundle: Path | None = None,
        timeout: float = 5.0,
        max_bytes: int = 512 * 1024,
    ) -> None:
        self._hosts, self._networks = _read_allowed(allowed_hosts)
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._tls: ssl.SSLContext | None = None
        self._tls_lock = threading.Lock()

    def get_json(self, url: str) -> dict[str, Any]:
        """The JSON object at `url` (status 200); raises FetchRefused, and nothing else."""
        deadline = _Deadline(self._timeout)
        target = _load_target(url)
        try:
            addresses = self._load_addresses(target, deadline)
            with _connect(addresses, target.port, deadline) as plain:
                connection = self._wrap(plain, target.host, deadline) if target.secure else plain
                with connection:
                    return _load_object(_exchange(connection, target, deadline, self._max_bytes))
        except TimeoutError:
            raise FetchRefused(f"{target.host} did not answer within {self._timeout:g} seconds") from None
        except OSError as error:
            raise FetchRefused(f"{target.host} cannot be reached: {error.strerror or type(error).__name__}") from None

    def _load_addresses(self, target: _Target, deadline: _Deadline) -> list[Address]:
        """The addresses of the host, looked up once; refused as a whole when one of them is out of bounds."""
        by_name = not self._hosts.isdisjoint({target.host, _join(target.host, target.port)})
        if not (target.secure or by_name or self._networks):
            raise FetchRefused(f"{target.host} may not be asked without TLS")
        addresses = _look_up(target, deadline)
        for address in addresses:
            meant = _meant(address)
            by_network = any(meant in network for network in self._networks)
            if not (target.secure or by_name or by_network):
                raise FetchRefused(f"{target.host} may not be asked without TLS")
            if not (by_network or is_public(meant) or (by_name and _is_local(meant))):
                raise FetchRefused(f"{target.host} stands for {address}, which is not a public address")
        return addresses

    def _wrap(self, plain: socket.socket, host: str, deadline: _Deadline) -> socket.socket:
        """TLS over the connection, verified for the host of the URL and not for the address it was made to."""
        with self._tls_lock:
            if self._tls is None:
                self._tls = make_tls_context(self._ca_bundle)
        plain.settimeout(deadline.remaining())
        return self._tls.wrap_socket(plain, server_hostname=host)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, for all that its registries say (RFC 6890)."""
    address = _meant(address)
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local)
        and address not in _CLOUD_METADATA
        and not any(address in network for network in _UNROUTABLE)
    )


def _is_local(address: Address) -> bool:
    """Private or loopback: what the name of an allowed host may stand for. Metadata services are neither."""
    odd = address.is_link_local or address.is_multicast or address.is_unspecified
    return (address.is_private or address in _SHARED) and not odd and address not in _CLOUD_METADATA


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one where that is what the packets will reach (RFC 4291, RFC 6052)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


class _Deadline:
    """The moment at which a fetch is given up."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _DeadlineReader(io.RawIOBase):
    """What is received, as a stream of which every single read ends by the deadline, however slowly it drips."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        super().__init__()
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self._deadline.remaining())
        return self._connection.recv_into(buffer)


class _DeadlineSocket:
    """The three things that ``http.client`` does with a socket, under the deadline."""

    def __init__(self, connection: socket.socket, deadline: _Deadline) -> None:
        self._connection = connection
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._connection.settimeout(self._deadline.remaining())
        self._connection.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._connection, self._deadline))

    def close(self) -> None:
        """The connection is closed by whoever opened it."""


def _read_allowed(entries: Collection[str]) -> tuple[frozenset[str], tuple[Network, ...]]:
    """The allow-list as host names (with or without a port) and networks."""
    hosts, networks = set(), []
    for entry in (entry.strip().lower() for entry in entries):
        if "/" in entry:
            networks.append(ipaddress.ip_network(entry))
        elif not entry or not entry.isascii() or any(character in entry for character in " @?#"):
            raise ValueError(f"{entry!r} is neither a host, nor host:port, nor a network such as 10.0.0.0/8")
        else:
            hosts.add(entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry)
    return frozenset(hosts), tuple(networks)


def _load_target(url: str) -> _Target:
    """The parts of a URL that we would fetch; raises FetchRefused for every other URL."""
    if not isinstance(url, str) or not _URL.fullmatch(url):
        raise FetchRefused("the URL is not plain ASCII text of reasonable length")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FetchRefused("the URL is malformed") from None
    if parts.scheme not in _PORTS:
        raise FetchRefused("the URL is not an https URL")
    if "@" in parts.netloc:
        raise FetchRefused("the URL holds credentials")
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise FetchRefused("the URL has no proper host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.scheme == "https", host.rstrip("."), port or _PORTS[parts.scheme], path)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _look_up(target: _Target, deadline: _Deadline) -> list[Address]:
    """Ask the resolver once. It knows no deadline, so it is asked on a thread that we can stop waiting for."""
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
        raise FetchRefused(f"{target.host} cannot be found")
    # A scope ("%eth0") only ever comes with link-local addresses, which the checks refuse.
    return list(dict.fromkeys(ipaddress.ip_address(entry[4][0].partition("%")[0]) for entry in answer))


def _connect(addresses: list[Address], port: int, deadline: _Deadline) -> socket.socket:
    """A connection to the first address that answers; a dead one may use up its share of the time only."""
    for left in range(len(addresses), 0, -1):
        try:
            return socket.create_connection((str(addresses[-left]), port), timeout=deadline.remaining() / left)
        except OSError:
            if left == 1:
                raise
    raise OSError("no address")


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


def _exchange(connection: socket.socket, target: _Target, deadline: _Deadline, max_bytes: int) -> bytes:
    """One GET and the body of its answer; raises FetchRefused for any status but 200 and for a body too large."""
    import http.client

    client = http.client.HTTPConnection(target.host, target.port)
    client.sock = _DeadlineSocket(connection, deadline)
    headers = {
        "Host": target.authority,
        "User-Agent": "idp",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    try:
        client.request("GET", target.path, headers=headers)
        with client.getresponse() as response:
            if response.status != 200:
                raise FetchRefused(f"{target.host} answered with status {response.status}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise FetchRefused(f"{target.host} answered with an encoding that was not asked for")
            return _read_body(response, target.host, max_bytes)
    except (http.client.HTTPException, ValueError):
        raise FetchRefused(f"{target.host} does not answer as a web server does") from None


def _read_body(response: http.client.HTTPResponse, host: str, max_bytes: int) -> bytes:
    announced = response.length
    body = bytearray()
    while chunk := response.read(min(_CHUNK, max_bytes + 1 - len(body))):
        body += chunk
        if len(body) > max_bytes:
            raise FetchRefused(f"{host} answered with more than {max_bytes} bytes")
    if announced is not None and len(body) != announced:
        raise FetchRefused(f"{host} broke off in the middle of its answer")
    return bytes(body)


def _load_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise FetchRefused("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise FetchRefused("the answer is not a JSON object")
    return value
