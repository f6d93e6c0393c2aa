"""The one place that reads the wall clock, so that everything else can be given a time."""

import time
from datetime import UTC, datetime

# Unix seconds at the zero of this machine's monotonic clock, by the clock that is followed; None: no other is.
_zero: float | None = None


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.fromtimestamp(unix(), UTC)


def unix() -> float:
    """The current time in seconds since 1970."""
    return time.time() if _zero is None else time.monotonic() + _zero


def follow(at: float, asked: float, answered: float) -> float:
    """Go by another clock, in this process and from now on: between two monotonic moments it showed unix seconds `at`.

    Where this machine's clock is off, or jumps, nobody notices. The time is not set again while it may be right: it
    would go back and forth with the time that answers take. By how many seconds this machine's clock is ahead.
    """
    global _zero
    earliest, latest = at - answered, at - asked
    zero = time.time() - time.monotonic() if _zero is None else _zero
    _zero = zero if earliest <= zero <= latest else (earliest + latest) / 2
    return time.time() - unix()
