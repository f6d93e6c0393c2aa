"""Opening a connection to a vetted address, with TLS where the URL says so."""

import asyncio
import errno
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from app.delivery.addresses import Address
from app.delivery.connection import Connection
from app.delivery.outcome import UnreachableReason
from app.delivery.url import Target

MOST_ADDRESSES_TRIED: Final = 4
_TLS_GOODBYE: Final = 1.0
"""Seconds that a receiver gets to answer the end of a TLS session."""
_NO_SOCKET: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


class DialFailed(Exception):
    """No address could be connected to; says why, for the last one that was tried."""

    def __init__(self, reason: UnreachableReason, detail: str) -> None:
        self.reason: UnreachableReason = reason
        self.detail = detail
        super().__init__(detail)


def tls_context(*, verify: bool) -> ssl.SSLContext:
    """TLS 1.2 or newer with the system's authorities; certificate and host name are verified unless told otherwise."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def dial(
    target: Target,
    addresses: Sequence[Address],
    context: ssl.SSLContext,
    new_connection: Callable[[], Connection],
    deadline: float,
) -> Connection:
    """Connect to the first of the addresses that answers; each has an equal share of the time up to `deadline`.

    `deadline` is a time of the running loop. DialFailed if none answers. The receiver's name is what TLS asks for and
    verifies, whatever the address.
    """
    loop = asyncio.get_running_loop()
    tried = addresses[:MOST_ADDRESSES_TRIED]
    failure = DialFailed("connect", "The endpoint's host has no address.")
    for index, address in enumerate(tried):
        now = loop.time()
        share = max(deadline - now, 0.0) / (len(tried) - index)
        try:
            async with asyncio.timeout_at(now + share):
                return await _connect(loop, target, address, context, new_connection)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            failure = _explain(error, target)
    raise failure


async def _connect(
    loop: asyncio.AbstractEventLoop,
    target: Target,
    address: Address,
    context: ssl.SSLContext,
    new_connection: Callable[[], Connection],
) -> Connection:
    if target.scheme == "http":
        _, connection = await loop.create_connection(new_connection, str(address), target.port)
    else:
        _, connection = await loop.create_connection(
            new_connection,
            str(address),
            target.port,
            ssl=context,
            server_hostname=target.host,
            ssl_shutdown_timeout=_TLS_GOODBYE,
        )
    return connection


def _explain(error: OSError | TimeoutError, target: Target) -> DialFailed:
    """The failure in words that the endpoint's owner can act on; errors' own texts may name addresses."""
    match error:
        case ssl.SSLCertVerificationError():
            return DialFailed("tls", f"The receiver's certificate is not trusted: {error.verify_message}.")
        case ssl.SSLError():
            return DialFailed("tls", "No TLS session with the receiver: it must speak TLS 1.2 or newer on this port.")
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
