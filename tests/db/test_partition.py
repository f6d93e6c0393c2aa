"""Partitions: made ahead, by any process, at any time; and a row that comes before its partition is not refused."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import clock, ids
from app.db.message.model import MessageRow
from app.db.message.table import MessagesTable
from app.db.partition.table import ensure_partitions
from app.db.session import Database
from app.settings import Settings
from tests import factories

HISTORY: Final[dict[str, ids.Prefix]] = {"messages": "msg", "deliveries": "msg", "attempts": "atmpt"}
WEEKS: Final = 5
_CHILDREN: Final = """
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::regclass ORDER BY c.relname
"""


@pytest.fixture
async def own(empty_dsn: str, settings: Settings) -> AsyncIterator[Database]:
    """A database whose partitions are this test's."""
    opened = Database(settings.model_copy(update={"db_dsn": empty_dsn}))
    await opened.open()
    yield opened
    await opened.close()


async def _bounds(pool: asyncpg.Pool, table: str) -> dict[str, list[str]]:
    """The lower and upper bound of each partition but the default one."""
    rows = await pool.fetch(_CHILDREN, table)
    return {row["name"]: re.findall(r"'([^']*)'", row["bound"]) for row in rows if row["bound"] != "DEFAULT"}


async def _drop(pool: asyncpg.Pool, table: str) -> None:
    for name in await _bounds(pool, table):
        await pool.execute(f"DROP TABLE {name}")


def _monday(at: datetime) -> datetime:
    return (at - timedelta(days=at.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


async def _assert_same_floors(pool: asyncpg.Pool, times: list[datetime]) -> None:
    floors = await pool.fetch("SELECT floor_id('msg', at) AS id FROM unnest($1::timestamptz[]) AS t(at)", times)
    assert [row["id"] for row in floors] == [ids.floor_id("msg", at) for at in times]


_EDGES: Final = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2014, 5, 13, 16, 53, 19, 999_999, tzinfo=UTC),
    datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC),
    datetime(2014, 5, 13, 16, 53, 20, 3_999, tzinfo=UTC),
    datetime(2014, 5, 13, 16, 53, 20, 4_000, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2150, 6, 19, 23, 21, 35, 999_000, tzinfo=UTC),
    datetime(2150, 6, 20, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
]


async def test_the_smallest_id_of_a_time_is_the_same_in_postgres_and_in_python(database: Database) -> None:
    steps = [clock.now() + timedelta(milliseconds=1) * number for number in range(-500, 500)]
    days = [datetime(2014, 5, 14, tzinfo=UTC) + timedelta(days=37, microseconds=7919) * n for n in range(1200)]
    await _assert_same_floors(database.pool, [*_EDGES, *steps, *days])


