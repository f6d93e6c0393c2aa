"""The rows that stand for months of history, and for a backlog, are like those of the product."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from app import clock, ids
from app.db.message.publish import _PUBLISH
from app.db.pending_delivery.recording import RECORD
from benchmarks.filling import Filling
from benchmarks.machine import describe
from benchmarks.statements import _name

_ROWS = 1_200


@pytest.fixture(scope="module")
async def dsn(servers: Any) -> AsyncIterator[str]:
    yield await servers.clone("postrider_filling")
    await servers.drop("postrider_filling")


@pytest.fixture(scope="module")
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A database with four applications of one endpoint each, 1,200 rows of history and as many that are due."""
    opened = await asyncpg.connect(dsn)
    organization, applications = ids.new_id("org"), [ids.new_id("app") for _ in range(4)]
    await opened.execute("INSERT INTO organizations (id) VALUES ($1)", organization)
    for application in applications:
        await opened.execute(
            "INSERT INTO applications (id, organization_id, name, created_at, updated_at) VALUES ($1, $2, '', $3, $3)",
            *(application, organization, clock.now()),
        )
        await opened.execute(
            "INSERT INTO endpoints (id, application_id, url, secrets, shard, created_at, updated_at)"
            " VALUES ($1, $2, 'http://r', '', 3, $3, $3)",
            *(ids.new_id("ep"), application, clock.now()),
        )
    filling, seen = Filling(dsn), list[int]()
    await filling.begin(applications)
    await filling.add_history(_ROWS, seen.append)
    await filling.add_backlog(_ROWS, seen.append)
    assert seen[-1] == _ROWS
    yield opened
    await opened.close()


async def test_ids_are_those_of_their_time(connection: asyncpg.Connection) -> None:
    rows = await connection.fetch("SELECT id, created_at FROM messages UNION ALL SELECT id, created_at FROM attempts")
    assert len(rows) == 3 * _ROWS
    assert len({row["id"] for row in rows}) == 3 * _ROWS
    for row in rows:
        assert ids.is_id(row["id"], "msg") or ids.is_id(row["id"], "atmpt")
        assert abs((ids.created_at(row["id"]) - row["created_at"]).total_seconds()) < 0.02


async def test_each_row_lies_in_the_partition_of_its_week(connection: asyncpg.Connection) -> None:
    for table in ("messages", "deliveries", "attempts"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}_default") == 0
    assert await connection.fetchval("SELECT count(DISTINCT tableoid) FROM attempts") >= 9


async def test_each_message_of_history_has_its_delivery_and_its_attempt(connection: asyncpg.Connection) -> None:
    complete = await connection.fetchval(
        "SELECT count(*) FROM messages m JOIN deliveries d ON d.message_id = m.id JOIN attempts a"
        " ON a.message_id = m.id AND a.endpoint_id = d.endpoint_id AND a.status = d.state"
    )
    assert complete == _ROWS


async def test_the_first_application_has_more_than_the_last(connection: asyncpg.Connection) -> None:
    counts = await connection.fetch("SELECT count(*) FROM attempts GROUP BY application_id ORDER BY 1")
    assert len(counts) == 4
    assert counts[-1][0] > 2 * counts[0][0]


async def test_the_backlog_is_due_and_has_payloads(connection: asyncpg.Connection) -> None:
    due = await connection.fetchval(
        "SELECT count(*) FROM pending_deliveries p JOIN messages m ON m.id = p.message_id"
        " WHERE p.next_attempt_at <= now() AND p.shard = 3 AND length(m.payload) > 300"
    )
    assert due == _ROWS


async def test_the_machine_says_whether_fsync_was_on(dsn: str) -> None:
    machine = await describe(dsn)
    assert machine.postgres is not None
    assert f"Postgres {machine.postgres} (fsync off, synchronous_commit off)" in str(machine)
    assert "Postgres" not in str(await describe())


@pytest.mark.parametrize(("statement", "name"), [(_PUBLISH, "publish"), (RECORD, "record"), ("SELECT 1", "everything")])
def test_statements_are_counted_under_what_they_do(statement: str, name: str) -> None:
    assert _name(statement).startswith(name)
