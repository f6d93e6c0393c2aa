"""What surrounds a run of the migrations: the database exists, one process at a time, and the partitions after it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from app.db.early_indexes import build_early

# An arbitrary number that is the same in every process of Postrider.
_LOCK: Final = 0x506F7374


@dataclass(frozen=True, slots=True)
class MigrationTurn:
    """The right to migrate now. `encrypted`: whether the connection to the server is."""

    connection: asyncpg.Connection
    encrypted: bool

    async def build_early(self, migrations: Iterable[Path], say: Callable[[str], None]) -> None:
        """Build the large indexes that those of them ask for that are not applied, without anybody having to wait."""
        await build_early(self.connection, migrations, say)

    async def ensure_partitions(self) -> None:
        """Create the partitions of the coming weeks."""
        await self.connection.execute("SELECT ensure_partitions()")


@asynccontextmanager
async def migration_turn(dsn: str) -> AsyncIterator[MigrationTurn]:
    """Create the database if it is missing, wait for this process's turn, and hold it for the block.

    Waiting is a loop of tries: a process that waited in a blocking lock would hold a snapshot, for which
    CREATE INDEX CONCURRENTLY of the process that migrates would wait in turn. Raises what asyncpg raises when the
    server cannot be reached.
    """
    connection = await _connect(dsn)
    try:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        encrypted = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        yield MigrationTurn(connection, bool(encrypted))
    finally:
        # The end of the session releases the lock.
        await connection.close(timeout=5)


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn, timeout=10)
    except asyncpg.InvalidCatalogNameError:
        await _create_database(dsn)
        return await asyncpg.connect(dsn, timeout=10)


async def _create_database(dsn: str) -> None:
    parts = urlsplit(dsn)
    name = unquote(parts.path.removeprefix("/")).replace('"', '""')
    server = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")), timeout=10)
    try:
        await server.execute(f'CREATE DATABASE "{name}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        # Another process was first; the second error is how Postgres reports that race.
        pass
    finally:
        await server.close(timeout=5)
