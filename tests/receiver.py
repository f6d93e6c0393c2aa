"""A receiver on loopback that keeps what arrives and answers as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Arrival:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"


@dataclass
class Answer:
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # Seconds before the answer.
    after: float = 0.0


@dataclass
class Receiver:
    """`answer` decides on each arrival; `arrivals` are in the order in which they came."""

    url: str
    arrivals: list[Arrival] = field(default_factory=list)
    answer: Callable[[Arrival], Answer] = lambda _arrival: Answer()
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, count: int, seconds: float = 10.0) -> list[Arrival]:
        """The arrivals, once there are so many. TimeoutError if there never are."""
        async with asyncio.timeout(seconds):
            while len(self.arrivals) < count:
                self._news.clear()
                await self._news.wait()
        return self.arrivals

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode("latin-1").split("\r\n")[:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                method, path, _ = request.split(" ")
                arrival = Arrival(path, headers, body, method)
                self.arrivals.append(arrival)
                self._news.set()
                answer = self.answer(arrival)
                await asyncio.sleep(answer.after)
                extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
                length = "" if answer.status == 204 else f"content-length: {len(answer.body)}\r\n"
                writer.write(f"HTTP/1.1 {answer.status} x\r\n{length}{extra}\r\n".encode() + answer.body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that runs until the end of the block."""
    receiver = Receiver("")
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver._serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
