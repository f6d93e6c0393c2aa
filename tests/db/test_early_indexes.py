"""Indexes of pending migrations are built beforehand where a partition is large, and nobody waits for that."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from app import clock, ids
from app.db.early_indexes import build_early
from tests import factories
from tests.servers import migrate

_MIGRATION: Final = """-- migrate:up
SET lock_timeout = '3s';
-- CREATE INDEX nothing ON messages (nothing);
CREATE INDEX messages_by_type ON messages (event_type, id) INCLUDE (created_at)
    WHERE channels IS NULL;

-- migrate:down
DROP INDEX messages_by_type;
"""
_CHILDREN: Final = """
SELECT c.relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = to_regclass($1) ORDER BY c.relname
"""


@pytest.fixture
async def connection(empty_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(empty_dsn)
    yield opened
    await opened.close()


@pytest.fixture
def pending(tmp_path: Path) -> Path:
    path = tmp_path / "9000_index_types.sql"
    path.write_text(_MIGRATION)
    return path


@pytest.fixture
async def pool(empty_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(empty_dsn, min_size=1) as opened:
        yield opened


def have_indexed(pending: Path, what: str) -> None:
    pending.write_text(f"-- migrate:up\nCREATE INDEX one_more ON {what};\n\n-- migrate:down\nDROP INDEX one_more;\n")


async def partition_with_a_row(connection: asyncpg.Connection, pool: asyncpg.Pool) -> str:
    """The partition in which a new message lies."""
    message = await factories.record_message(pool, ids.new_id("app"), clock.now())
    name: str = await connection.fetchval("SELECT tableoid::regclass::text FROM messages WHERE id = $1", message)
    return name


async def test_a_large_partitions_index_is_built_while_others_write_and_the_migration_takes_it(
    connection: asyncpg.Connection, pool: asyncpg.Pool, pending: Path, empty_dsn: str
) -> None:
    large = await partition_with_a_row(connection, pool)
    said: list[str] = []
    async with pool.acquire() as writer:
        transaction = writer.transaction()
        await transaction.start()
        # In the middle of a transaction that writes: what builds waits for it, and nobody waits for what builds.
        await writer.execute("UPDATE messages SET event_type = 'changed'")
        building = asyncio.create_task(build_early(connection, [pending], said.append, least_bytes=1))
        while not await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{large}_messages_by_type"):
            await asyncio.sleep(0.01)
        await asyncio.wait_for(factories.record_message(pool, ids.new_id("app")), 2)
        assert not building.done()
        await transaction.commit()
        await asyncio.wait_for(building, 10)
    assert said == [f"Building: {large}_messages_by_type, while everything goes on"]
    await asyncio.to_thread(migrate, empty_dsn, "--no-dump-schema", "migrate", migrations=pending.parent)
    children = [row["relname"] for row in await connection.fetch(_CHILDREN, "messages_by_type")]
    assert f"{large}_messages_by_type" in children, "it was built a second time"
    assert len(children) == await connection.fetchval(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = $1::regclass", "messages"
    )
    assert await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'messages_by_type'::regclass")


async def test_what_was_broken_off_is_built_again_and_what_is_finished_is_left(
    connection: asyncpg.Connection, pool: asyncpg.Pool, pending: Path
) -> None:
    large = await partition_with_a_row(connection, pool)
    await factories.record_message(pool, ids.new_id("app"), clock.now())
    # Breaks off because the types are not unique, and leaves an index that is not valid.
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {large}_messages_by_type ON {large} (event_type)")
    said: list[str] = []
    for _ in range(2):
        await build_early(connection, [pending], said.append, least_bytes=1)
    assert len(said) == 1
    definition = await connection.fetchval("SELECT pg_get_indexdef($1::regclass)", f"{large}_messages_by_type")
    assert "(event_type, id) INCLUDE (created_at) WHERE (channels IS NULL)" in definition


@pytest.mark.parametrize(
    ("what", "least_bytes"),
    [
        pytest.param("messages (event_type, id)", 2**30, id="small partitions"),
        pytest.param("messages (not_made_yet)", 1, id="a column that a migration makes"),
        pytest.param("not_made_yet (event_type)", 1, id="a table that a migration makes"),
        pytest.param("endpoints (url)", 1, id="a table without partitions"),
    ],
)
async def test_the_migration_itself_indexes(
    connection: asyncpg.Connection, pool: asyncpg.Pool, pending: Path, what: str, least_bytes: int
) -> None:
    await partition_with_a_row(connection, pool)
    indexes = "SELECT count(*) FROM pg_index"
    before = await connection.fetchval(indexes)
    have_indexed(pending, what)
    await build_early(connection, [pending], lambda _line: None, least_bytes)
    assert await connection.fetchval(indexes) == before


async def test_what_is_applied_is_not_looked_at(
    connection: asyncpg.Connection, pool: asyncpg.Pool, pending: Path
) -> None:
    await partition_with_a_row(connection, pool)
    await connection.execute("INSERT INTO schema_migrations VALUES ('9000')")
    said: list[str] = []
    await build_early(connection, [pending], said.append, least_bytes=1)
    assert said == []
