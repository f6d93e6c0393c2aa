"""The operator's outbound proxy, and what is reached without it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final, Literal, cast
from urllib.parse import unquote, urlsplit

from app.delivery.addresses import Address, Network

Scheme = Literal["http", "https", "socks5"]

_LONGEST_SOCKS_CREDENTIAL: Final = 255
"""Bytes, RFC 1929 §2."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is asked to connect to literal addresses: names are looked up and vetted before it is asked."""

    scheme: Scheme
    host: str
    port: int
    user: str | None = field(repr=False, default=None)
    password: str = field(repr=False, default="")
    hosts: tuple[str, ...] = ()
    """Names that are reached without it, with all names below them; `*` is every name and address."""
    networks: tuple[Network, ...] = ()
    """Networks that are reached without it."""

    def carries(self, host: str, address: Address) -> bool:
        """Whether a connection to that address, for a URL with that host, goes through the proxy."""
        if "*" in self.hosts or any(host == name or host.endswith(f".{name}") for name in self.hosts):
            return False
        return not any(address in network for network in self.networks)


def parse_proxy(url: str, exceptions: Sequence[str] = ()) -> Proxy:
    """A proxy of a URL, `scheme://user:password@host:port`, with what is reached without it.

    Exceptions are names (`example.com`, `.example.com`, `*.example.com` all mean the name and those below it),
    addresses, networks (CIDR), or `*`. ValueError, without the URL, which may hold a password.
    """
    parts = urlsplit(url)
    scheme = "socks5" if parts.scheme == "socks5h" else parts.scheme
    if scheme not in {"http", "https", "socks5"} or not parts.hostname or not parts.port:
        raise ValueError("a proxy is http://, https:// or socks5://, with host and port")
    user = None if parts.username is None else unquote(parts.username)
    password = unquote(parts.password or "")
    if scheme == "socks5" and user is not None:
        lengths = [len(text.encode()) for text in (user, password)]
        if not all(1 <= length <= _LONGEST_SOCKS_CREDENTIAL for length in lengths):
            raise ValueError("user and password of a SOCKS5 proxy must have from 1 to 255 bytes each")
    names: list[str] = []
    networks: list[Network] = []
    for text in exceptions:
        try:
            networks.append(ip_network(text.strip("[]"), strict=False))
        except ValueError:
            names.append(text if text == "*" else text.lower().removeprefix("*").strip("."))
    return Proxy(
        cast("Scheme", scheme), parts.hostname, parts.port, user, password, tuple(filter(None, names)), tuple(networks)
    )
