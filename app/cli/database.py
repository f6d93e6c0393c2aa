"""The database of a command: what forbids to use it is said in one line."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from app.cli.process import CannotRun
from app.db import preflight
from app.db.session import CONNECTION_ERRORS
from app.sealing import Sealer

TEMPORARY: Final = 75  # EX_TEMPFAIL of sysexits(3): try again later


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Turns what asyncpg raises for a server that is away, or refuses, into CannotRun; code 75 if it is away."""
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
        raise CannotRun(
            f"Postgres refuses this login ({error}): correct POSTRIDER_DB_DSN, or grant the right"
        ) from None
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        raise CannotRun(f"POSTRIDER_DB_DSN cannot be understood ({error}): see `postrider migrate --help`") from None
    except CONNECTION_ERRORS as error:
        raise CannotRun(
            f"Postgres cannot be reached ({error or type(error).__name__}): "
            "start it, or correct POSTRIDER_DB_DSN, and try again",
            code=TEMPORARY,
        ) from None


def require_ready(dsn: str, sealer: Sealer) -> None:
    """CannotRun unless a process could serve from this database now."""
    with refusals_explained():
        try:
            asyncio.run(_check(dsn, sealer))
        except asyncpg.InvalidCatalogNameError as error:
            raise CannotRun(f"{error}: run `postrider migrate`, which creates it") from None
        except (preflight.NotMigrated, preflight.WrongMainSecret) as error:
            raise CannotRun(str(error)) from None


def require_migrated(dsn: str) -> None:
    """CannotRun unless the database has every migration. Nothing is written to it."""
    with refusals_explained():
        try:
            is_migrated = asyncio.run(_is_migrated(dsn))
        except asyncpg.InvalidCatalogNameError:
            is_migrated = False
    if not is_migrated:
        raise CannotRun("the database lacks migrations: run `postrider migrate` first")


async def _is_migrated(dsn: str) -> bool:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await preflight.is_migrated(connection)
    finally:
        await connection.close(timeout=5)


async def _check(dsn: str, sealer: Sealer) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await preflight.require_ready(connection, sealer)
    finally:
        await connection.close(timeout=5)
