"""What `postrider import svix` shows: how far it is, and what came of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, Protocol

import orjson
import typer
from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import ids
from app.cli.database import TEMPORARY, require_migrated, require_ready
from app.cli.process import CannotRun
from app.cli.running import sealed_database
from app.sealing import Sealer
from app.settings import load
from app.svix_import.connection import Refused, Unreachable
from app.svix_import.run import Step, Target, Wish, import_svix
from app.svix_import.tally import Report, Tally

# Between two lines, where there is no terminal.
_LINE_SECONDS: Final = 10.0
_COLUMNS: Final = ("read", "imported", "updated", "already here", "skipped")


def import_and_report(wish: Wish, *, as_json: bool) -> int:
    """Import, and print what came of it; the exit code. CannotRun if that is not possible."""
    if wish.organization is not None and not ids.is_id(wish.organization, "org"):
        raise CannotRun(f"{wish.organization!r} is not an organization's id: org_ and 27 base62 characters", code=2)
    settings = load()
    dsn, secrets = sealed_database(settings)
    if wish.dry_run:
        require_migrated(dsn)
    else:
        require_ready(dsn, Sealer(secrets))
    report = Report()
    try:
        with _shown() as show:
            for step in import_svix(wish, settings, Target(dsn, secrets), report):
                show.step(step, report)
    except Unreachable as error:
        raise CannotRun(str(error), code=TEMPORARY) from None
    except Refused as error:
        raise CannotRun(str(error)) from None
    if as_json:
        typer.echo(orjson.dumps(_as_json(report, wish)))
    else:
        show_report(report, wish, Console(markup=False, highlight=False, soft_wrap=True))
    return 0 if report.is_whole else 1


class _Shower(Protocol):
    def step(self, step: Step, report: Report) -> None: ...


class _Bar:
    """For a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("", total=None)

    def step(self, step: Step, report: Report) -> None:
        done = None if step.share is None else round(1000 * step.share)
        text = f"{step.name}: {_summary(report)}"
        self._progress.update(self._task, description=text, total=1000 if done else None, completed=done or 0)


class _Lines:
    """For a file or a pipe: one line now and then."""

    def __init__(self) -> None:
        self._last = monotonic()

    def step(self, step: Step, report: Report) -> None:
        if monotonic() - self._last >= _LINE_SECONDS:
            self._last = monotonic()
            share = "" if step.share is None else f" ({step.share:.0%})"
            typer.echo(f"{step.name}{share}: {_summary(report)}", err=True)


@contextmanager
def _shown() -> Iterator[_Shower]:
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress)


def _summary(report: Report) -> str:
    return (
        f"{report.applications.source:,} applications, {report.endpoints.source:,} endpoints, "
        f"{report.messages.source:,} messages, {report.attempts.source:,} attempts"
    )


def show_report(report: Report, wish: Wish, console: Console) -> None:
    """A table of counts, then the reasons, what to look at, and what it comes to."""
    table = Table(show_edge=False, pad_edge=False, box=HEAVY_HEAD if console.is_terminal else None)
    table.add_column("")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for name, tally in report.tallies.items():
        table.add_row(name, *(f"{number:,}" for number in _numbers(tally)))
    console.print(table)
    for line in _lines(report, wish):
        console.print(line)


def _numbers(tally: Tally) -> tuple[int, ...]:
    return tally.source, tally.imported, tally.updated, tally.same, tally.skipped.total()


def _lines(report: Report, wish: Wish) -> Iterator[str]:
    for name, tally in report.tallies.items():
        for reason, count in sorted(tally.skipped.items(), key=lambda item: item[0].name):
            if count:
                yield f"skipped {count:,} {name}: {reason.text}"
    for title, found in (("look at", report.problems), ("note", report.warnings)):
        yield from (f"{title}: {text}" for text in found.named)
        if found.count > len(found.named):
            yield f"{title}: … and {found.count - len(found.named):,} more"
    if report.payloads_gone:
        yield f"{report.payloads_gone:,} messages have no payload in Svix any more: it has expired, or was expunged."
    if report.pending:
        rest = report.pending - report.queued
        yield f"{report.pending:,} deliveries had not ended in Svix: {report.queued:,} are due here, {rest:,} are not."
    done = "Nothing was written: this was a dry run." if wish.dry_run else "Everything is here that should be."
    if report.is_whole:
        yield done
    else:
        yield "NOT everything is here: see above, and run this again." + (f" {done}" if wish.dry_run else "")


def _as_json(report: Report, wish: Wish) -> dict[str, object]:
    return {
        "dryRun": wish.dry_run,
        "complete": report.is_whole,
        "organizations": sorted(report.organizations),
        "counts": {
            name: {
                "source": tally.source,
                "imported": tally.imported,
                "updated": tally.updated,
                "alreadyHere": tally.same,
                "skipped": {reason.name.lower(): count for reason, count in tally.skipped.items() if count},
            }
            for name, tally in report.tallies.items()
        },
        "payloadsGone": report.payloads_gone,
        "pending": report.pending,
        "queued": report.queued,
        "problems": {"count": report.problems.count, "named": report.problems.named},
        "warnings": {"count": report.warnings.count, "named": report.warnings.named},
    }
