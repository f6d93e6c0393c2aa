"""`postrider verify`: draws up the ledger, and says by its exit code whether anything is amiss."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from app import clock
from app.db.ledger.model import LATE_AFTER_SECONDS, NAMES
from app.settings import load

VERIFY_EXIT_CODES: Final = (
    "Exit codes: 0 everything that was accepted is accounted for, and nothing is late; 1 something is missing or "
    "surplus; 3 it balances, but something is late, stuck or without an owner; 2 wrong usage; 75 Postgres is away, "
    "try again later; 78 wrong setting; 130 Ctrl-C."
)

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)")
_LONGEST: Final = timedelta(days=366)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _span(text: str) -> timedelta | None:
    match = _SPAN.fullmatch(text.strip().lower())
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])}) if match else None
    except OverflowError:
        return None


def parse_since(text: str) -> datetime:
    """A time, from `2h` (before now) or ISO 8601 (in UTC if it does not say otherwise)."""
    span = _span(text)
    try:
        return clock.now() - span if span is not None else _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is neither a span (90m, 2h, 7d) nor a time (2026-11-21T08:00Z)") from None


def _in_utc(time: datetime) -> datetime:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def _late_after(text: str) -> float:
    """Seconds, from `90` or `5m`."""
    span = _span(text if text[-1:].isalpha() else f"{text}s")
    if span is None or span > _LONGEST:
        raise typer.BadParameter(f"{text!r} is not a span of at most a year: 90s, 5m, 1h")
    return span.total_seconds()


def verify(
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_since,
            metavar="SPAN|TIME",
            help="Account for messages published since then: 90m, 2h, 7d, or ISO 8601. Default: for all. "
            "What waits is looked through whole, however old it is.",
        ),
    ] = None,
    application: Annotated[
        str | None, typer.Option(metavar="ID|UID", help="Only this application. Default: all, of every organization.")
    ] = None,
    late_after: Annotated[
        float | None,
        typer.Option(parser=_late_after, metavar="SPAN", help="How long a delivery may be due. Default: 60s."),
    ] = None,
    names: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Name at most so many deliveries of each kind.")
    ] = NAMES,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove that nothing is lost: accepted = delivered + failed + canceled + due + skipped.

    What was accepted is what the statement counted that stored each message; the rest is what is found now, in the
    queue and in history. Every delivery that is missing, surplus, late, stuck or without an owner is named, with what
    to do. Reads POSTRIDER_DB_DSN, or else the database of the `postrider up` that runs from POSTRIDER_DATA_DIR. It
    takes no locks and may run at any time; it needs no token, and sees every organization.
    """
    from app.cli.ledger import Question, report

    late = LATE_AFTER_SECONDS if late_after is None else late_after
    raise typer.Exit(report(load(), Question(since, application, late, names), as_json=as_json))
