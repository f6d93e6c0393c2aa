"""What is known about a database as a whole."""

import asyncpg

_NEWEST = "SELECT max(version) FROM schema_migrations"
_SEALED = "SELECT sealed FROM installation"
_KEEP = "INSERT INTO installation (sealed) VALUES ($1) ON CONFLICT DO NOTHING"


async def newest_migration(connection: asyncpg.Pool | asyncpg.Connection) -> str | None:
    """The version of the newest migration that was applied. asyncpg.UndefinedTableError if none ever was."""
    version: str | None = await connection.fetchval(_NEWEST)
    return version


async def kept_seal(connection: asyncpg.Pool | asyncpg.Connection, ours: bytes) -> bytes:
    """The sealed value that the first process left here; `ours` if this is the first."""
    sealed: bytes | None = await connection.fetchval(_SEALED)
    if sealed is None:
        await connection.execute(_KEEP, ours)
        sealed = await connection.fetchval(_SEALED)
    assert sealed is not None
    return sealed
