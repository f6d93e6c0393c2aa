"""How often one endpoint is sent to: a rate that holds over every window of time, from one number of state.

This is GCRA (the generic cell rate algorithm, ITU-T I.371) with an interval a little longer than the rate asks for, in
whole nanoseconds. If `_due` is when the next send is due, a send is allowed from EARLY before that and moves `_due` on
by one interval, so that any n sends span at least (n - 1) intervals less EARLY. With the interval 1.02 / rate and
EARLY 0.02 s, a window of s seconds holds at most (s + 0.02) * rate / 1.02 sends, rounded down, and one: never above
10 * rate in 10 seconds, nor above rate + 1 in one. What is left of the 2 % is for the network: the 10-second limit
holds at the receiver too as long as the times that requests take to arrive differ by no more than 0.1 s.
"""

from collections.abc import Iterable
from typing import Final

_NANOSECONDS: Final = 1_000_000_000
_INTERVAL_PER_RATE: Final = 1_020_000_000
_EARLY: Final = 20_000_000
"""Nanoseconds that a caller may be late without the rate suffering: it looks every few milliseconds, not always."""
_WINDOW: Final = 10 * _NANOSECONDS
_FLOAT_GRAIN: Final = 1e-6
"""Floats of unix seconds are no finer: a wait is longer by so much, or it would end just before it is over."""


class RateLimit:
    """The limit of one endpoint, retries included. Times are seconds of one clock that does not go back (monotonic)."""

    __slots__ = ("_due", "_interval", "per_second")

    per_second: int

    def __init__(self, per_second: int) -> None:
        """ValueError if the rate is not at least one send a second. Nothing was sent yet: see `seed`."""
        if per_second < 1:
            raise ValueError(f"a rate limit must be at least 1 per second, not {per_second}")
        self.per_second = per_second
        self._interval = -(-_INTERVAL_PER_RATE // per_second)
        self._due: int | None = None

    def take(self, now: float) -> float:
        """0.0: send now, it is counted. Else the seconds after which to ask again; nothing is counted."""
        at = _nanoseconds(now)
        if self._due is None or self._due <= at:
            self._due = at + self._interval
        elif self._due <= at + _EARLY:
            self._due += self._interval
        else:
            return (self._due - _EARLY - at) / _NANOSECONDS + _FLOAT_GRAIN
        return 0.0

    def room(self, now: float) -> int:
        """How many calls of `take` would be allowed at that time."""
        at = _nanoseconds(now)
        ahead = 0 if self._due is None else max(self._due - at, 0)
        return (_EARLY - ahead) // self._interval + 1 if ahead <= _EARLY else 0

    def wait(self, now: float) -> float:
        """Seconds until `take` would allow a send; counts nothing."""
        missing = 0 if self._due is None else self._due - _EARLY - _nanoseconds(now)
        return missing / _NANOSECONDS + _FLOAT_GRAIN if missing > 0 else 0.0

    def seed(self, sent_times: Iterable[float]) -> None:
        """Go on from what others sent to the endpoint, in any order, before this object was asked for the first time.

        The last time is enough if they kept to the same limit: it is taken for the last of a burst. So is the time at
        which the endpoint came into this process's hands, if nobody knows what was sent before. More times are needed
        only where they broke this limit (it was lowered since): then what they took too much is waited for, until they
        are ten seconds ago.
        """
        times = sorted(map(_nanoseconds, sent_times))
        if not times:
            return
        due = times[0]
        for at in times:
            due = max(due, at) + self._interval
        last = times[-1]
        soonest = last + _EARLY + self._interval
        seeded = min(max(due, soonest), soonest + _WINDOW)
        self._due = seeded if self._due is None else max(self._due, seeded)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)
