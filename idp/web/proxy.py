"""The address of the person or client: the connection's own, or the forwarded one when a trusted proxy says so.

Only `X-Forwarded-For` is read, from right to left, past the proxies that are trusted; host and scheme never come from a
request, because the issuer says them.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from idp.settings import ConfigurationError

Network = IPv4Network | IPv6Network


def load_networks(trusted: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and CIDR networks; ConfigurationError names a wrong one."""
    networks: list[Network] = []
    for text in trusted:
        try:
            networks.append(ip_network(text, strict=False))
        except ValueError:
            raise ConfigurationError([f"IDP_TRUSTED_PROXIES: {text} is not an address or a network."]) from None
    return tuple(networks)


def client_address(environ: dict[str, Any], trusted: Sequence[Network]) -> str:
    """The last address that no trusted proxy vouches away."""
    peer = str(environ.get("REMOTE_ADDR") or "unknown")
    if not trusted and ":" not in peer:
        return peer
    address = str(_parse(peer) or peer)
    if not trusted or not _is_trusted(address, trusted):
        return address
    forwarded = [part.strip() for part in str(environ.get("HTTP_X_FORWARDED_FOR", "")).split(",") if part.strip()]
    for hop in reversed(forwarded):
        parsed = _parse(hop)
        if parsed is None:
            return address
        address = str(parsed)
        if not _is_trusted(hop, trusted):
            return address
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parse(address: str) -> Any:
    """The address, IPv4 also when written as IPv6; None for anything else, zone ids included."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if parsed.version == 6 and parsed.scope_id is not None:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
