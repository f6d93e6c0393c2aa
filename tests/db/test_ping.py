"""Whether Postgres answers."""

import time

import asyncpg

from app.db.ping import postgres_answers


async def test_a_free_connection_answers_and_a_pool_without_one_is_given_up_in_time(dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        assert await postgres_answers(pool, 2.0) is True
        async with pool.acquire():
            started = time.perf_counter()
            assert await postgres_answers(pool, 0.2) is False
            assert 0.15 < time.perf_counter() - started < 1.5
        assert await postgres_answers(pool, 2.0) is True
