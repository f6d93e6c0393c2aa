"""Builds what pending migrations will index in large partitions beforehand, while everybody goes on writing.

`CREATE INDEX` on a partitioned table cannot be concurrent, and keeps writers waiting for as long as it reads the table.
But where a partition has such an index already, it takes that one instead of building another. So the migrations stay
ordinary SQL, which dbmate can run anywhere, and only a large database needs this.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

# A smaller partition is read within some milliseconds, but there may be hundreds of them.
_LARGE: Final = 2**20
_LONGEST_NAME: Final = 63
_INDEX: Final = re.compile(r"^CREATE (?P<unique>UNIQUE )?INDEX (?P<name>\w+) ON (?P<table>\w+) (?P<what>[^;]+);", re.M)
_PARTITIONS: Final = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1) AND c.relkind = 'r' AND pg_relation_size(c.oid) >= $2
ORDER BY c.relname
"""
_VALID: Final = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
_VERSIONS: Final = "SELECT version FROM schema_migrations"


class _Wanted(NamedTuple):
    """An index that a migration makes; `what` is all that follows the table's name."""

    unique: str
    name: str
    table: str
    what: str


async def build_early(
    connection: asyncpg.Connection, migrations: Iterable[Path], say: Callable[[str], None], least_bytes: int = _LARGE
) -> None:
    """Build the indexes of the migrations that this database lacks, in partitions of so many bytes and more.

    What was begun before and broken off is begun again, and what was finished is left; nobody is kept from writing. An
    index of a column that the migrations are yet to make is left to them.
    """
    try:
        applied = {row["version"] for row in await connection.fetch(_VERSIONS)}
    except asyncpg.UndefinedTableError:
        return
    for migration in sorted(migrations):
        if migration.name.partition("_")[0] in applied:
            continue
        up = migration.read_text(encoding="utf-8").partition("-- migrate:down")[0]
        for found in _INDEX.finditer(up):
            wanted = _Wanted(found["unique"] or "", found["name"], found["table"], found["what"])
            for partition in await connection.fetch(_PARTITIONS, wanted.table, least_bytes):
                await _build(connection, partition["relname"], wanted, say)


async def _build(connection: asyncpg.Connection, partition: str, wanted: _Wanted, say: Callable[[str], None]) -> None:
    name = f"{partition}_{wanted.name}"[:_LONGEST_NAME]
    valid = await connection.fetchval(_VALID, name)
    if valid:
        return
    if valid is False:
        await connection.execute(f"DROP INDEX CONCURRENTLY {name}")
    say(f"Building: {name}, while everything goes on")
    try:
        await connection.execute(
            f"CREATE {wanted.unique}INDEX CONCURRENTLY {name} ON {partition} {wanted.what}", timeout=None
        )
    except asyncpg.UndefinedColumnError:
        say(f"Left to the migration: {name}")
