"""What a process remembers of sources, for a moment."""

import asyncio

import httpx
from fastapi import FastAPI

from app.api.inbound.sources import Sources
from app.db.session import Database
from tests import factories


async def test_a_source_in_use_is_looked_up_anew_before_it_is_forgotten_so_that_nobody_waits_for_that(
    app: FastAPI, database: Database, client: httpx.AsyncClient, application: str
) -> None:
    source = await factories.create_source(client, applicationId=application)
    path, token = factories.ingest(client, f"/source/{source['id']}"), source["ingestUrl"].rpartition("/")[2]
    sources = Sources(database.pool, app.state.sealer, patience=5)
    assert sources.cached(token) is None
    assert await sources.find(token) is not None
    changed = await client.patch(path, json={"config": {"secret": "whsec_new", "otherSecrets": []}})
    changed.raise_for_status()
    async with asyncio.timeout(5):
        while True:
            found = sources.cached(token)
            assert found is not None, "forgotten, though it is in use"
            if found.config.secrets == ("whsec_new",):
                break
            await asyncio.sleep(0.02)
    (await client.delete(path)).raise_for_status()
    async with asyncio.timeout(5):
        while sources.cached(token) is not None:
            await asyncio.sleep(0.02)
    assert await sources.find(token) is None
