"""Where a delivery may go: names are resolved, every answer is vetted, and only vetted addresses are dialled.

There is no check of names: whatever a name is called, and however often its records change, what counts is the address
that is about to be connected to.
"""

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Final

from app.delivery.addresses import Address, Network, is_permitted

AddressInfo = tuple[int, int, int, str, tuple[str | int | bytes, ...]]
"""One row of `socket.getaddrinfo`."""
Resolver = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]

CACHE_SECONDS: Final = 5.0
"""How long vetted answers are used again. Short, because a record's own time to live is not known here."""
CACHE_SIZE: Final = 4096
MOST_ADDRESSES: Final = 64
"""Answers of one name that are looked at; a name with more is refused rather than vetted in part."""
_THREADS: Final = 64


class BlockedAddress(Exception):
    """The name or literal leads to an address that is neither public nor allowed. The text tells no address."""


class ResolutionFailed(Exception):
    """The name has no address now. The text is for the endpoint's owner."""


class SystemResolver:
    """`socket.getaddrinfo` in threads of its own, so that names that never answer cannot use up anyone else's.

    Attempts at the same name share one look-up, which goes on when an attempt's time is over: threads cannot be
    interrupted, and without sharing one dead name would soon hold all of them.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")
        self._running: dict[tuple[str, int], asyncio.Future[Sequence[AddressInfo]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        key = (host, port)
        running = self._running.get(key)
        if running is None:
            running = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
            self._running[key] = running
            running.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(running)

    def close(self) -> None:
        """Ends the idle threads, and the others as soon as their look-ups end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget(self, key: tuple[str, int], done: asyncio.Future[Sequence[AddressInfo]]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # whoever waited has seen it; when nobody waits any more it is not worth a warning


def _look_up(host: str, port: int) -> Sequence[AddressInfo]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


class Guard:
    """Resolves and vets. `allowed` are networks that may be delivered to although they are not public."""

    def __init__(
        self,
        allowed: Sequence[Network],
        resolver: Resolver | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolver: Resolver = resolver or SystemResolver()
        self._clock = clock
        self._vetted: OrderedDict[str, tuple[float, list[Address]]] = OrderedDict()

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a name or literal, in the resolver's order, each vetted.

        BlockedAddress if any of them is forbidden: with one public answer among private ones, which one is dialled
        would be chance. ResolutionFailed if there is none. Takes as long as the resolver: give it a deadline.
        """
        literal = _literal(host)
        if literal is not None:
            return self._vet([literal])
        known = self._vetted.get(host)
        if known is not None and self._clock() < known[0]:
            return known[1]
        addresses = self._vet(await self._look_up(host, port))
        self._vetted[host] = (self._clock() + CACHE_SECONDS, addresses)
        self._vetted.move_to_end(host)
        if len(self._vetted) > CACHE_SIZE:
            self._vetted.popitem(last=False)
        return addresses

    def close(self) -> None:
        """Ends the look-ups' threads."""
        if isinstance(self._resolver, SystemResolver):
            self._resolver.close()

    async def _look_up(self, host: str, port: int) -> list[Address]:
        try:
            answers = await self._resolver(host, port)
        except (OSError, UnicodeError):
            # UnicodeError: the standard library encodes names with its own IDNA codec, which raises it for odd labels.
            raise ResolutionFailed("The endpoint's host name does not resolve: check its DNS records.") from None
        addresses = list(dict.fromkeys(_address(answer) for answer in answers))
        if not addresses:
            raise ResolutionFailed("The endpoint's host name has no address: check its DNS records.")
        return addresses

    def _vet(self, addresses: list[Address]) -> list[Address]:
        if len(addresses) > MOST_ADDRESSES or not all(is_permitted(one, self._allowed) for one in addresses):
            raise BlockedAddress(
                "The endpoint's host does not lead to a public address, so nothing was sent. The operator can allow "
                "networks that are not public with POSTRIDER_WHITELIST_SUBNETS."
            )
        return addresses


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _address(answer: AddressInfo) -> Address:
    """The address of a resolver's row; its zone, if it has one, stays on it and makes it refused."""
    return ip_address(str(answer[4][0]))
