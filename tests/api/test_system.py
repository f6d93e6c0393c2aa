"""The system: what it says of the installation, and what of that only its operator is told."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app import __version__, ids, tokens
from app.db.session import Database
from app.db.shard.table import ShardLeases
from app.settings import Settings
from tests import factories


@pytest.fixture
async def operator(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    assert settings.jwt_secret is not None
    secret, algorithm = settings.jwt_secret.get_secret_value(), settings.jwt_algorithm
    token = tokens.issue(secret, algorithm, ids.DEFAULT_ORGANIZATION_ID)
    async with factories.client_of(app, token) as opened:
        yield opened


async def test_the_system_says_who_delivers_and_whether_its_servers_answer(
    operator: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    leases = ShardLeases(database.pool, factories.unique("worker"))
    await leases.beat(7)
    await leases.acquire({63})
    try:
        found = (await operator.get("/system")).json()
    finally:
        await leases.release_all()
        await leases.leave()
    assert found["version"] == __version__
    assert found["database"]["status"] == found["redis"]["status"] == "ok"
    assert found["database"]["milliseconds"] > 0
    assert found["workers"]["alive"] >= 1
    assert (found["workers"]["shards"], found["workers"]["owned"] >= 1) == (64, True)
    assert found["migrations"]["pending"] == []
    assert found["chores"]["weeksAhead"] == 4
    assert found["retention"]["historyDays"] == settings.retention_days
    installation = found["installation"]
    assert installation["databaseBytes"] > 1_000_000
    ours = [worker for worker in installation["workers"] if worker["name"] == leases.owner]
    assert [(worker["alive"], worker["inFlight"]) for worker in ours] == [(True, 7)]


async def test_what_is_of_all_organizations_together_is_for_the_operator(client: httpx.AsyncClient) -> None:
    found = (await client.get("/system")).json()
    assert (found["installation"], found["database"]["status"]) == (None, "ok")


async def test_the_system_says_that_redis_does_not_answer(
    settings: Settings, operator: httpx.AsyncClient, closed_port: int
) -> None:
    without = settings.model_copy(update={"redis_dsn": f"redis://127.0.0.1:{closed_port}/0"})
    token = operator.headers["authorization"].partition(" ")[2]
    async with factories.running(without) as alone, factories.client_of(alone, token) as client:
        found = (await client.get("/system")).json()
    assert found["redis"] == {"status": "error", "milliseconds": None}


async def test_a_portal_is_not_told_of_the_system(shop_portal: httpx.AsyncClient) -> None:
    assert (await shop_portal.get("/system")).status_code == 403
