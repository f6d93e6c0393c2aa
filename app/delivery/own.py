"""Which addresses are this machine's own, although they may be public.

A firewall that keeps the world away from a database does not stand between the database and this process: what is sent
to the machine's own public address never leaves it.
"""

import socket
from functools import cache
from ipaddress import IPv4Address
from typing import Final

from app.delivery.addresses import Address

# Of RFC 5737: nobody's.
_NOBODYS: Final = IPv4Address("192.0.2.1")


def is_own(address: Address) -> bool:
    """Whether an interface of this machine (of this container, in one) has the address. Takes microseconds."""
    return _can_be_bound(address) and not _everything_can_be_bound()


@cache
def _everything_can_be_bound() -> bool:
    """Whether `ip_nonlocal_bind` is set, as routers and load balancers do: then binding tells nothing."""
    return _can_be_bound(_NOBODYS)


def _can_be_bound(address: Address) -> bool:
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
