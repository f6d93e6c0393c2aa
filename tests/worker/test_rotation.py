"""Deliveries while the main secret is replaced: each is signed, by workers that have the secrets of their step."""

import asyncio
from dataclasses import replace

import asyncpg
from standardwebhooks import Webhook

from app.db.sealed.rotation import reseal
from app.sealing import Sealer
from app.settings import Settings
from tests.receiver import Receiver
from tests.worker.stage import Stage, staged, until_done

OLD, NEW = "the main secret of the time before the rotation", "the main secret of the time after the rotation"
ENDPOINTS = 4


def with_secrets(settings: Settings, dsn: str, *secrets: str) -> Settings:
    return Settings.model_validate(settings.model_dump() | {"db_dsn": dsn, "main_secret": ",".join(secrets)})


async def rotate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        # One row at a time, so that there are deliveries between them.
        async for _ in reseal(connection, Sealer([NEW, OLD]), 1):
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_every_delivery_is_signed_while_the_main_secret_is_replaced(
    settings: Settings, empty_dsn: str, token: str, receiver: Receiver
) -> None:
    steps = [(OLD, NEW), (NEW, OLD), (NEW,)]
    async with staged(with_secrets(settings, empty_dsn, *steps[0]), token) as stage:
        made = [await stage.endpoint(f"{receiver.url}/{number}") for number in range(ENDPOINTS)]
        secrets = {f"/{number}": await secret_of(stage, endpoint) for number, endpoint in enumerate(made)}
        published: list[str] = []
        done = asyncio.Event()

        async def publish() -> None:
            while not done.is_set():
                for endpoint in made:
                    published.extend(await stage.publish(endpoint, 2))
                await asyncio.sleep(0.02)

        publishing = asyncio.create_task(publish())
        before = await stage.database.pool.fetch("SELECT id, revision FROM endpoints ORDER BY id")
        for number, known in enumerate(steps):
            serving = replace(stage, settings=with_secrets(settings, empty_dsn, *known))
            # A restarted worker has read nothing yet, and opens what is sealed anew.
            async with serving.draining(name=f"worker {number}"):
                if known == (NEW, OLD):
                    await rotate(empty_dsn)
                await receiver.wait_for(len(receiver.arrivals) + 4 * ENDPOINTS)
        done.set()
        await publishing
        async with replace(stage, settings=with_secrets(settings, empty_dsn, NEW)).draining(name="the last"):
            await until_done(stage)
        states = await stage.states()
        assert {states[message] for message in published} == {(0, 1)}
        assert await stage.database.pool.fetch("SELECT id, revision FROM endpoints ORDER BY id") == before
    assert len(receiver.arrivals) == len(published)
    for arrival in receiver.arrivals:
        Webhook(secrets[arrival.path]).verify(arrival.body, arrival.headers)


async def secret_of(stage: Stage, endpoint: str) -> str:
    return str((await stage.client.get(f"/app/{stage.application}/endpoint/{endpoint}/secret")).json()["key"])
