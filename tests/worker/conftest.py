"""A delivering runtime in this process, as the worker's bootstep runs it, and receivers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.db.session import Database
from app.db.shard.model import SHARDS
from app.settings import Settings
from tests.receiver import Receiver, receiving
from worker.runtime import Runtime

Rows = list[dict[str, Any]]


@contextmanager
def delivering(settings: Settings) -> Iterator[Runtime]:
    """A runtime that delivers until the end of the block."""
    runtime = Runtime(settings)
    runtime.start()
    try:
        yield runtime
    finally:
        runtime.stop()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture(scope="module")
def worker(settings: Settings) -> Iterator[Runtime]:
    """Delivers what is due in the tests' database, with quick retries: at once, then after a second.

    Of a module: tests of others would find that what they published is sent meanwhile.
    """
    with delivering(settings.model_copy(update={"retry_schedule": (0, 1), "worker_request_timeout": 2.0})) as runtime:
        yield runtime


@pytest.fixture
def ring(worker: Runtime) -> Callable[[], None]:
    """The doorbell, without Celery: everything is drained now."""
    return lambda: worker.ring(range(SHARDS))


async def eventually(database: Database, query: str, *arguments: object, seconds: float = 10.0) -> Rows:
    """The rows of a query, once there are any. TimeoutError if there never are."""
    async with asyncio.timeout(seconds):
        while not (rows := await database.pool.fetch(query, *arguments)):
            await asyncio.sleep(0.01)
    return [dict(row) for row in rows]
