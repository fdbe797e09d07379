"""Keeps the test process off the outside network: only loopback addresses and Unix sockets may be connected.

The refusal is deliberately not an OSError, which code under test may take for an ordinary network failure; and since
code under test may swallow it all the same, every refusal is also kept for the test's end. Programs that the tests
start, and libraries that connect from C (libpq), are outside its reach.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any


class OutsideNetworkRefused(RuntimeError):
    """Code under test tried to reach an address that is not on this machine."""

    def __init__(self, address: object) -> None:
        super().__init__(f"tests may only connect to this machine, not to {address!r}")


def is_local(host: object) -> bool:
    """Whether a host, as given to connect or getaddrinfo, is this machine: a loopback literal or a localhost name."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if not isinstance(name, str):
        return name is None  # getaddrinfo without a host means this machine
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name.lower().rstrip(".") == "localhost" or name.lower().rstrip(".").endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def install_guard(refused: list[str]) -> Callable[[], None]:
    """Guard this process from now on; each refusal is appended to ``refused``. The answer takes the guard off."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    getaddrinfo = socket.getaddrinfo

    def check_host(host: object) -> None:
        if not is_local(host):
            refused.append(repr(host))
            raise OutsideNetworkRefused(host)

    def check_address(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            sock.close()  # create_connection would do so for an OSError only
            check_host(address[0])

    def guarded_connect(self: socket.socket, address: Any) -> None:
        check_address(self, address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        check_address(self, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if not _is_literal(host):  # a literal is looked up nowhere; connecting to it is another matter
            check_host(host)
        return getaddrinfo(host, *arguments, **options)

    def remove() -> None:
        _replace(connect, connect_ex, getaddrinfo)

    _replace(guarded_connect, guarded_connect_ex, guarded_getaddrinfo)
    return remove


def _replace(connect: Any, connect_ex: Any, getaddrinfo: Any) -> None:
    for place, name, function in (
        (socket.socket, "connect", connect),
        (socket.socket, "connect_ex", connect_ex),
        (socket, "getaddrinfo", getaddrinfo),
    ):
        setattr(place, name, function)


def _is_literal(host: object) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return True
