"""What `postrider verify` does: asks for the ledger, shows it, and says by a number whether anything is amiss."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from app.api.ledger.models import ledger_out
from app.cli.database import refusals_explained
from app.cli.process import CannotRun
from app.cli.running import database_dsn
from app.db.ledger.model import Kind, Ledger
from app.db.ledger.report import Wish, applications_named, draw_up, ledger_connection
from app.settings import Settings

# What a table of the states takes, with an application's id before them.
_TABLE_WIDTH: Final = 120
_STYLES: Final = {
    **dict.fromkeys(("missing", "surplus"), "bold red"),
    **dict.fromkeys(("unowned", "stuck", "late"), "bold yellow"),
    "held_back": "dim",
}
_STATES: Final = ("accepted", "delivered", "failed", "canceled", "due", "skipped", "missing", "surplus")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for; `application` is an id or a uid, `late_after` is in seconds."""

    since: datetime | None
    application: str | None
    late_after: float
    names: int


def report(settings: Settings, question: Question, *, as_json: bool) -> int:
    """Print the ledger; the exit code. CannotRun if there is no database, or no such application."""
    dsn = database_dsn(settings)
    with refusals_explained():
        try:
            ledger = asyncio.run(_draw_up(dsn, question))
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidCatalogNameError) as error:
            raise CannotRun(f"the database is not migrated ({error}): run `postrider migrate`") from None
    if as_json:
        typer.echo(ledger_out(ledger).model_dump_json(by_alias=True))
    elif sys.stdout.isatty() and (console := Console(markup=False, highlight=False)).width >= _TABLE_WIDTH:
        show_tables(ledger, console)
    else:
        _show_lines(ledger)
    return _exit_code(ledger)


async def _draw_up(dsn: str, question: Question) -> Ledger:
    async with ledger_connection(dsn) as connection:
        applications = None
        if question.application is not None:
            applications = await applications_named(connection, question.application)
            if not applications:
                raise CannotRun(f"there is no application {question.application!r}: give its id or its uid", code=2)
        return await draw_up(connection, Wish(question.since, applications, question.late_after, question.names))


def _exit_code(ledger: Ledger) -> int:
    if not ledger.total.is_even:
        return 1
    return 0 if ledger.queue.is_well else 3


def _sentences(ledger: Ledger) -> list[str]:
    """What it comes to."""
    total, queue = ledger.total, ledger.queue
    since = "ever" if ledger.since is None else f"since {_time(ledger.since)}"
    equation = " + ".join(f"{getattr(total, state):,} {state}" for state in _STATES[1:6])
    odd = [f"{getattr(total, state):,} {state}" for state in _STATES[6:] if getattr(total, state)]
    said = [f"{total.messages:,} messages {since}: {total.accepted:,} accepted, {equation}"]
    said.append("NOT balanced: " + ", ".join(odd) if odd else "Balanced: nothing is missing.")
    if total.uncounted:
        said.append(
            f"Of {total.uncounted:,} messages, published before there was a count, what is found is taken as accepted."
        )
    age = timedelta(seconds=round(queue.oldest_due_seconds))
    said.append(f"Queue: {queue.pending:,} wait, {queue.due:,} of them due, the oldest for {age}.")
    kinds = (Kind.UNOWNED, Kind.STUCK, Kind.LATE, Kind.HELD_BACK)
    late = [f"{getattr(queue, kind):,} {kind.replace('_', ' ')}" for kind in kinds if getattr(queue, kind)]
    said.append("Of these: " + ", ".join(late) + "." if late else "Nothing is late.")
    return said


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rows(ledger: Ledger) -> tuple[list[str], list[list[str]]]:
    head = ["application", *_STATES]
    balances = [(one.application_id, one) for one in ledger_out(ledger).applications]
    rows = [[name, *(str(getattr(balance, state)) for state in _STATES)] for name, balance in balances]
    return head, [*rows, ["total", *(str(getattr(ledger.total, state)) for state in _STATES)]]


def _findings(ledger: Ledger) -> tuple[list[str], list[list[str]]]:
    head = ["kind", "application", "message", "endpoint", "since", "what it is, and what to do"]
    return head, [
        [f.kind.value, f.application_id, f.message_id, f.endpoint_id or "-", _time(f.since), f.text]
        for f in ledger.findings
    ]


def _show_lines(ledger: Ledger) -> None:
    """For scripts: columns of fixed width, a line each."""
    for head, rows in (_rows(ledger), _findings(ledger)):
        if rows:
            _show_columns([head, *rows])
    for sentence in _sentences(ledger):
        typer.echo(sentence)


def _show_columns(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo()


def show_tables(ledger: Ledger, console: Console) -> None:
    """For people, on a terminal that is wide enough."""
    head, rows = _rows(ledger)
    table = Table(*head, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows[:-1]:
        table.add_row(*row, end_section=row is rows[-2])
    table.add_row(*rows[-1], style="bold")
    console.print(table)
    for kind, *keys, since, text in _findings(ledger)[1]:
        # Without wraps, so that ids can be copied.
        console.print(f"{kind} since {since}: {' '.join(keys)}", style=_STYLES[kind], soft_wrap=True)
        console.print(f"    {text}", soft_wrap=True)
    style = {0: "green", 1: "red", 3: "yellow"}[_exit_code(ledger)]
    for sentence in _sentences(ledger):
        console.print(sentence, style=style)
