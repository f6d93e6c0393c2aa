"""Retention: whole weeks leave, what is still to be delivered stays, and nobody is kept waiting."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import pytest

from app import clock, ids, weeks
from app.db.partition.retention import Forgotten, forget_history, weeks_of_history
from app.db.partition.table import ensure_partitions
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.db.desk import Desk

WEEK: Final = timedelta(weeks=1)
TABLES: Final = ("messages", "deliveries", "attempts")


@pytest.fixture
async def own(empty_dsn: str, settings: Settings) -> AsyncIterator[Database]:
    """A database whose history is this test's."""
    opened = Database(settings.model_copy(update={"db_dsn": empty_dsn}))
    await opened.open()
    yield opened
    await opened.close()


async def _happened(pool: asyncpg.Pool, at: datetime, *, pending: bool = False, event_id: str | None = None) -> str:
    """A message of that time with a delivery and an attempt."""
    application, endpoint = ids.new_id("app"), ids.new_id("ep")
    message = await factories.record_message(pool, application, at, event_id=event_id)
    await factories.record_delivery(pool, application, message, endpoint, 1 if pending else 0)
    await factories.record_attempt(pool, application, message, endpoint, at)
    if pending:
        await factories.queue_delivery(pool, application, message, endpoint, clock.now() + timedelta(days=1), tries=1)
    return message


async def _make(pool: asyncpg.Pool, at: datetime) -> None:
    """The partitions of that week alone."""
    await pool.execute("SELECT ensure_partitions(0, $1)", at)


async def _count(pool: asyncpg.Pool, table: str) -> int:
    found: int = await pool.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_weeks_that_are_wholly_older_are_dropped_with_their_event_ids(own: Database) -> None:
    now = clock.now()
    this = weeks.week_of(now)
    before = weeks.beginning(this) - WEEK + timedelta(hours=1)
    for back in (3, 2, 1, 0):
        await _make(own.pool, now - back * WEEK)
        await _happened(own.pool, weeks.beginning(this) - back * WEEK + timedelta(minutes=1), event_id=f"e-{back}")
    forgotten = await forget_history(own.pool, before)
    assert forgotten == Forgotten(weeks=[this - 3 * WEEK, this - 2 * WEEK], event_ids=2)
    # The week in which `before` lies is not wholly older.
    assert [await _count(own.pool, table) for table in TABLES] == [2, 2, 2]
    left = await own.pool.fetch("SELECT event_id FROM message_event_ids ORDER BY 1")
    assert [row["event_id"] for row in left] == ["e-0", "e-1"]
    assert (await weeks_of_history(own.pool))[0] == this - WEEK
    assert await forget_history(own.pool, before) == Forgotten()


async def test_what_is_still_to_be_delivered_stays_until_it_has_ended(own: Database) -> None:
    at = clock.now() - 5 * WEEK
    await _make(own.pool, at)
    await _happened(own.pool, at, event_id="ended")
    kept = await _happened(own.pool, at, pending=True, event_id="kept")
    pending = await own.pool.fetch("SELECT * FROM pending_deliveries")
    forgotten = await forget_history(own.pool, clock.now())
    assert (forgotten.weeks, forgotten.kept, forgotten.rows) == ([weeks.week_of(at)], 1, 0)
    assert await own.pool.fetch("SELECT * FROM pending_deliveries") == pending
    row = await own.pool.fetchrow("SELECT id, payload, created_at FROM messages")
    assert dict(row) == {"id": kept, "payload": b'{"id":"in_1"}', "created_at": at}
    assert await own.pool.fetchval("SELECT message_id FROM deliveries WHERE state = 1") == kept
    assert await own.pool.fetchval("SELECT event_id FROM message_event_ids") == "kept"
    await own.pool.execute("DELETE FROM pending_deliveries")
    assert (await forget_history(own.pool, clock.now())).rows == 1
    assert [await _count(own.pool, table) for table in (*TABLES, "message_event_ids")] == [0, 0, 0, 0]


async def test_a_week_of_which_too_much_is_pending_stays_whole(own: Database) -> None:
    at = clock.now() - 5 * WEEK
    await _make(own.pool, at)
    await own.pool.execute(
        "INSERT INTO messages (id, application_id, event_type, payload) "
        "SELECT rpad($1, 31, '0') || n, 'app', 'invoice.paid', '{}' FROM generate_series(1, 10001) n",
        ids.floor_id("msg", at)[:20],
    )
    await own.pool.execute(
        "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard)"
        " SELECT id, 'ep', 'app', 0 FROM messages"
    )
    forgotten = await forget_history(own.pool, clock.now())
    assert (forgotten.weeks, forgotten.left) == ([], [weeks.week_of(at)])
    assert await _count(own.pool, "messages") == 10_001
    await own.pool.execute("DELETE FROM pending_deliveries WHERE message_id = (SELECT min(id) FROM messages)")
    assert (await forget_history(own.pool, clock.now())).kept == 10_000
    assert await _count(own.pool, "messages") == 10_000


async def test_rows_without_a_week_expire_too(own: Database) -> None:
    old, new = clock.now() - 60 * WEEK, clock.now() + 60 * WEEK
    for at in (old, new):
        await _happened(own.pool, at, event_id=f"e-{at:%Y}")
    places = await own.pool.fetch("SELECT DISTINCT tableoid::regclass::text AS place FROM messages")
    assert [row["place"] for row in places] == ["messages_default"]
    assert await forget_history(own.pool, clock.now()) == Forgotten(rows=2, event_ids=1)
    assert [await _count(own.pool, table) for table in (*TABLES, "message_event_ids")] == [1, 1, 1, 1]


