"""Which IP addresses a delivery may be sent to.

The tables are written out because `ipaddress.is_global` differs between Python versions and calls several addresses
global that lead inside: on 3.11 among others multicast, `64:ff9b::/96` with a private address in it, and `fec0::/10`.
Source: the IANA registries of special-purpose IPv4 and IPv6 addresses (RFC 6890), read on 2026-11-21.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORBIDDEN_IPV4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; Alibaba's metadata is at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform, a public address that only its machines reach
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Everything outside of 2000::/3 is special; these are the special parts inside of it.
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
_FORBIDDEN_IPV6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3ffe::/16",
        "3fff::/20",
    )
)
# Through these the embedded IPv4 address is what is reached, so that its verdict is theirs.
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
# These are forbidden themselves; what they embed counts only when an operator allowed it.
_TUNNELS: Final = (
    IPv6Network("::/96"),  # IPv4-compatible
    IPv6Network("::ffff:0:0:0/96"),  # SIIT
    IPv6Network("64:ff9b:1::/48"),  # local NAT64
)
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


def is_permitted(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address is public, or in one of the allowed networks (by itself, or by the IPv4 address in it)."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    if _within(address, allowed):
        return True
    if isinstance(address, IPv4Address):
        return address.is_global and not _within(address, _FORBIDDEN_IPV4)
    if address in _MAPPED or address in _NAT64:
        return is_permitted(_low(address), allowed)
    embedded = _embedded(address)
    if embedded:
        return all(_within(one, allowed) for one in embedded)
    return address.is_global and address in _PUBLIC_IPV6 and not _within(address, _FORBIDDEN_IPV6)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _low(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses in an address of a tunnel or a translator: none if it is neither."""
    if address.teredo is not None:
        return address.teredo
    if address.sixtofour is not None:
        return (address.sixtofour,)
    is_isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    return (_low(address),) if is_isatap or _within(address, _TUNNELS) else ()
