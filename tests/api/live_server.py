"""A real uvicorn server on loopback, with our protocols in front, for tests of what goes over the wire."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from app.http_connections import Limits
from app.http_direct import DirectProtocol
from app.http_guard import GuardedProtocol

LIMITS = Limits(header_timeout=0.4, body_timeout=0.6, idle_timeout=0.5)


class ImpatientProtocol(DirectProtocol):
    """The front of the API, with limits that a test can wait for."""

    @classmethod
    def limits_of_process(cls) -> Limits:
        return LIMITS


@contextmanager
def serve(
    app: ASGIApp, protocol: type[GuardedProtocol] = ImpatientProtocol, lifespan: Literal["on", "off"] = "off"
) -> Iterator[int]:
    """Serve the application from a thread; gives the port, at which it may not be ready yet."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        config = uvicorn.Config(app, http=protocol, loop="uvloop", lifespan=lifespan, log_config=None)
        server = uvicorn.Server(config)
        factory = config.get_loop_factory()

        def run() -> None:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(server.serve(sockets=[listener]))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
    assert not thread.is_alive(), "the server did not stop"