async def test_who_reads_history_for_long_is_not_waited_for_and_keeps_nobody_waiting(own: Database) -> None:
    at = clock.now() - 5 * WEEK
    await _make(own.pool, at)
    await _happened(own.pool, at)
    async with own.pool.acquire() as backup, backup.transaction():
        await backup.fetch("SELECT id FROM messages")
        dropping = asyncio.create_task(forget_history(own.pool, clock.now(), tries=2))
        slowest = 0.0
        loop = asyncio.get_running_loop()
        while not dropping.done():
            began = loop.time()
            await factories.record_message(own.pool, ids.new_id("app"))
            slowest = max(slowest, loop.time() - began)
        assert (await dropping).left == [weeks.week_of(at)]
    assert slowest < 0.5
    assert (await forget_history(own.pool, clock.now())).weeks == [weeks.week_of(at)]


async def test_a_message_that_is_resent_while_its_week_is_dropped_is_either_kept_or_gone(own: Database) -> None:
    """In whichever order they come, what is in the queue has its message."""
    for back in range(6, 12):
        at = clock.now() - back * WEEK
        await _make(own.pool, at)
        message = await _happened(own.pool, at)

        async def resend(message: str = message) -> None:
            await own.pool.execute(
                "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard)"
                " SELECT id, 'ep', application_id, 0 FROM messages WHERE id = $1",
                message,
            )

        await asyncio.gather(forget_history(own.pool, clock.now() - 5 * WEEK), resend())
    orphans = await own.pool.fetchval(
        "SELECT count(*) FROM pending_deliveries p WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = p.message_id)"
    )
    assert orphans == 0


async def test_much_that_came_without_a_week_stays_there_and_the_following_weeks_are_made(own: Database) -> None:
    at = clock.now() + 30 * WEEK
    floor = ids.floor_id("msg", weeks.beginning(weeks.week_of(at)) + timedelta(days=1))[:20]
    await own.pool.execute(
        "INSERT INTO messages (id, application_id, event_type, payload) "
        "SELECT rpad($1, 31, '0') || n, 'app', 'invoice.paid', '{}' FROM generate_series(1, 20001) n",
        floor,
    )
    assert await ensure_partitions(own.pool, at) == 14
    made = await weeks_of_history(own.pool)
    assert {week - weeks.week_of(at) for week in made if week > weeks.week_of(at)} == {n * WEEK for n in (1, 2, 3, 4)}
    assert await own.pool.fetchval("SELECT to_regclass($1)", f"messages_{weeks.name(weeks.week_of(at))}") is None
    assert await _count(own.pool, "messages_default") == 20_001


_SIZE: Final = """
SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
WHERE relkind = 'r' AND relname ~ '^(messages|deliveries|attempts|message_event_ids)'
"""


async def test_at_a_steady_rate_the_size_stays_what_it_is(own: Database) -> None:
    """Six simulated weeks with a retention of ten days: from the third week on it neither grows nor shrinks."""
    start = datetime(2026, 1, 5, tzinfo=UTC)
    sizes, rows = [], []
    for day in range(42):
        now = start + timedelta(days=day)
        await _make(own.pool, now)
        await own.pool.execute(_DAY, now, 150)
        await forget_history(own.pool, now - timedelta(days=10))
        # As autovacuum does.
        await own.pool.execute("VACUUM message_event_ids")
        if day % 7 == 6:
            sizes.append(await own.pool.fetchval(_SIZE))
            rows.append([await _count(own.pool, table) for table in (*TABLES, "message_event_ids")])
    steady = slice(3, None)
    assert rows[steady] == [rows[-1]] * len(rows[steady])
    # Ten days, and what of the oldest week is not yet due: two weeks and the current one at most.
    assert rows[-1] == [150 * 14] * 4
    assert max(sizes[steady]) <= 1.05 * min(sizes[steady])
    assert len(await weeks_of_history(own.pool)) == 7


_DAY: Final = """
WITH input AS (
    SELECT left(floor_id('msg', $1::timestamptz + n * interval '4 minutes'), 24) || lpad(n::text, 7, '0') AS id,
           left(floor_id('atmpt', $1::timestamptz + n * interval '4 minutes'), 26) || lpad(n::text, 7, '0') AS other_id,
           to_char($1::timestamptz, 'YYYYMMDD') || n AS event_id
    FROM generate_series(1, $2::integer) n
), named AS (
    INSERT INTO message_event_ids SELECT 'app', event_id, id FROM input
), stored AS (
    INSERT INTO messages (id, application_id, event_type, event_id, payload)
    SELECT id, 'app', 'invoice.paid', event_id, convert_to(repeat('x', 200), 'UTF8') FROM input
), delivered AS (
    INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts)
    SELECT id, 'ep', 'app', 0, 1 FROM input
)
INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code, response,
                      response_duration_ms)
SELECT other_id, id, 'ep', 'app', 'http://127.0.0.1/', 0, 0, 200, 'ok', 3 FROM input
"""


async def test_publishing_goes_on_while_weeks_are_dropped(own: Database) -> None:
    old = [clock.now() - back * WEEK for back in range(6, 12)]
    for at in old:
        await _make(own.pool, at)
        await _happened(own.pool, at)
    desk = Desk(own.pool, "org", ids.new_id("app"))
    await own.pool.execute("INSERT INTO organizations (id) VALUES ('org')")
    await own.pool.execute(
        "INSERT INTO applications (id, organization_id, name, created_at, updated_at)"
        " VALUES ($1, 'org', 'Acme', now(), now())",
        desk.application,
    )
    dropping = asyncio.create_task(forget_history(own.pool, clock.now() - 5 * WEEK))
    published = 0
    while not dropping.done():
        assert await desk.publish(desk.new()) == ["Stored"]
        published += 1
    assert (await dropping).weeks == sorted(weeks.week_of(at) for at in old)
    assert published == len(await desk.stored())
