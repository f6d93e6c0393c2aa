"""Health over HTTP."""

import asyncio
import time

import httpx
import pytest
from pydantic import SecretStr

from app.db.preflight import NotMigrated, WrongMainSecret
from app.settings import Settings
from tests import factories
from tests.servers import Servers

OK, ERROR = {"status": "ok"}, {"status": "error"}


async def test_health_needs_no_token_and_shows_every_part(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"database": OK, "queue": OK, "cache": OK})


async def test_a_head_request_gets_the_status_alone(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.head("/health")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_ping_is_answered_without_content(anonymous: httpx.AsyncClient, method: str) -> None:
    answer = await anonymous.request(method, "/health/ping")
    assert (answer.status_code, answer.content) == (204, b"")


async def test_without_redis_the_server_is_healthy_because_it_accepts_messages(
    settings: Settings, token: str, closed_port: int
) -> None:
    lonely = settings.model_copy(update={"redis_dsn": f"redis://127.0.0.1:{closed_port}/0"})
    async with factories.running(lonely) as app, factories.client_of(app, token) as client:
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()) == (200, {"database": OK, "queue": ERROR, "cache": ERROR})
        application = await factories.create_application(client)
        await factories.create_event_type(client)
        assert (await factories.publish(client, application["id"]))["id"].startswith("msg_")


async def test_a_redis_that_hangs_holds_nobody_up_and_a_crowd_asks_it_once(settings: Settings) -> None:
    asked = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        await asyncio.sleep(0.01)
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    hung = settings.model_copy(update={"redis_dsn": f"redis://127.0.0.1:{port}/0"})
    async with silent, factories.running(hung) as app, factories.client_of(app) as client:
        started = time.perf_counter()
        answers = await asyncio.gather(*(client.get("/health") for _ in range(50)))
        took = time.perf_counter() - started
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json()["queue"] == ERROR for answer in answers)
    assert asked == 1
    assert 0.4 < took < 5.0


async def test_without_the_database_the_server_is_not_healthy(settings: Settings, servers: Servers) -> None:
    dsn = await servers.clone("postrider_doomed")
    async with (
        factories.running(settings.model_copy(update={"db_dsn": dsn})) as app,
        factories.client_of(app) as client,
    ):
        assert (await client.get("/health")).status_code == 200
        await servers.drop("postrider_doomed")
        for method in ("GET", "HEAD", "GET"):
            assert (await client.request(method, "/health")).status_code == 500
        assert (await client.get("/health")).json() == {"database": ERROR, "queue": OK, "cache": OK}
        assert (await client.get("/health/ping")).status_code == 204


async def test_a_server_without_its_migrations_does_not_start_and_is_not_healthy_if_they_vanish(
    settings: Settings, empty_dsn: str
) -> None:
    own = settings.model_copy(update={"db_dsn": empty_dsn})
    async with factories.running(own) as app, factories.client_of(app) as client:
        await app.state.database.pool.execute("DROP TABLE schema_migrations")
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["database"]) == (500, ERROR)
    with pytest.raises(NotMigrated):
        async with factories.running(own):
            pass


async def test_a_server_with_another_main_secret_does_not_start(settings: Settings, empty_dsn: str) -> None:
    own = settings.model_copy(update={"db_dsn": empty_dsn})
    async with factories.running(own):
        pass
    with pytest.raises(WrongMainSecret):
        async with factories.running(own.model_copy(update={"main_secret": SecretStr("quite another secret")})):
            pass
