"""Sources of type cron: one message for each time that they name, whoever looks and however often."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.api.source.schedule import next_run
from app.db.message.model import MessageRow
from app.db.session import Database
from app.receiving.record import unpack
from tests import factories
from tests.factories import INGEST, Json
from worker.scheduled import make_scheduled

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "then"),
    [
        ("* * * * *", NOON, NOON + timedelta(minutes=1)),
        ("* * * * *", NOON - timedelta(seconds=1), NOON),
        ("0 4 * * *", NOON, NOON + timedelta(hours=16)),
        ("*/5 9-17 * * MON-FRI", NOON, datetime(2026, 2, 2, 9, 0, tzinfo=UTC)),
        ("0 0 29 2 *", NOON, datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_schedule_names_the_next_time_in_utc(schedule: str, after: datetime, then: datetime) -> None:
    assert next_run(schedule, after) == then


@pytest.mark.parametrize(
    "schedule",
    ["", "* * * *", "* * * * * *", "60 * * * *", "@daily", "* * * * L/2", "0 0 30 2 *", "9" * 5000 + " * * * *"],
)
def test_a_schedule_that_cannot_be_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="the schedule"):
        next_run(schedule, NOON)


async def cron(client: httpx.AsyncClient, **fields: object) -> Json:
    config = {"schedule": "0 4 * * *", "payload": '{"task":"close"}'}
    return await factories.create_source(client, "cron", **{"config": config, **fields})


async def overdue(database: Database, source: Json, days: int = 1) -> None:
    """The source should have made messages for so many days, and nobody looked."""
    await database.pool.execute(
        "UPDATE sources SET next_run_at = next_run_at - make_interval(days => $2) WHERE id = $1", source["id"], days
    )


async def messages(database: Database, source: Json) -> list[MessageRow]:
    rows = await database.pool.fetch(
        "SELECT * FROM messages WHERE application_id = $1 ORDER BY id", source["applicationId"]
    )
    return [MessageRow(**dict(row)) for row in rows]


async def test_nothing_is_made_before_its_time(client: httpx.AsyncClient, database: Database) -> None:
    source = await cron(client)
    await make_scheduled(database.pool)
    assert await messages(database, source) == []


async def test_what_was_missed_is_made_once_however_many_look_at_once(
    client: httpx.AsyncClient, database: Database
) -> None:
    sources = [await cron(client) for _ in range(3)]
    endpoint = (await factories.create_endpoint(client, sources[0]["applicationId"]))["id"]
    for source in sources:
        await overdue(database, source, days=4)
    looks = await asyncio.gather(*(make_scheduled(database.pool) for _ in range(4)))
    assert sum(look.sources for look in looks) == 3
    assert set.union(*(look.shards for look in looks)) != set()
    (message,) = await messages(database, sources[0])
    assert (message.event_type, message.payload, message.source_id) == ("cron", b'{"task":"close"}', sources[0]["id"])
    assert all([len(await messages(database, source)) == 1 for source in sources])
    waiting = await database.pool.fetchval(
        "SELECT endpoint_id FROM pending_deliveries WHERE message_id = $1", message.id
    )
    assert waiting == endpoint
    ahead = await database.pool.fetchval("SELECT next_run_at > now() FROM sources WHERE id = $1", sources[0]["id"])
    assert ahead
    assert (await make_scheduled(database.pool)).sources == 0


async def test_one_occurrence_is_one_message_also_if_it_is_said_to_be_due_again(
    client: httpx.AsyncClient, database: Database
) -> None:
    source = await cron(client)
    for _ in range(2):
        await overdue(database, source)
        await make_scheduled(database.pool)
    assert len(await messages(database, source)) == 1


async def test_what_is_paused_or_deleted_makes_nothing(client: httpx.AsyncClient, database: Database) -> None:
    paused, deleted = await cron(client, paused=True), await cron(client)
    await overdue(database, deleted)
    await client.delete(f"{INGEST}/source/{deleted['id']}")
    await client.patch(f"{INGEST}/source/{paused['id']}", json={"config": {"schedule": "* * * * *"}})
    await overdue(database, paused)
    await make_scheduled(database.pool)
    assert await messages(database, paused) == await messages(database, deleted) == []
    await client.patch(f"{INGEST}/source/{paused['id']}", json={"paused": False})
    await overdue(database, paused)
    await make_scheduled(database.pool)
    assert len(await messages(database, paused)) == 1


async def test_a_change_of_something_else_loses_no_occurrence(client: httpx.AsyncClient, database: Database) -> None:
    source = await cron(client)
    await overdue(database, source)
    await client.patch(f"{INGEST}/source/{source['id']}", json={"name": "Renamed", "config": {"schedule": "0 4 * * *"}})
    await client.put(
        f"{INGEST}/source/{source['id']}",
        json={"name": "Again", "type": "cron", "config": {"schedule": "0 4 * * *", "payload": '{"task":"close"}'}},
    )
    await make_scheduled(database.pool)
    assert len(await messages(database, source)) == 1


async def test_a_payload_that_is_no_json_is_sent_as_it_is(client: httpx.AsyncClient, database: Database) -> None:
    config = {"schedule": "0 4 * * *", "payload": "close\nthe books", "contentType": "text/plain"}
    source = await cron(client, config=config)
    await overdue(database, source)
    await make_scheduled(database.pool)
    (message,) = await messages(database, source)
    assert message.payload == b'{"contentType":"text/plain","body":"close\\nthe books"}'
    assert message.received is not None
    received = unpack(message.received)
    assert (received.content_type, received.body) == ("text/plain", b"close\nthe books")
