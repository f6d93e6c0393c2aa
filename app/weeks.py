"""Weeks: history and stored payloads are kept, and forgotten, by the week. A week is named by its Monday, in UTC."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from app import ids

WEEK: Final = timedelta(weeks=1)


def week_of(at: datetime) -> date:
    """The week that a time lies in."""
    day = at.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def beginning(week: date) -> datetime:
    """When a week begins."""
    return datetime.combine(week, time(), UTC)


def end(week: date) -> datetime:
    """When a week is over."""
    return beginning(week) + WEEK


def name(week: date) -> str:
    """As partitions and stored payloads are called after it: `20261116`."""
    return f"{week:%Y%m%d}"


def named(text: str) -> date | None:
    """The week of that name; None if no week is called so."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if name(day) == text and not day.weekday() else None


def messages_of(week: date) -> tuple[str, str]:
    """The ids that messages of a week have: from the first on, below the second."""
    return ids.floor_id("msg", beginning(week)), ids.floor_id("msg", end(week))
