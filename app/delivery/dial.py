"""Opening a connection to a vetted address, directly or through a proxy, with TLS where the URL says so."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from time import perf_counter
from typing import Final

from app.delivery.addresses import Address
from app.delivery.connection import Connection
from app.delivery.exchange import Timings
from app.delivery.proxy import Proxy
from app.delivery.tls import Contexts, alert
from app.delivery.tunnel import DialFailed, open_tunnel
from app.delivery.url import Target

MOST_ADDRESSES_TRIED: Final = 4
_TLS_GOODBYE: Final = 1.0
"""Seconds that a receiver gets to answer the end of a TLS session."""
_NO_TLS: Final = "No TLS session with the receiver: it must speak TLS 1.2 or newer on this port."
_UNKNOWN_ISSUER: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's codes of a certificate that leads to no trusted authority."""
_NO_SOCKET: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class Opening:
    """How far the opening of a connection has come, and how long each part took, in seconds; None: it has not ended."""

    __slots__ = ("_connect", "_dns", "_last_at", "_tls")

    def __init__(self) -> None:
        self._dns: float | None = None
        self._connect: float | None = None
        self._tls: float | None = None
        self._last_at = perf_counter()

    def resolve(self) -> None:
        """The look-up of the name begins."""
        self._last_at = perf_counter()

    def resolved(self) -> None:
        """The name is known; connecting begins."""
        self._dns = self._lap()

    def connected(self) -> None:
        """There is a connection, be it the first that was tried or not; TLS begins, if there is any."""
        self._connect = (self._connect or 0.0) + self._lap()

    def secured(self) -> None:
        """The TLS session is there."""
        self._tls = self._lap()

    def timings(self) -> Timings:
        """What is known until now."""
        return Timings(False, self._dns, self._connect, self._tls)

    def _lap(self) -> float:
        now = perf_counter()
        lap, self._last_at = now - self._last_at, now
        return lap


class Dialer:
    """Opens connections, directly or through the operator's proxy. Belongs to one event loop."""

    def __init__(self, contexts: Contexts, proxy: Proxy | None) -> None:
        self._contexts = contexts
        self._proxy = proxy

    async def dial(
        self,
        target: Target,
        addresses: Sequence[Address],
        new_connection: Callable[[], Connection],
        deadline: float,
        opening: Opening,
    ) -> Connection:
        """Connect to the first of the addresses that answers; each has an equal share of the time up to `deadline`.

        `deadline` is a time of the running loop; `opening` is told how far it came. DialFailed if none answers. The
        receiver's name is what TLS asks for and verifies, whatever the address, and whoever carries it.
        """
        context = await self._context(target)
        loop = asyncio.get_running_loop()
        tried = addresses[:MOST_ADDRESSES_TRIED]
        failure = DialFailed("connect", "The endpoint's host has no address.")
        for index, address in enumerate(tried):
            now = loop.time()
            share = max(deadline - now, 0.0) / (len(tried) - index)
            try:
                async with asyncio.timeout_at(now + share):
                    if self._proxy is not None and self._proxy.carries(target.host, address):
                        return await self._connect_through(
                            self._proxy, target, address, context, new_connection, opening
                        )
                    return await _connect(target, address, context, new_connection, opening)
            except (OSError, ssl.SSLError, TimeoutError) as error:
                failure = _explain(error, target)
            except DialFailed as said:
                if said.reason == "sender":
                    raise  # The next address would fail like this one.
                failure = said
        raise failure

    async def _context(self, target: Target) -> ssl.SSLContext | None:
        if target.scheme == "http":
            return None
        try:
            return await self._contexts.of(target.tls)
        except (OSError, ValueError):  # ssl.SSLError is an OSError.
            raise DialFailed(
                "tls", "The endpoint's client certificate or authority cannot be used: set it again."
            ) from None

    async def _connect_through(
        self,
        proxy: Proxy,
        target: Target,
        address: Address,
        context: ssl.SSLContext | None,
        new_connection: Callable[[], Connection],
        opening: Opening,
    ) -> Connection:
        transport, tunnel = await open_tunnel(proxy, address, target.port, self._contexts.base)
        opening.connected()
        try:
            if context is not None:
                secured = await asyncio.get_running_loop().start_tls(
                    transport,
                    tunnel,
                    context,
                    server_hostname=target.host,
                    ssl_shutdown_timeout=_TLS_GOODBYE,
                )
                assert secured is not None  # it is, unless the transport was closed by us
                transport = secured
                opening.secured()
            if transport.is_closing() or not tunnel.is_clean():
                raise ConnectionResetError
        except BaseException:
            transport.abort()
            raise
        connection = new_connection()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        return connection


async def _connect(
    target: Target,
    address: Address,
    context: ssl.SSLContext | None,
    new_connection: Callable[[], Connection],
    opening: Opening,
) -> Connection:
    loop = asyncio.get_running_loop()
    if context is None:
        _, connection = await loop.create_connection(new_connection, str(address), target.port)
        opening.connected()
        return connection
    # First without TLS, so that each of the two has its own time.
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    plain = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        plain.setblocking(False)
        await loop.sock_connect(plain, (str(address), target.port))
        opening.connected()
        _, connection = await loop.create_connection(
            new_connection,
            sock=plain,
            ssl=context,
            server_hostname=target.host,
            ssl_shutdown_timeout=_TLS_GOODBYE,
        )
    except BaseException:
        plain.close()
        raise
    opening.secured()
    return connection


def _explain(error: OSError | TimeoutError, target: Target) -> DialFailed:
    """The failure in words that the endpoint's owner can act on; errors' own texts may name addresses."""
    match error:
        case ssl.SSLCertVerificationError():
            private = " If a private authority issued it, set that as the endpoint's authority."
            hint = private if error.verify_code in _UNKNOWN_ISSUER else ""
            return DialFailed("tls", f"The receiver's certificate is not trusted: {error.verify_message}.{hint}")
        case ssl.SSLError():
            return DialFailed("tls", alert(error) or _NO_TLS)
        case ConnectionRefusedError():
            return DialFailed("connect", "The receiver refused the connection: nothing listens on this port.")
        case ConnectionError() if target.scheme == "https":
            return DialFailed("tls", "The receiver closed the connection before TLS was set up.")
        case ConnectionError():
            return DialFailed("connect", "The receiver closed the connection while it was set up.")
        case OSError(errno=number) if number in _NO_SOCKET:
            return DialFailed("sender", "Postrider had no socket to spare; the receiver is not at fault.")
        case TimeoutError():
            return DialFailed("timeout", "The receiver could not be connected to in time.")
        case _:
            return DialFailed("connect", "There is no network route to the receiver.")
