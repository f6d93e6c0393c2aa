"""What may be the matter with Redis, each for the length of a block, and whether the workers listen to it again."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from redis.asyncio import Redis

from tests.faults.installation import Installation

State = Callable[[Installation], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def suspended(installation: Installation) -> AsyncIterator[None]:
    """It takes connections and says nothing, on those that it has, either."""
    installation.servers.valkey.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        installation.servers.valkey.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def gone(installation: Installation) -> AsyncIterator[None]:
    """Its port refuses connections; it comes back without its data."""
    await asyncio.to_thread(installation.servers.valkey.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(installation.servers.valkey.start)


@asynccontextmanager
async def silent(installation: Installation) -> AsyncIterator[None]:
    """A black hole: what is in its place takes connections, and never answers."""
    async with gone(installation):
        with _listening(installation, 1024):
            yield


@asynccontextmanager
async def deaf(installation: Installation) -> AsyncIterator[None]:
    """A black hole: connecting to it never ends, as its backlog is full."""
    async with gone(installation):
        with _listening(installation, 0) as address, contextlib.ExitStack() as stack:
            for _ in range(4):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(address)
            yield


@asynccontextmanager
async def full(installation: Installation) -> AsyncIterator[None]:
    """Its memory is used up, and nothing may be evicted: whatever writes is refused (OOM)."""
    async with _speaking_to(installation) as redis:
        await redis.config_set("maxmemory", 1)
        try:
            yield
        finally:
            await redis.config_set("maxmemory", 0)


@asynccontextmanager
async def read_only(installation: Installation) -> AsyncIterator[None]:
    """It became a replica, of a primary that does not answer: whatever writes is refused (READONLY)."""
    async with _speaking_to(installation) as redis:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            await redis.replicaof("127.0.0.1", nobody.getsockname()[1])
            try:
                yield
            finally:
                await redis.replicaof("NO", "ONE")


@asynccontextmanager
async def flushed(installation: Installation) -> AsyncIterator[None]:
    """It loses everything, ten times a second."""

    async def flush() -> None:
        async with _speaking_to(installation) as redis:
            while True:
                await redis.flushall()
                await asyncio.sleep(0.1)

    flushing = asyncio.create_task(flush())
    try:
        yield
    finally:
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)


@asynccontextmanager
async def restarted(installation: Installation) -> AsyncIterator[None]:
    """It was away for a moment."""
    async with gone(installation):
        pass
    yield


STATES: Final[tuple[State, ...]] = (suspended, gone, silent, deaf, full, read_only, flushed, restarted)


async def until_heard(installation: Installation, seconds: float) -> float:
    """Seconds until a wake-up is fetched that is sent now, or later. TimeoutError if that takes longer than allowed."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(seconds), _speaking_to(installation) as redis:
        while not any(client["cmd"] == "brpop" for client in await redis.client_list()):
            await asyncio.sleep(0.02)
        while await redis.llen("postrider:postrider"):
            await asyncio.sleep(0.02)
    return loop.time() - began


def _speaking_to(installation: Installation) -> Redis:
    return Redis.from_url(installation.servers.valkey.dsn)


@contextlib.contextmanager
def _listening(installation: Installation, backlog: int) -> Iterator[tuple[str, int]]:
    """A socket in the place of Redis that nobody accepts connections from."""
    parts = urlsplit(installation.servers.valkey.dsn)
    assert parts.hostname is not None
    assert parts.port is not None
    address = parts.hostname, parts.port
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
        yield address
