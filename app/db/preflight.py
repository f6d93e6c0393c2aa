"""What every process makes sure of before it serves: the database is migrated, and its secrets can be opened."""

from pathlib import Path
from typing import Final

import asyncpg

from app.db.installation.table import kept_seal, newest_migration
from app.sealing import SealBroken, Sealer

MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "db" / "migrations"
OURS: Final = sorted(path.name.partition("_")[0] for path in MIGRATIONS.glob("*.sql"))
"""The versions of the migrations that this code knows, in their order."""
# What this code was written for. A newer database is fine: migrations keep the code before them working.
_NEEDED: Final = OURS[-1]
_IDENTITY: Final = "installation"


class NotMigrated(Exception):
    """The database lacks migrations. The text is one line that says what to do."""


class WrongMainSecret(Exception):
    """No main secret of ours opens what this database holds. The text is one line that says what to do."""


async def require_ready(connection: asyncpg.Pool | asyncpg.Connection, sealer: Sealer) -> None:
    """Check that this database can be served from. NotMigrated or WrongMainSecret if not; asyncpg's errors pass.

    On a new database this fixes the main secret: it keeps a value that only that secret opens.
    """
    if not await is_migrated(connection):
        raise NotMigrated(f"the database lacks migrations (up to {_NEEDED}): run `postrider migrate` first")
    sealed = await kept_seal(connection, sealer.seal(b"postrider", _IDENTITY))
    try:
        sealer.open(sealed, _IDENTITY)
    except SealBroken:
        raise WrongMainSecret(
            "POSTRIDER_MAIN_SECRET is not the one that this database's secrets are sealed with: "
            "set it, or add the old one after a comma"
        ) from None


async def is_migrated(connection: asyncpg.Pool | asyncpg.Connection) -> bool:
    """Whether the database has every migration that this code needs."""
    try:
        applied = await newest_migration(connection)
    except asyncpg.UndefinedTableError:
        return False
    return applied is not None and applied >= _NEEDED
