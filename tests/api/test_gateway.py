"""What is around the application."""

import httpx
from fastapi import FastAPI
from loguru import logger

from app.db.session import Database
from tests import factories


async def test_a_bug_is_answered_in_the_shape_of_all_errors_and_logged_once(
    app: FastAPI, token: str, client: httpx.AsyncClient, database: Database
) -> None:
    application = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, application))["id"]
    # Nothing that we write does this.
    await database.pool.execute("UPDATE endpoints SET secrets = 'not sealed' WHERE id = $1", endpoint)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {token}", "x-request-id": "seen-again"}
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    async with httpx.AsyncClient(transport=transport, base_url=factories.API, headers=headers) as caller:
        answer = await caller.get(f"/app/{application}/endpoint/{endpoint}/secret")
    logger.remove(sink)
    assert answer.status_code == 500
    assert (answer.json()["code"], answer.json()["correlation_id"]) == ("internal_error", "seen-again")
    assert "SealBroken" not in answer.text
    assert [line.splitlines()[0] for line in lines] == ["a request failed: SealBroken", "request"]