_TIMES: Final = st.integers(-2_000_000_000_000, 10_000_000_000_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(times=st.lists(_TIMES, min_size=1, max_size=200))
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_smallest_id_is_the_same_for_any_time(database: Database, times: list[datetime]) -> None:
    await _assert_same_floors(database.pool, times)


async def test_partitions_are_this_week_and_the_four_that_follow_without_gaps(own: Database) -> None:
    for table, prefix in HISTORY.items():
        mondays = [_monday(clock.now()) + timedelta(weeks=week) for week in range(WEEKS + 1)]
        floors = [ids.floor_id(prefix, monday) for monday in mondays]
        assert await _bounds(own.pool, table) == {
            f"{table}_{monday:%Y%m%d}": [low, high]
            for monday, low, high in zip(mondays, floors, floors[1:], strict=False)
        }


async def test_making_partitions_again_makes_none(own: Database) -> None:
    before = [await _bounds(own.pool, table) for table in HISTORY]
    assert await ensure_partitions(own.pool) == 0
    assert [await _bounds(own.pool, table) for table in HISTORY] == before


async def test_of_four_processes_that_make_partitions_at_once_each_makes_what_the_others_did_not(
    own: Database,
) -> None:
    for table in HISTORY:
        await _drop(own.pool, table)
    made = await asyncio.gather(*(ensure_partitions(own.pool) for _ in range(4)))
    assert sum(made) == WEEKS * len(HISTORY)
    assert {len(await _bounds(own.pool, table)) for table in HISTORY} == {WEEKS}


async def test_who_reads_for_long_keeps_neither_the_other_tables_nor_other_readers_waiting(own: Database) -> None:
    for table in HISTORY:
        await _drop(own.pool, table)
    async with own.pool.acquire() as backup, backup.transaction():
        await backup.fetch("SELECT id FROM attempts")
        making = asyncio.create_task(ensure_partitions(own.pool))
        async with asyncio.timeout(2):
            # Locks what the other holds by now, and is waited for by it in turn.
            await asyncio.sleep(0.1)
            await backup.fetch("SELECT id FROM messages")
            assert await making < WEEKS * len(HISTORY)
        assert await _bounds(own.pool, "attempts") == {}
    assert len(await _bounds(own.pool, "deliveries")) == WEEKS
    await ensure_partitions(own.pool)
    assert {len(await _bounds(own.pool, table)) for table in HISTORY} == {WEEKS}


async def test_without_a_partition_rows_are_kept_and_move_into_it_once_it_is_made(own: Database) -> None:
    now, application, endpoint = clock.now(), ids.new_id("app"), ids.new_id("ep")
    for table in HISTORY:
        await _drop(own.pool, table)
    times = [now, _monday(now), _monday(now) + timedelta(weeks=6), _monday(now) - timedelta(milliseconds=4)]
    messages = [await factories.record_message(own.pool, application, at) for at in times]
    for message, at in zip(messages, times, strict=True):
        await factories.record_delivery(own.pool, application, message, endpoint)
        await factories.record_attempt(own.pool, application, message, endpoint, at)

    async def places(table: str) -> list[str]:
        rows = await own.pool.fetch(f"SELECT tableoid::regclass::text AS place FROM {table} ORDER BY 1")
        return [row["place"] for row in rows]

    for table in HISTORY:
        assert await places(table) == [f"{table}_default"] * 4
    assert await ensure_partitions(own.pool) == WEEKS * len(HISTORY)
    for table in HISTORY:
        week = f"{table}_{_monday(now):%Y%m%d}"
        assert sorted(await places(table)) == sorted([week, week, f"{table}_default", f"{table}_default"])
    kept = await own.pool.fetch("SELECT id, payload, created_at FROM messages ORDER BY id")
    expected = sorted(zip(messages, times, strict=True))
    assert [(row["id"], row["created_at"]) for row in kept] == expected
    assert {row["payload"] for row in kept} == {b'{"id":"in_1"}'}


async def test_a_new_partition_has_every_index_and_rule_of_its_table(own: Database) -> None:
    query = """
    SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING', '') FROM pg_index WHERE indrelid = $1::regclass
    UNION ALL
    SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'
    ORDER BY 1
    """
    for table in HISTORY:
        of_table = [row[0] for row in await own.pool.fetch(query, table)]
        assert len(of_table) >= 2
        for name in [*await _bounds(own.pool, table), f"{table}_default"]:
            assert [row[0] for row in await own.pool.fetch(query, name)] == of_table


def _scanned(plan: Any) -> set[str]:
    """The tables that a plan opens."""
    found = {plan["Relation Name"]} if "Relation Name" in plan else set()
    return found.union(*(_scanned(child) for child in plan.get("Plans", [])))


async def test_a_look_up_by_id_opens_one_partition(own: Database) -> None:
    application = ids.new_id("app")
    message = await factories.record_message(own.pool, application)
    place = await own.pool.fetchval("SELECT tableoid::regclass::text FROM messages WHERE id = $1", message)
    assert place == f"messages_{_monday(clock.now()):%Y%m%d}"
    statement = "SELECT * FROM messages WHERE id = $1 AND application_id = $2"
    explained = await own.pool.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", message, application)
    (plan,) = json.loads(explained)
    # Under a generic plan, which the hot path is told to use, others are listed as never executed.
    executed = [name for name in _scanned(plan["Plan"]) if _loops(plan["Plan"], name)]
    assert executed == [place]
    async with own.reading() as session:
        row = await MessagesTable(session).find(application, message)
    assert isinstance(row, MessageRow)
    assert row.id == message


def _loops(plan: Any, name: str) -> int:
    loops: int = plan["Actual Loops"] if plan.get("Relation Name") == name else 0
    return loops + sum(_loops(child, name) for child in plan.get("Plans", []))
