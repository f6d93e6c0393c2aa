"""The pool of the hot path: nobody waits for ever."""

import asyncio
from time import monotonic

import asyncpg
import pytest

from app.db.pool import PatientPool


async def _keep(_connection: asyncpg.Connection) -> None:
    """Leaves a connection as it is."""


async def test_waiting_for_a_connection_that_is_never_free_ends(dsn: str) -> None:
    pool = PatientPool(
        dsn, least=1, most=1, patience=0.3, command_timeout=0.2, reset=_keep, server_settings={"lock_timeout": "100ms"}
    )
    async with pool, pool.acquire():
        began = monotonic()
        with pytest.raises(TimeoutError):
            await pool.fetchval("SELECT 1")
        assert 0.3 <= monotonic() - began < 1


async def test_a_statement_that_was_given_up_leaves_a_usable_connection(dsn: str) -> None:
    pool = PatientPool(
        dsn, least=1, most=1, patience=2.0, command_timeout=0.2, reset=_keep, server_settings={"lock_timeout": "100ms"}
    )
    async with pool:
        backend = await pool.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(TimeoutError):
            await pool.execute("SELECT pg_sleep(30)")
        assert await pool.fetchval("SELECT pg_backend_pid()") == backend


async def test_a_connection_that_is_not_free_in_time_is_dropped(dsn: str) -> None:
    async def never(_connection: asyncpg.Connection) -> None:
        await asyncio.sleep(30)

    pool = PatientPool(dsn, least=1, most=1, patience=0.3, command_timeout=0.2, reset=never, server_settings={})
    async with pool:
        async with pool.acquire(timeout=5) as connection:
            first = await connection.fetchval("SELECT pg_backend_pid()")
            connection.terminate()
        async with pool.acquire() as connection:
            second = await connection.fetchval("SELECT pg_backend_pid()")
            connection.terminate()
    assert first != second
