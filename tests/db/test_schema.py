"""The schema: what the rows say is what the migrations make, which go both ways, and whose dump is kept."""

import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from app import ids
from app.cli.embedded import binaries
from app.cli.schema import write_schema
from app.db.api_token.model import ApiTokenRow
from app.db.application.model import ApplicationRow
from app.db.attempt.model import AttemptRow
from app.db.audit.model import AuditEntryRow
from app.db.background_task.model import BackgroundTaskRow
from app.db.broadcast.model import BroadcastRow
from app.db.delivery.model import DeliveryRow, DeliveryState
from app.db.endpoint.model import EndpointRow
from app.db.event_type.model import EventTypeRow
from app.db.message.model import MessageEventIdRow, MessageRow
from app.db.organization.model import OrganizationRow
from app.db.pending_delivery.model import PendingDeliveryRow
from app.db.poller.model import PollerReaderRow, PollerRow
from app.db.session import Database
from app.db.shard.model import SHARDS
from app.db.source.model import SourceLogRow, SourceRow, SourceTokenRow
from app.db.transformation.model import TransformationRow
from app.db.user.model import UserRow
from tests.servers import MIGRATIONS, Servers, migrate

ROWS: Final[list[type[SQLModel]]] = [
    ApiTokenRow,
    ApplicationRow,
    AttemptRow,
    AuditEntryRow,
    BackgroundTaskRow,
    BroadcastRow,
    DeliveryRow,
    EndpointRow,
    EventTypeRow,
    MessageEventIdRow,
    MessageRow,
    OrganizationRow,
    PendingDeliveryRow,
    PollerReaderRow,
    PollerRow,
    TransformationRow,
    SourceLogRow,
    SourceRow,
    SourceTokenRow,
    UserRow,
]
# Written and read by statements only, or not ours (dbmate's).
WITHOUT_ROW: Final = {
    "attempt_logs",
    *("endpoint_health", "held_messages", "idempotency_keys", "idempotent_responses", "installation", "ledger_figures"),
    *("attempt_rollups", "message_rollups", "rollup_progress"),
    *("one_time_tokens", "payload_expiries"),
    *("shards", "schema_migrations", "sign_in_failures", "suspects", "svix_imported_rows", "svix_imports", "throttles"),
    *("token_revocations", "web_sessions", "workers"),
}
FILES: Final = sorted(MIGRATIONS.glob("*.sql"))
# pg_dump wraps its output in these commands of psql, with another word each time.
_RANDOM: Final = re.compile(r"^\\(un)?restrict .*\n", re.MULTILINE)

_COLUMNS: Final = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
       coalesce(a.attnum = ANY (i.indkey), false) AS key
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""


def _table(row: type[SQLModel]) -> Table:
    table: Table = row.__table__  # type: ignore[attr-defined]  # SQLModel sets it, undeclared
    return table


def _type(column: Column[object]) -> str:
    """The type as Postgres names it; texts without a limit are `text` in the migrations."""
    name = column.type.compile(postgresql.dialect()).lower()  # type: ignore[no-untyped-call]  # nor is the dialect
    return "text" if name == "varchar" else name


def test_every_row_is_compared() -> None:
    assert {row.__tablename__ for row in ROWS} == set(SQLModel.metadata.tables)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__tablename__)
async def test_a_row_has_the_columns_of_its_table(database: Database, row: type[SQLModel]) -> None:
    migrated = {
        column["name"]: (column["type"], column["required"], column["key"])
        for column in await database.pool.fetch(_COLUMNS, row.__tablename__)
    }
    declared = {column.name: (_type(column), not column.nullable, column.primary_key) for column in _table(row).columns}
    assert declared == migrated


async def test_every_table_has_a_row_or_needs_none(database: Database) -> None:
    tables = await database.pool.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    assert {table["relname"] for table in tables} == {row.__tablename__ for row in ROWS} | WITHOUT_ROW


async def test_ids_sort_by_their_bytes_in_every_table(database: Database) -> None:
    wrong = await database.pool.fetch(
        "SELECT attrelid::regclass::text, attname FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')"
        " WHERE relnamespace = 'public'::regnamespace AND (attname = 'id' OR attname LIKE '%\\_id')"
        "   AND attcollation <> '\"C\"'::regcollation"
    )
    assert wrong == []


async def test_the_states_of_deliveries_are_those_that_the_database_allows(database: Database) -> None:
    async def insert(state: int) -> None:
        await database.pool.execute(
            "INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts)"
            " VALUES ($1, 'ep', 'app', $2, 1)",
            *(ids.new_id("msg"), state),
        )

    allowed = {int(state) for state in DeliveryState}
    for state in allowed:
        await insert(state)
    for state in set(range(-1, 6)) - allowed:
        with pytest.raises(asyncpg.CheckViolationError):
            await insert(state)


async def test_there_is_a_row_for_each_shard(database: Database) -> None:
    shards = await database.pool.fetch("SELECT shard FROM shards ORDER BY shard")
    assert [row["shard"] for row in shards] == list(range(SHARDS))


def _dump(dsn: str) -> str:
    """The schema with its data, which is the shards and what dbmate knows."""
    command: list[str | Path] = [binaries() / "pg_dump", "--no-owner", dsn]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return _RANDOM.sub("", ran.stdout)


@pytest.fixture
async def blank_dsn(servers: Servers) -> AsyncIterator[str]:
    """A database without anything."""
    name = f"postrider_{ids.new_id('qtask')}"
    connection = await asyncpg.connect(servers.postgres.dsn("postgres"))
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    yield servers.postgres.dsn(name)
    await servers.drop(name)


async def test_each_migration_can_be_taken_back_and_applied_again(blank_dsn: str, tmp_path: Path) -> None:
    # One that does nothing leaves dbmate's own table.
    (tmp_path / "0000_begin.sql").write_text("-- migrate:up\n\n-- migrate:down\n")
    migrate(blank_dsn, "migrate", migrations=tmp_path)
    dumps = [_dump(blank_dsn)]
    for file in FILES:
        shutil.copy(file, tmp_path)
        migrate(blank_dsn, "migrate", migrations=tmp_path)
        dumps.append(_dump(blank_dsn))
        assert dumps[-1] != dumps[-2], file.name
    for number, file in reversed(list(enumerate(FILES))):
        migrate(blank_dsn, "rollback", migrations=tmp_path)
        (tmp_path / file.name).unlink()
        assert _dump(blank_dsn) == dumps[number], f"{file.name} down"
    for number, file in enumerate(FILES):
        shutil.copy(file, tmp_path)
        migrate(blank_dsn, "migrate", migrations=tmp_path)
        assert _dump(blank_dsn) == dumps[number + 1], f"{file.name} up again"


async def test_migrations_are_numbered_without_gaps_and_give_up_on_locks() -> None:
    assert [int(file.name[:4]) for file in FILES] == list(range(1, len(FILES) + 1))
    for file in FILES:
        up, down = file.read_text().split("-- migrate:down")
        assert up.startswith("-- migrate:up\n")
        for direction in (up, down):
            assert "SET lock_timeout" in direction, file.name


def test_the_dump_that_is_kept_is_current(tmp_path: Path) -> None:
    write_schema(tmp_path / "schema.sql")
    kept = MIGRATIONS.parent / "schema.sql"
    assert kept.read_text() == (tmp_path / "schema.sql").read_text(), "run `make schema`"
