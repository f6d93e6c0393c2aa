"""Sending to an endpoint again from its page: estimated, confirmed, watched."""

import html
import re
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from app import clock
from app.db.session import Database
from tests import factories
from tests.factories import Json
from tests.web.browsing import Operator, read, signed_in


@pytest.fixture
async def operator(app: FastAPI, token: str) -> Operator:
    return await signed_in(app, token)


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


@pytest.fixture
async def endpoint(client: httpx.AsyncClient, application: str) -> str:
    """Its path."""
    made = await factories.create_endpoint(client, application)
    return f"/app/{application}/endpoint/{made['id']}"


async def kept(client: httpx.AsyncClient, path: str) -> Json:
    found: Json = (await client.get(path)).json()
    return found


def hidden_fields(page: str) -> dict[str, str | list[str]]:
    """What the form of an estimate carries."""
    form = page[page.index('<h2 id="estimate"') :]
    found: dict[str, str | list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form):
        values = found.setdefault(name, [])
        assert isinstance(values, list)
        values.append(html.unescape(value))
    del found["csrf"]
    return found


async def test_what_is_sent_again_is_estimated_confirmed_and_watched(
    operator: Operator, client: httpx.AsyncClient, database: Database, application: str, endpoint: str
) -> None:
    key = endpoint.rpartition("/")[2]
    for _ in range(3):
        message = await factories.record_message(database.pool, application)
        await factories.record_delivery(database.pool, application, message, key, 2)
    answer = await operator.get(f"{endpoint}/replay/estimate?operation=recover&span=1h")
    assert "3 messages would be tried once more" in read(answer)
    fields = hidden_fields(answer.text)
    assert (await kept(client, f"{endpoint}/replay"))["data"] == []
    path = await operator.done(f"{endpoint}/replay", fields)
    assert "Recover running Queued to be sent 0" in await operator.page(path)
    part = await operator.get(path, **{"hx-request": "true"})
    assert 'hx-trigger="every 1s"' in part.text
    assert "<html" not in part.text
    # Halfway, and then done: it asks no more.
    since = clock.now() - timedelta(minutes=30)
    await database.pool.execute(
        """UPDATE background_tasks SET data = '{"messagesSent": 2}', cursor = jsonb_build_object('after', $2::text)
           WHERE id = $1""",
        *(path.rpartition("/")[2], factories.id_at("msg", since)),
    )
    assert "50 % of the time" in await operator.page(path)
    await database.pool.execute(
        "UPDATE background_tasks SET status = 'finished' WHERE id = $1", path.rpartition("/")[2]
    )
    part = await operator.get(path, **{"hx-request": "true"})
    assert ("hx-trigger" in part.text, "Queued to be sent 2" in read(part)) == (False, True)
    assert "2 sent again" in await operator.page(f"{endpoint}/replay")


async def test_filters_of_a_replay_are_those_that_were_estimated(
    operator: Operator, database: Database, endpoint: str
) -> None:
    query = (
        "operation=bulk-replay&span=&since=2026-11-20T08:00&until=2026-11-20T09:30"
        "&event_types=a.b, c.d&channel=c1&tag=t1&status=2&status_code_class=500"
    )
    answer = await operator.get(f"{endpoint}/replay/estimate?{query}")
    path = await operator.done(f"{endpoint}/replay", hidden_fields(answer.text))
    row = await database.pool.fetchval(
        "SELECT arguments::text FROM background_tasks WHERE id = $1", path.rpartition("/")[2]
    )
    for text in (
        '["a.b", "c.d"]',
        '"c1"',
        '"t1"',
        '"status": 2',
        '"status_code_class": 500',
        "2026-11-20T08:00:00",
        "2026-11-20T09:30:00",
    ):
        assert text in row


async def test_pending_deliveries_are_called_off(
    operator: Operator, client: httpx.AsyncClient, database: Database, application: str, endpoint: str
) -> None:
    message = await factories.record_message(database.pool, application)
    await factories.queue_delivery(
        database.pool, application, message, endpoint.rpartition("/")[2], clock.now() + timedelta(hours=1)
    )
    answer = await operator.get(f"{endpoint}/replay/estimate?operation=cancel-msgs&span=24h")
    assert "1 message would be called off" in read(answer)
    assert await operator.done(f"{endpoint}/replay", hidden_fields(answer.text)) == f"{endpoint}/replay"
    assert "Call off" in await operator.page(f"{endpoint}/replay")
    assert [task["task"] for task in (await kept(client, f"{endpoint}/replay"))["data"]] == ["endpoint.cancel"]


@pytest.mark.parametrize(
    "query",
    [
        "operation=recover&span=",
        "operation=recover&span=&since=never",
        # In UTC it would be before the year 1.
        "operation=recover&span=&since=0001-01-01T00:00%2B14:00",
        "operation=x&span=1h",
        "",
    ],
)
async def test_a_replay_that_makes_no_sense_is_asked_for_again(operator: Operator, endpoint: str, query: str) -> None:
    answer = await operator.get(f"{endpoint}/replay/estimate?{query}")
    assert answer.status_code == 422
    assert "Show how much it is" in read(answer)
