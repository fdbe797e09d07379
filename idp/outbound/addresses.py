"""Which addresses are public (RFC 6890 and its registries). Owns the special cases; asks no name server."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

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


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, for all that its registries say (RFC 6890)."""
    address = unwrapped(address)
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local)
        and address not in _CLOUD_METADATA
        and not any(address in network for network in _UNROUTABLE)
    )


def is_local(address: Address) -> bool:
    """Private or loopback: what the name of an allowed host may stand for. Metadata services are neither."""
    odd = address.is_link_local or address.is_multicast or address.is_unspecified
    return (address.is_private or address in _SHARED) and not odd and address not in _CLOUD_METADATA


def unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one where that is what the packets will reach (RFC 4291, RFC 6052)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
