"""Keeps the suite off the network: an audit hook sees every connection and look-up that Python code makes."""

import ipaddress
import socket
import sys
from typing import Any, Final

import pycares

# Where something tried to connect to, since this was last cleared.
attempts: Final[list[str]] = []

_LOCAL_NAMES: Final = frozenset({"", "localhost", "ip6-localhost", "ip6-loopback", socket.gethostname()})


def guard() -> None:
    """Refuse, from now on and in this process, what leaves the machine. A hook cannot be taken away again."""
    sys.addaudithook(_refuse)
    _ask_no_name_server()


def _ask_no_name_server() -> None:
    """c-ares has sockets of its own, which the hook does not see: those who name no server ask a closed port."""
    make = pycares.Channel.__init__

    def make_for_loopback(channel: pycares.Channel, **options: Any) -> None:
        make(channel, **{**options, "servers": options.get("servers") or ["127.0.0.1:1"]})

    pycares.Channel.__init__ = make_for_loopback  # type: ignore[method-assign, assignment]


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        if isinstance(address, tuple) and not is_loopback(str(address[0])):
            attempts.append(f"{event} {address}")
            raise ConnectionRefusedError(f"the test suite may reach loopback only, not {address}")
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if name not in _LOCAL_NAMES and not _is_literal(name):
            # As on a machine without a name server.
            raise socket.gaierror(socket.EAI_NONAME, f"the test suite looks no name up: {name}")


def is_loopback(host: str) -> bool:
    """Whether a name or an address, as a program passed it to a socket, is this machine."""
    if host in _LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    # An unspecified address is what a listener's own address looks like; connecting to it reaches this machine.
    return (mapped or address).is_loopback or (mapped or address).is_unspecified


def _is_literal(name: str) -> bool:
    """Whether the resolver needs nobody's help with it: every spelling of an IPv4 address, and IPv6."""
    try:
        socket.inet_aton(name)
    except (OSError, ValueError):
        return ":" in name
    return True
