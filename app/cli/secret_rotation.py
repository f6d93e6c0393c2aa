"""What `postrider secrets` does: says under which main secret the stored secrets are, and seals them anew."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TextIO, TypeVar

import asyncpg
import orjson
import typer

from app.cli.database import refusals_explained, require_ready
from app.cli.running import sealed_database
from app.db.sealed.rotation import KeyCount, Progress, count_keys, reseal
from app.sealing import Sealer
from app.settings import Settings, load

# Each round takes what was changed during the one before.
_MOST_ROUNDS: Final = 5
_MOST_NAMED: Final = 20

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Standing:
    """How many values are sealed under each main secret, in their order, and under none that is known."""

    under: tuple[int, ...]
    unknown: int
    columns: dict[str, int]

    @property
    def older(self) -> int:
        """Values that must be sealed anew before the older main secrets can go."""
        return sum(self.under[1:])

    def as_json(self) -> bytes:
        return orjson.dumps(
            {"current": self.under[0], "older": list(self.under[1:]), "unknown": self.unknown, "toDo": self.columns}
        )


def status(as_json: bool) -> int:
    """Print how many values are under which main secret; the exit code. CannotRun without database or main secret."""
    dsn, sealer = _place(load())
    standing = _with_connection(dsn, lambda connection: _standing(connection, sealer))
    if as_json:
        typer.echo(standing.as_json())
    else:
        _tell(standing)
    return 1 if standing.older or standing.unknown else 0


def rotate(as_json: bool) -> int:
    """Seal anew what is under older main secrets; the exit code. CannotRun without database or main secret."""
    dsn, sealer = _place(load())
    progress, standing = _with_connection(dsn, lambda connection: _rotate(connection, sealer, sys.stderr))
    if as_json:
        typer.echo(standing.as_json())
    else:
        typer.echo(f"{progress.replaced} rows were sealed anew.")
        _tell(standing)
    for name in progress.broken[:_MOST_NAMED]:
        typer.echo(f"postrider: it cannot be opened: {name}", err=True)
    return 1 if standing.older or standing.unknown else 0


def _place(settings: Settings) -> tuple[str, Sealer]:
    dsn, secrets = sealed_database(settings)
    sealer = Sealer(secrets)
    require_ready(dsn, sealer)
    return dsn, sealer


def _with_connection(dsn: str, work: Callable[[asyncpg.Connection], Awaitable[ResultT]]) -> ResultT:
    """What comes of some work with a connection. CannotRun if there is none."""

    async def run() -> ResultT:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await work(connection)
        finally:
            await connection.close(timeout=5)

    with refusals_explained():
        return asyncio.run(run())


async def _rotate(connection: asyncpg.Connection, sealer: Sealer, out: TextIO) -> tuple[Progress, Standing]:
    """Rounds until nothing is left that could be opened."""
    standing, total = await _standing(connection, sealer), Progress()
    for _ in range(_MOST_ROUNDS):
        if not standing.older:
            break
        done = Progress()
        async for done in reseal(connection, sealer):
            _show(done, standing, out)
        total.replaced += done.replaced
        total.broken = done.broken
        standing = await _standing(connection, sealer)
        if not done.replaced:
            break
    if out.isatty():
        out.write("\r\x1b[2K")
    return total, standing


def _show(done: Progress, standing: Standing, out: TextIO) -> None:
    """A bar on a terminal; how many of how many rows is not known, because a row may hold several values."""
    if out.isatty():
        most = max(standing.columns.values(), default=1)
        share = min(1.0, done.seen / max(1, most))
        out.write(f"\r\x1b[2K  [{'#' * round(40 * share):<40}] {done.seen} rows")
        out.flush()


async def _standing(connection: asyncpg.Connection, sealer: Sealer) -> Standing:
    return _summed(await count_keys(connection), sealer)


def _summed(counts: list[KeyCount], sealer: Sealer) -> Standing:
    under = dict.fromkeys(sealer.key_ids, 0)
    unknown = 0
    columns: dict[str, int] = {}
    for count in counts:
        if count.key_id in under:
            under[count.key_id] += count.values
        else:
            unknown += count.values
        if count.key_id != sealer.key_id:
            name = f"{count.table}.{count.column}"
            columns[name] = columns.get(name, 0) + count.values
    return Standing(tuple(under.values()), unknown, columns)


def _tell(standing: Standing) -> None:
    typer.echo(f"under the first main secret: {standing.under[0]} values")
    for number, values in enumerate(standing.under[1:], 2):
        typer.echo(f"under main secret {number}: {values} values")
    if standing.unknown:
        typer.echo(
            f"under none of POSTRIDER_MAIN_SECRET: {standing.unknown} values; add the one that they are sealed with"
        )
    for column, values in standing.columns.items():
        typer.echo(f"  to do: {column} {values}")
    if standing.older:
        typer.echo("Run `postrider secrets rotate`; the older main secrets are still needed.")
    elif len(standing.under) > 1 and not standing.unknown:
        typer.echo("The older main secrets can be removed from POSTRIDER_MAIN_SECRET.")
