"""The part of a throttled application's rate that one process was given: permits, each for a moment of its own.

All processes together are given moments one interval apart, at most AHEAD in advance and, of what nobody wanted,
BEHIND in retrospect; a permit that is not used within LIFE of its moment is lost. So the sends of any s seconds use
moments of s + LIFE seconds: at most (s + LIFE) * rate / _INTERVAL_PER_RATE of them, and one. Over ten seconds that is
never more than 10 * rate + 1, however many processes send, and at once never more than a quarter of a second's worth.
"""

from collections import deque
from typing import Final

_INTERVAL_PER_RATE: Final = 1.025
"""Seconds between two moments, times the rate: the 2.5 % make up for LIFE over ten seconds."""
AHEAD_SECONDS: Final = 0.25
BEHIND_SECONDS: Final = 0.1
_LIFE_SECONDS: Final = 0.25
# As much as one process asks for at once, if it uses as much: twenty askings a second, whatever the rate.
_PORTION_SECONDS: Final = 0.1
# To ask again, where the application turned out to be gone.
_GONE_SECONDS: Final = 1.0


class Permits:
    """The permits of one application in one process. Times are seconds of one clock that does not go back."""

    __slots__ = ("__weakref__", "_ask_at", "_blocks", "_portion", "application_id", "per_second")

    def __init__(self, application_id: str, per_second: int) -> None:
        self.application_id = application_id
        self.per_second = per_second
        # Of each what was given together: the moment of the first that is left, and how many are.
        self._blocks: deque[tuple[float, int]] = deque()
        self._ask_at = 0.0
        # Begins small, so that one message now and then does not use up what others could be given.
        self._portion = 1

    @property
    def interval(self) -> float:
        """Seconds between two moments."""
        return _INTERVAL_PER_RATE / self.per_second

    def room(self, now: float) -> int:
        """How many sends may start at that time."""
        self._lose(now)
        interval = self.interval
        return sum(min(left, int((now - first) / interval) + 1) for first, left in self._blocks if first <= now)

    def take(self, now: float) -> bool:
        """Use one permit; False if there is none."""
        self._lose(now)
        if not self._blocks or self._blocks[0][0] > now:
            return False
        first, left = self._blocks.popleft()
        if left > 1:
            self._blocks.appendleft((first + self.interval, left - 1))
        return True

    def wait(self, now: float) -> float:
        """Seconds until there is a permit, or more may be asked for: 0 if so now."""
        self._lose(now)
        moments = [first for first, _ in self._blocks] + ([self._ask_at] if self._wants_more else [])
        return max(min(moments) - now, 0.0)

    def wanted(self, now: float) -> int:
        """How many permits to ask for at that time, where something waits for them."""
        self._lose(now)
        return self._portion if self._wants_more and now >= self._ask_at else 0

    def give(self, asked_at: float, first: float, count: int, wait: float) -> None:
        """What the asking at that time brought; `first` and `wait` are seconds from then."""
        if count:
            self._blocks.append((asked_at + first, count))
            self._portion = min(2 * self._portion, max(1, round(self.per_second * _PORTION_SECONDS)))
        self._ask_at = asked_at + wait

    def give_nothing(self, asked_at: float) -> None:
        """The application is gone."""
        self._ask_at = asked_at + _GONE_SECONDS

    @property
    def _wants_more(self) -> bool:
        return 2 * sum(left for _, left in self._blocks) <= self._portion

    def _lose(self, now: float) -> None:
        """What was not used in its time: it was too much, and less is asked for the next time."""
        oldest = now - _LIFE_SECONDS
        while self._blocks and self._blocks[0][0] < oldest:
            first, left = self._blocks.popleft()
            lost = min(left, int((oldest - first) / self.interval) + 1)
            self._portion = 1
            if lost < left:
                self._blocks.appendleft((first + lost * self.interval, left - lost))
