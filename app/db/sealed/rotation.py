"""Sealing anew, under the first of the main secrets, what is sealed under an older one. While everything runs."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app.db.sealed.columns import SEALED, SealedColumns
from app.sealing import SealBroken, Sealer

BATCH: Final = 500
_KEY: Final = "substring({column} FROM 2 FOR 4)"

_COUNT: Final = """
SELECT {key} AS key, count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY 1
"""
_OLDER: Final = """
SELECT {identity} AS identity, {columns} FROM {table}
WHERE {identity} > $1 AND ({older}) ORDER BY identity LIMIT $3
"""
# What it protects: a row that somebody changed since it was read keeps the change; another round finds it. Its revision
# stays, so that no worker reads it again or forgets what it learned of the endpoint.
_RESEALING: Final = "SELECT set_config('postrider.resealing', 'on', true)"
_REPLACE: Final = """
UPDATE {table} t SET {assignments}
FROM unnest($1::text[], {arrays}) AS i(identity, {names})
WHERE t.{identity} = i.identity AND {unchanged}
"""
_REPLACE_ONLY_ROW: Final = """
UPDATE {table} t SET {assignments}
FROM unnest($1::text[], {arrays}) AS i(identity, {names})
WHERE {unchanged}
"""


@dataclass(frozen=True, slots=True)
class KeyCount:
    """How many values of a column are sealed under a key."""

    table: str
    column: str
    key_id: bytes
    values: int


@dataclass
class Progress:
    """What a round has done so far: rows that were looked at, rows that were replaced, values that do not open."""

    seen: int = 0
    replaced: int = 0
    broken: list[str] = field(default_factory=list)


async def count_keys(connection: asyncpg.Connection) -> list[KeyCount]:
    """Under which keys the values of every sealed column are."""
    return [
        KeyCount(sealed.table, column, row["key"], row["count"])
        for sealed in SEALED
        for column in sealed.columns
        for row in await connection.fetch(
            _COUNT.format(key=_KEY.format(column=column), table=sealed.table, column=column)
        )
    ]


async def reseal(connection: asyncpg.Connection, sealer: Sealer, batch: int = BATCH) -> AsyncGenerator[Progress, None]:
    """Go once over all that is sealed under older keys; after each batch, how far it is. May be stopped at any time."""
    progress = Progress()
    for sealed in SEALED:
        last = ""
        while rows := await connection.fetch(_older(sealed), last, sealer.key_id, batch):
            progress.replaced += await _replace(connection, sealer, sealed, rows, progress)
            progress.seen += len(rows)
            last = rows[-1]["identity"]
            yield progress


def _older(sealed: SealedColumns) -> str:
    older = " OR ".join(f"{_KEY.format(column=column)} <> $2" for column in sealed.columns)
    return _OLDER.format(identity=sealed.identity, columns=", ".join(sealed.columns), table=sealed.table, older=older)


async def _replace(
    connection: asyncpg.Connection,
    sealer: Sealer,
    sealed: SealedColumns,
    rows: Sequence[asyncpg.Record],
    progress: Progress,
) -> int:
    """Put the values of these rows under the current key, of those that nobody has changed; how many rows."""
    values: list[Sequence[object]] = [[row["identity"] for row in rows]]
    for column in sealed.columns:
        before = [row[column] for row in rows]
        after = []
        for row, value in zip(rows, before, strict=True):
            try:
                after.append(sealer.resealed(value, row["identity"]) if value is not None else None)
            except SealBroken as error:
                progress.broken.append(f"{sealed.table}.{column} of {error}")
                after.append(value)
        values.extend((before, after))
    async with connection.transaction():
        await connection.execute(_RESEALING)
        replaced = await connection.execute(_replacing(sealed), *values)
    return int(replaced.rpartition(" ")[2])


def _replacing(sealed: SealedColumns) -> str:
    statement = _REPLACE_ONLY_ROW if sealed.identity.startswith("'") else _REPLACE
    count = len(sealed.columns)
    return statement.format(
        table=sealed.table,
        identity=sealed.identity,
        assignments=", ".join(f"{column} = i.{column}_after" for column in sealed.columns),
        arrays=", ".join(f"${n}::bytea[]" for n in range(2, 2 + 2 * count)),
        names=", ".join(f"{column}_before, {column}_after" for column in sealed.columns),
        unchanged=" AND ".join(f"t.{column} IS NOT DISTINCT FROM i.{column}_before" for column in sealed.columns),
    )
