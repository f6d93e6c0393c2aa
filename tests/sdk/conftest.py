"""A whole Postrider on loopback: the API behind uvicorn, a worker that delivers, a receiver, and their database."""

from collections.abc import AsyncIterator

import pytest

from app.db.shard.model import SHARDS
from app.settings import Settings
from tests.answers import answers_of
from tests.api.api_server import serve_api
from tests.receiver import receiving
from tests.sdk.stage import World, package_of
from tests.servers import Servers
from tests.worker.conftest import delivering

# So that a scenario that fails says what it compared.
pytest.register_assert_rewrite("tests.sdk.scenarios")


@pytest.fixture(scope="package")
async def world(servers: Servers, settings: Settings) -> AsyncIterator[World]:
    """What fails is tried once more, at once."""
    dsn = await servers.clone("postrider_sdk")
    ours = settings.model_copy(update={"db_dsn": dsn, "retry_schedule": (0,), "worker_request_timeout": 2.0})
    with serve_api(ours) as server, delivering(ours) as worker:
        answers, address = answers_of(server.application), f"http://127.0.0.1:{server.port}"
        async with receiving() as receiver, package_of(address, answers) as clients:
            yield World(ours, address, answers, receiver, lambda: worker.ring(range(SHARDS)), *clients)
    await servers.drop("postrider_sdk")
