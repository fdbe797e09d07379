"""Which URLs may be asked, and which addresses their hosts may stand for.

Owns the reading of a URL and the operator's list of what is allowed besides public https.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.outbound.addresses import Address, Network, is_local, is_public, unwrapped
from idp.outbound.refusals import FetchRefused

_PORTS = {"https": 443, "http": 80}
_URL = re.compile(r"[!-~]{1,2048}")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")


@dataclass(frozen=True, slots=True)
class Target:
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


def load_target(url: str) -> Target:
    """The parts of a URL that we would ask; raises FetchRefused for every other URL."""
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
    return Target(parts.scheme == "https", host.rstrip("."), port or _PORTS[parts.scheme], path)


class Allowed:
    """What the operator lets us reach although it is private, and over http too.

    An entry is ``host`` (any port), ``host:port``, or a network such as ``10.0.0.0/8``; raises ValueError for others.
    """

    def __init__(self, entries: Collection[str]) -> None:
        self._hosts: set[str] = set()
        self._networks: list[Network] = []
        for entry in (entry.strip().lower() for entry in entries):
            if "/" in entry:
                self._networks.append(ipaddress.ip_network(entry))
            elif not entry or not entry.isascii() or any(character in entry for character in " @?#"):
                raise ValueError(f"{entry!r} is neither a host, nor host:port, nor a network such as 10.0.0.0/8")
            else:
                self._hosts.add(entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry)

    def check_target(self, target: Target) -> None:
        """Raise FetchRefused when no address could make this target good, so that it need not be looked up."""
        if not (target.secure or self._names(target) or self._networks):
            raise FetchRefused(f"{target.host} may not be asked without TLS")

    def check_addresses(self, target: Target, addresses: Iterable[Address]) -> None:
        """Raise FetchRefused when one of the addresses of the target is out of bounds: all are refused with it."""
        by_name = self._names(target)
        for address in addresses:
            reached = unwrapped(address)
            by_network = any(reached in network for network in self._networks)
            if not (target.secure or by_name or by_network):
                raise FetchRefused(f"{target.host} may not be asked without TLS")
            if not (by_network or is_public(reached) or (by_name and is_local(reached))):
                raise FetchRefused(f"{target.host} stands for {address}, which is not a public address")

    def _names(self, target: Target) -> bool:
        host = f"[{target.host}]" if ":" in target.host else target.host
        return not self._hosts.isdisjoint({target.host, f"{host}:{target.port}"})
