"""The one place that reads the wall clock, so that everything else can be given a time."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


def unix() -> float:
    """The current time in seconds since 1970."""
    return time.time()
