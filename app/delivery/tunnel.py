"""A way through a proxy to one literal address: HTTP CONNECT (RFC 9110 §9.3.6) or SOCKS5 (RFC 1928, RFC 1929).

What goes wrong with the proxy itself is the operator's matter and has the reason `sender`, so that no receiver is held
to be broken for it; a proxy that says that the receiver cannot or may not be reached has the reason `connect`.
"""

import asyncio
import ssl
from base64 import b64encode
from ipaddress import IPv4Address
from typing import Final

from app.delivery.addresses import Address
from app.delivery.outcome import UnreachableReason
from app.delivery.proxy import Proxy

CONNECT_SECONDS: Final = 10.0
"""How long a proxy may take to accept a connection. What takes longer is its failure, not the receiver's."""
_MOST_HEAD_BYTES: Final = 16_384
_NOT_AT_FAULT: Final = "the receiver is not at fault. It is tried again; the operator can check POSTRIDER_PROXY_ADDR."
_UNREACHABLE: Final = f"Postrider's outbound proxy cannot be reached; {_NOT_AT_FAULT}"
_GONE: Final = f"Postrider's outbound proxy closed the connection; {_NOT_AT_FAULT}"
_JUNK: Final = f"Postrider's outbound proxy does not speak the protocol that is set; {_NOT_AT_FAULT}"
_CREDENTIALS: Final = f"Postrider's outbound proxy does not accept its credentials; {_NOT_AT_FAULT}"

_UNAUTHORIZED: Final = 407
_PROXY_COULD_NOT: Final = frozenset({502, 503, 504})

_SOCKS: Final = 5
_NO_AUTHENTICATION: Final = 0
_PASSWORD: Final = 2
_PASSWORD_VERSION: Final = 1
_CONNECT: Final = 1
_IPV4: Final = 1
_NAME: Final = 3
_IPV6: Final = 4
_NOT_ALLOWED: Final = 2
_SOCKS_REPLIES: Final = {
    3: "its network is unreachable",
    4: "its host is unreachable",
    5: "it refused the connection",
    6: "it did not answer in time",
    8: "the proxy does not support this kind of address",
}


class DialFailed(Exception):
    """No connection to the receiver; says why, for the last address that was tried."""

    def __init__(self, reason: UnreachableReason, detail: str) -> None:
        self.reason: UnreachableReason = reason
        self.detail = detail
        super().__init__(detail)


class Tunnel(asyncio.Protocol):
    """What the proxy says before the connection is the receiver's."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._over = False

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._news.set()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()

    def is_clean(self) -> bool:
        """Whether it is open and all that arrived was read: what follows is between us and the receiver."""
        return not (self._over or self._buffer)

    async def read(self, count: int) -> bytes:
        """So many bytes. DialFailed if the proxy hangs up before."""
        while len(self._buffer) < count:
            await self._more()
        return self._take(count)

    async def read_head(self) -> bytes:
        """The status line and headers of an HTTP answer. DialFailed if there is none."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise DialFailed("sender", _JUNK)
            await self._more()
        return self._take(end + 4)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self) -> None:
        if self._over:
            raise DialFailed("sender", _GONE)
        self._news.clear()
        await self._news.wait()

    def _end(self) -> None:
        self._over = True
        self._news.set()


async def open_tunnel(
    proxy: Proxy, address: Address, port: int, context: ssl.SSLContext
) -> tuple[asyncio.Transport, Tunnel]:
    """A connection that the proxy has made to that address and port. DialFailed if it has not.

    `context` is for TLS with the proxy, where its URL says so. Takes as long as the proxy: give it a deadline.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            transport, tunnel = await loop.create_connection(
                Tunnel, proxy.host, proxy.port, ssl=context if proxy.scheme == "https" else None
            )
    except (OSError, TimeoutError):
        raise DialFailed("sender", _UNREACHABLE) from None
    try:
        if proxy.scheme == "socks5":
            await _socks(proxy, address, port, transport, tunnel)
        else:
            await _connect(proxy, address, port, transport, tunnel)
    except BaseException:
        transport.abort()
        raise
    return transport, tunnel


async def _connect(proxy: Proxy, address: Address, port: int, transport: asyncio.Transport, tunnel: Tunnel) -> None:
    authority = f"{address}:{port}" if isinstance(address, IPv4Address) else f"[{address}]:{port}"
    credentials = ""
    if proxy.user is not None:
        encoded = b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        credentials = f"proxy-authorization: Basic {encoded}\r\n"
    transport.write(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{credentials}\r\n".encode())
    version, _, rest = (await tunnel.read_head()).partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise DialFailed("sender", _JUNK)
    status = int(rest[:3])
    if status == _UNAUTHORIZED:
        raise DialFailed("sender", _CREDENTIALS)
    if status in _PROXY_COULD_NOT:
        raise DialFailed("connect", f"The outbound proxy could not connect to the receiver (HTTP {status}).")
    if not 200 <= status < 300:
        raise DialFailed("connect", f"The outbound proxy refused to connect to the receiver (HTTP {status}).")


async def _socks(proxy: Proxy, address: Address, port: int, transport: asyncio.Transport, tunnel: Tunnel) -> None:
    method = _NO_AUTHENTICATION if proxy.user is None else _PASSWORD
    transport.write(bytes([_SOCKS, 1, method]))
    version, chosen = await tunnel.read(2)
    if version != _SOCKS:
        raise DialFailed("sender", _JUNK)
    if chosen != method:
        raise DialFailed("sender", _CREDENTIALS)
    if proxy.user is not None:
        user, password = proxy.user.encode(), proxy.password.encode()
        transport.write(bytes([_PASSWORD_VERSION, len(user)]) + user + bytes([len(password)]) + password)
        if (await tunnel.read(2))[1] != 0:
            raise DialFailed("sender", _CREDENTIALS)
    kind = _IPV4 if isinstance(address, IPv4Address) else _IPV6
    transport.write(bytes([_SOCKS, _CONNECT, 0, kind]) + address.packed + port.to_bytes(2, "big"))
    version, reply, _, bound = await tunnel.read(4)
    if version != _SOCKS:
        raise DialFailed("sender", _JUNK)
    if reply == _NOT_ALLOWED:
        raise DialFailed("connect", "The outbound proxy refused to connect to the receiver (SOCKS reply 2).")
    if reply != 0:
        why = _SOCKS_REPLIES.get(reply, f"SOCKS reply {reply}")
        raise DialFailed("connect", f"The outbound proxy could not connect to the receiver: {why}.")
    # The address that the proxy connects from, which nobody needs.
    length = {_IPV4: 4, _IPV6: 16}.get(bound) or (await tunnel.read(1))[0] if bound in {_IPV4, _NAME, _IPV6} else None
    if length is None:
        raise DialFailed("sender", _JUNK)
    await tunnel.read(length + 2)
