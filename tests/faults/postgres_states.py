"""What may be the matter with Postgres: killed, frozen, its connections ended, a table locked."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import psutil

from app.cli.embedded import EmbeddedPostgres
from tests.faults.installation import Installation

_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def processes(postgres: EmbeddedPostgres) -> list[psutil.Process]:
    """The server and all that it has forked."""
    server = psutil.Process(postgres.process.pid)
    return [server, *server.children(recursive=True)]


def kill(postgres: EmbeddedPostgres) -> None:
    """SIGKILL for every process of it, all at once; it is down then."""
    all_of_it = processes(postgres)
    for process in all_of_it:
        process.send_signal(signal.SIGSTOP)
    for process in all_of_it:
        process.kill()
    psutil.wait_procs(all_of_it, timeout=5)
    postgres.process.wait()


@asynccontextmanager
async def frozen(postgres: EmbeddedPostgres) -> AsyncIterator[None]:
    """It answers nothing, on no connection, as behind a network that drops what is sent."""
    stopped = processes(postgres)
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()


async def end_connections(installation: Installation) -> int:
    """pg_terminate_backend of everybody; how many those were."""
    connection = await asyncpg.connect(installation.dsn)
    try:
        count: int = await connection.fetchval(_OTHERS)
    finally:
        await connection.close()
    return count


@asynccontextmanager
async def locked(installation: Installation, table: str) -> AsyncIterator[None]:
    """Nobody gets at a table."""
    connection = await asyncpg.connect(installation.dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await asyncio.wait_for(connection.close(), 5)
