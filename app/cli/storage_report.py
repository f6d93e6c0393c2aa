"""What `postrider storage` and `postrider keep-payloads` do."""

import asyncio
import getpass
import sys
from datetime import UTC, datetime
from typing import Final

import asyncpg
import orjson
import typer
from rich.console import Console
from rich.table import Table

from app import clock, ids
from app.cli.database import refusals_explained
from app.cli.process import CannotRun
from app.cli.running import database_dsn
from app.db.audit.entry import write_entry
from app.db.audit.model import Actor, ActorKind
from app.db.audit.trail import record
from app.db.organization.payload_retention import keep_payloads
from app.db.partition.sizes import Kind, Sizes, sizes
from app.db.preflight import is_migrated
from app.db.session import Database
from app.payload_store.store import PayloadStore, StoreAway, open_store
from app.settings import Settings, load

_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_STEP: Final = 1024
# Of the payload store so many objects are listed at most, which takes some seconds.
_MOST_OBJECTS: Final = 200_000
_LONGEST_PAYLOAD_DAYS: Final = 3650
_WEEKS_SHOWN: Final = 3
_WIDTHS: Final = (16, 14, 9, 16, 16)


def report(*, as_json: bool) -> None:
    """Print what is stored. CannotRun if there is no database."""
    settings = load()
    dsn = database_dsn(settings)
    with refusals_explained():
        found, objects, unfinished = asyncio.run(_measure(settings, dsn))
    if as_json:
        typer.echo(orjson.dumps(_as_json(found, objects, unfinished, settings), option=orjson.OPT_UTC_Z))
        return
    _show(found, objects, settings)
    for sentence in _sentences(found, unfinished, settings):
        typer.echo(sentence)


def set_payload_days(organization: str, days: str) -> None:
    """Set an organization's payload retention. CannotRun for what is no organization or no number of days."""
    if not ids.is_id(organization, "org"):
        raise CannotRun(f"{organization!r} is not an organization's id: org_ and 27 base62 characters", code=2)
    if days != "always" and not (days.isdecimal() and 0 < int(days) <= _LONGEST_PAYLOAD_DAYS):
        raise CannotRun(f"{days!r} is neither `always` nor a number of days from 1 to {_LONGEST_PAYLOAD_DAYS}", code=2)
    settings = load()
    dsn = database_dsn(settings)
    with refusals_explained():
        asyncio.run(_set(settings.model_copy(update={"db_dsn": dsn}), organization, days))
    kept = "as long as their messages" if days == "always" else f"for {days} days"
    typer.echo(f"Payloads of {organization} are kept {kept}, unless the publisher of a message says otherwise.")


async def _set(settings: Settings, organization: str, days: str) -> None:
    await _require_migrated(settings.db_dsn or "")
    database = Database(settings)
    try:
        async with database.transaction() as session:
            trail = record(session)
            await keep_payloads(session, organization, None if days == "always" else int(days))
            actor = Actor(ActorKind.OPERATOR, organization, getpass.getuser())
            await write_entry(session, actor, "cli.keep-payloads", trail)
    finally:
        await database.close()


async def _require_migrated(dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        if not await is_migrated(connection):
            raise CannotRun("the database lacks migrations: run `postrider migrate` first")
    finally:
        await connection.close(timeout=5)


async def _measure(settings: Settings, dsn: str) -> tuple[Sizes, Kind | None, str]:
    """What is in Postgres and in the payload store, and why the latter is not all of it."""
    await _require_migrated(dsn)
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=60)
    try:
        found = await sizes(connection, settings.retention_days, clock.now())
    finally:
        await connection.close(timeout=5)
    store = open_store(settings)
    if store is None:
        return found, None, ""
    return found, *(await _objects(store))


async def _objects(store: PayloadStore) -> tuple[Kind, str]:
    kind = Kind("payload store")
    try:
        for group in await store.groups():
            async for part in store.sizes(group):
                kind.rows += len(part)
                kind.bytes += sum(size for _, size in part)
                if kind.rows >= _MOST_OBJECTS:
                    return kind, "the payload store holds more than was counted"
    except StoreAway as away:
        return kind, str(away)
    return kind, ""


def _as_json(found: Sizes, objects: Kind | None, unfinished: str, settings: Settings) -> dict[str, object]:
    kinds = [*found.kinds, *([objects] if objects else [])]
    return {
        "retentionDays": settings.retention_days or None,
        "kinds": [
            {"name": k.name, "rows": k.rows, "bytes": k.bytes, "oldest": k.oldest, "newest": k.newest} for k in kinds
        ],
        "bytes": found.bytes,
        "weeks": [
            {"week": w.week, "bytes": w.bytes, "rows": w.rows, "leavesAt": w.leaves_at} for w in found.weeks if w.rows
        ],
        "bytesPerDay": found.rate,
        "steadyBytes": found.steady_bytes(settings.retention_days),
        "dueAlthoughOld": found.kept,
        "payloadRetentionDays": found.payload_days,
        "payloadStoreNote": unfinished or None,
    }


def _show(found: Sizes, objects: Kind | None, settings: Settings) -> None:
    head = ("", "rows", "size", "oldest", "newest")
    kinds = [*found.kinds, *([objects] if objects else [])]
    rows = [(k.name, f"{k.rows:,}" if k.rows else "", size(k.bytes), _time(k.oldest), _time(k.newest)) for k in kinds]
    rows.append(("all of Postgres", "", size(found.bytes), "", ""))
    if not sys.stdout.isatty():
        for row in (head, *rows):
            typer.echo(
                "  ".join(cell.ljust(width) for cell, width in zip(row, (16, 14, 9, 16, 16), strict=True)).rstrip()
            )
        return
    table = Table(*head, header_style="bold")
    for column in table.columns[1:3]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row, end_section=row in rows[-2:-1])
    Console().print(table)


def _sentences(found: Sizes, unfinished: str, settings: Settings) -> list[str]:
    """What leaves when, and what it will come to."""
    days = settings.retention_days
    said = []
    leaving = [(week, at) for week in found.weeks if week.rows and (at := week.leaves_at)][:_WEEKS_SHOWN]
    if not days:
        said.append("History is kept for ever (POSTRIDER_RETENTION_DAYS=0).")
    elif not leaving:
        said.append(f"History is kept for {days} days; nothing is to leave.")
    for week, at in leaving:
        when = "is to leave within the hour" if at <= clock.now() else f"leaves on {_time(at)}"
        said.append(f"The week of {week.week} {when}: {size(week.bytes)}, about {week.rows:,} rows.")
    if found.rate is not None:
        steady = found.steady_bytes(days)
        grows = f"At today's rate history grows by {size(found.rate)} a day"
        said.append(f"{grows}, and Postgres holds at most {size(steady)} then." if steady else f"{grows}.")
    if found.kept:
        said.append(f"{found.kept:,} deliveries are still due although they are older: their messages are kept.")
    for organization, kept_days in list(found.payload_days.items())[:_WEEKS_SHOWN]:
        said.append(f"{organization} keeps payloads for {kept_days} days.")
    if len(found.payload_days) > _WEEKS_SHOWN:
        said.append(f"So do {len(found.payload_days) - _WEEKS_SHOWN} more, for days of their own: see --json.")
    if unfinished:
        said.append(f"Not all is counted: {unfinished}.")
    return said


def size(number: float) -> str:
    """A number of bytes, for people."""
    unit = 0
    while number >= _STEP and unit < len(_UNITS) - 1:
        number /= _STEP
        unit += 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 or number >= 100 else f"{number:.1f} {_UNITS[unit]}"


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if at else ""
