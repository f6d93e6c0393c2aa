"""Where a delivery may go: names are resolved, every answer is vetted, and only vetted addresses are dialled.

There is no check of names: whatever a name is called, and however often its records change, what counts is the address
that is about to be connected to.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from app.delivery.addresses import Address, Network, is_permitted
from app.delivery.own import is_own
from app.delivery.resolver import AddressInfo, Resolver, SystemResolver

CACHE_SECONDS: Final = 5.0
"""How long vetted answers are used again. Short, because a record's own time to live is not known here."""
FAILURE_SECONDS: Final = 2.0
"""How long a name is not asked for again that had no permitted address: less than the first retry waits."""
CACHE_SIZE: Final = 4096
MOST_ADDRESSES: Final = 64
"""Answers of one name that are looked at; a name with more is refused rather than vetted in part."""
PUBLISHED_PORTS: Final = frozenset({80, 443})
"""Ports at which this machine's own public addresses may be delivered to: what it shows to the world in any case."""

# One text for all reasons: if names that exist inside gave another than names that do not, an endpoint could find out
# which do.
NOWHERE: Final = (
    "The URL's host does not lead to a public address, so nothing was sent: check its name and its DNS records. "
    "The operator can allow networks that are not public with POSTRIDER_WHITELIST_SUBNETS."
)


class NowhereToSend(Exception):
    """No address may be dialled. The text is for the endpoint's owner, and the same whatever the cause."""

    def __init__(self) -> None:
        super().__init__(NOWHERE)


class BlockedAddress(NowhereToSend):
    """The name or literal leads to an address that is neither public nor allowed."""


class ResolutionFailed(NowhereToSend):
    """The name has no address now, as far as its name servers say."""


@dataclass(frozen=True, slots=True)
class _Vetted:
    """What came of a look-up."""

    until: float
    addresses: list[Address]
    """Empty if none may be dialled."""
    is_own: bool
    """Whether one of them is this machine's, and public."""
    failure: type[NowhereToSend] | None = None


class Guard:
    """Resolves and vets. `allowed` are networks that may be delivered to although they are not public."""

    def __init__(
        self,
        allowed: Sequence[Network],
        resolver: Resolver | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[Address], bool] = is_own,
    ) -> None:
        """`own` says whether an address is this machine's."""
        self._allowed = tuple(allowed)
        self._resolver: Resolver = resolver or SystemResolver()
        self._clock = clock
        self._own = own
        self._vetted: OrderedDict[str, _Vetted] = OrderedDict()

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a name or literal, in the resolver's order, each vetted.

        BlockedAddress if any of them is forbidden: with one public answer among private ones, which one is dialled
        would be chance. ResolutionFailed if there is none. Takes as long as the resolver: give it a deadline.
        """
        literal = _literal(host)
        if literal is not None:
            vetted = self._vet([literal])
        else:
            known = self._vetted.get(host)
            vetted = known if known is not None and self._clock() < known.until else await self._ask(host, port)
        if vetted.failure is not None:
            raise vetted.failure
        if vetted.is_own and port not in PUBLISHED_PORTS:
            raise BlockedAddress
        return vetted.addresses

    def close(self) -> None:
        """Gives up the look-ups under way."""
        if isinstance(self._resolver, SystemResolver):
            self._resolver.close()

    async def _ask(self, host: str, port: int) -> _Vetted:
        try:
            answers = await self._resolver(host, port)
        except (OSError, UnicodeError):  # UnicodeError: of resolvers that encode odd names themselves.
            answers = ()
        vetted = self._vet(list(dict.fromkeys(_address(answer) for answer in answers)))
        self._vetted[host] = vetted
        self._vetted.move_to_end(host)
        if len(self._vetted) > CACHE_SIZE:
            self._vetted.popitem(last=False)
        return vetted

    def _vet(self, addresses: list[Address]) -> _Vetted:
        now = self._clock()
        if not addresses:
            return _Vetted(now + FAILURE_SECONDS, [], False, ResolutionFailed)
        if len(addresses) > MOST_ADDRESSES or not all(is_permitted(one, self._allowed) for one in addresses):
            return _Vetted(now + FAILURE_SECONDS, [], False, BlockedAddress)
        return _Vetted(now + CACHE_SECONDS, addresses, any(self._is_own(one) for one in addresses))

    def _is_own(self, address: Address) -> bool:
        allowed = any(address in network for network in self._allowed)
        return not allowed and any(self._own(one) for one in _faces(address))


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _address(answer: AddressInfo) -> Address:
    """The address of a resolver's row; its zone, if it has one, stays on it and makes it refused."""
    return ip_address(str(answer[4][0]))


def _faces(address: Address) -> tuple[Address, ...]:
    """An address, and the IPv4 address that it may stand for."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (address,) if mapped is None else (address, mapped)
