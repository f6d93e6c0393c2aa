"""A receiver on loopback that answers what a test tells it to, byte for byte, and remembers what it was sent."""

import asyncio
import contextlib
import functools
import inspect
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
import uvloop

from app.delivery.client import DeliveryClient
from app.delivery.guard import Guard
from app.delivery.tls import tls_context
from app.delivery.url import Target, parse_url

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class Request:
    """What arrived, and on which of the server's connections (counted from 1)."""

    connection: int
    head: bytes
    body: bytes
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader

    def header(self, name: str) -> list[str]:
        """The values of a header, in the order in which they came."""
        pairs = (line.partition(": ") for line in self.head.decode("latin-1").split("\r\n")[1:])
        return [value for key, _, value in pairs if key.lower() == name]


Behaviour = Callable[[Request], Awaitable[None]]


@dataclass
class RudeServer:
    """Paths are made as they are needed: `says` raw bytes, `does` anything."""

    port: int = 0
    scheme: str = "http"
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    requests: list[Request] = field(default_factory=list)
    _behaviours: dict[bytes, Behaviour] = field(default_factory=dict)
    _read_body: dict[bytes, bool] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self.scheme = "https" if tls else "http"
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def does(self, behaviour: Behaviour, *, read_body: bool = True, host: str = "127.0.0.1") -> Target:
        """A target for which the behaviour is run once for every request."""
        path = f"/{len(self._behaviours)}".encode()
        self._behaviours[path] = behaviour
        self._read_body[path] = read_body
        return parse_url(f"{self.scheme}://{host}:{self.port}{path.decode()}")

    def says(self, *answers: bytes, then_close: bool = False, host: str = "127.0.0.1") -> Target:
        """A target that gives these answers in turn, the last one for ever."""
        left = list(answers)

        async def answer(request: Request) -> None:
            request.writer.write(left.pop(0) if len(left) > 1 else left[0])
            if then_close:
                await close(request)

        return self.does(answer, host=host)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        task = asyncio.get_running_loop().create_task(self._serve(self.connections, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while not writer.is_closing():
                    head = await reader.readuntil(b"\r\n\r\n")
                    request = Request(number, head, b"", writer, reader)
                    path = head.split(b" ", 2)[1]
                    if self._read_body[path]:
                        request.body = await reader.readexactly(int(request.header("content-length")[0]))
                    self.requests.append(request)
                    await self._behaviours[path](request)
        finally:
            self.open_now -= 1
            writer.transport.abort()


async def close(request: Request) -> None:
    """Send what was written, then hang up in the orderly way."""
    await request.writer.drain()
    request.writer.close()


async def reset(request: Request) -> None:
    """Hang up with a TCP reset."""
    raw: socket.socket = request.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.writer.transport.abort()


async def hang(_request: Request) -> None:
    """Say nothing."""
    await asyncio.sleep(3600)


def dripping(start: bytes, piece: bytes, seconds: float) -> Behaviour:
    """Say the start at once, then the piece again and again for ever."""

    async def drip(request: Request) -> None:
        request.writer.write(start)
        while not request.writer.is_closing():
            request.writer.write(piece)
            await request.writer.drain()
            await asyncio.sleep(seconds)

    return drip


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port of this machine that is taken, so that nobody else gets it, and that nothing listens on."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


def loopback_client(
    *, timeout: float = 3.0, tls: ssl.SSLContext | None = None, most: int = 500, idle: float = 30.0
) -> DeliveryClient:
    """A client that may deliver to this machine, with limits that a test can wait for."""
    return DeliveryClient(
        Guard(LOOPBACK),
        timeout=timeout,
        tls=tls or systems_authorities(),
        max_connections_per_host=most,
        idle_seconds=idle,
    )


@functools.cache
def systems_authorities() -> ssl.SSLContext:
    """What a client verifies with by default, read once: that takes longer than most tests."""
    return tls_context(verify=True)


def on_each_loop(story: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Run an async test on asyncio's loop and on uvloop's. It may ask for `rude`, a server, and `client`."""
    given = inspect.signature(story).parameters
    provided = {"rude", "client"} & given.keys()

    async def tell(arguments: dict[str, object]) -> None:
        rude, client = RudeServer(), loopback_client()
        await rude.start()
        try:
            offered: dict[str, object] = {"rude": rude, "client": client}
            await story(**{name: offered[name] for name in provided}, **arguments)
        finally:
            await client.close()
            await rude.stop()

    @functools.wraps(story)
    def test(new_loop: Callable[[], asyncio.AbstractEventLoop], **arguments: object) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(tell(arguments))

    kept = [parameter for name, parameter in given.items() if name not in provided]
    test.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD), *kept]
    )
    loops = [asyncio.new_event_loop, uvloop.new_event_loop]
    each: Callable[..., None] = pytest.mark.parametrize("new_loop", loops, ids=["asyncio", "uvloop"])(test)
    return each
