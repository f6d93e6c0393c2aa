"""The pool of the hot path's connections: asyncpg's, which alone waits for ever where Postgres says nothing at all."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg


class PatientPool(asyncpg.Pool):  # type: ignore[misc]  # asyncpg is not typed
    """Waits `patience` seconds for a free connection, and as long until one whose statement was given up is free again.

    TimeoutError after that; a connection that does not heed is dropped. A statement has `command_timeout` seconds.
    """

    def __init__(
        self,
        dsn: str,
        *,
        least: int,
        most: int,
        patience: float,
        command_timeout: float,
        reset: Callable[[asyncpg.Connection], Awaitable[None]],
        server_settings: dict[str, str],
    ) -> None:
        super().__init__(
            dsn,
            min_size=least,
            max_size=most,
            max_queries=50_000,
            max_inactive_connection_lifetime=300.0,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            loop=asyncio.get_running_loop(),
            reset=reset,
            command_timeout=command_timeout,
            timeout=patience,
            server_settings=server_settings,
        )
        self._patience = patience

    def acquire(self, *, timeout: float | None = None) -> Any:
        """As asyncpg's, with a time limit also where none is named; that of the release is the same."""
        return super().acquire(timeout=self._patience if timeout is None else timeout)
