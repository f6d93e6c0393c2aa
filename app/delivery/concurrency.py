"""How many requests one endpoint is sent at the same time: as many as it bears, found out by its answers.

It doubles with each round (as many successes as there are slots) until the first sign of trouble, and halves then;
after that it grows by a sixteenth of what was too much with each round (AIMD, as TCP's congestion control does,
RFC 5681). Answers that take twice as long as they did with fewer slots are a queue at the receiver: then it shrinks
towards where they did not, without anything having failed.
"""

from typing import Final

from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable

START: Final = 16
"""Slots at first. Slow answers alone do not bring it below, and fewer answers are no measure of slowness."""

_STRAINED: Final = frozenset({429, 502, 503, 504})
_BROKEN: Final = frozenset({"timeout", "connect", "reset", "sender"})
_BY_CHANCE: Final = 50
"""One answer in so many may be a sign of trouble without being taken for one, where there are that many slots."""
_CUT_SECONDS: Final = 1.0
"""Between two cuts, at least, so that one hiccup is one cut. Trouble in the meantime only takes growth back."""
_STEPS: Final = 16
_CALM_ROUNDS: Final = 32
"""Rounds without trouble after which it doubles again: growth reaches what was too much after a quarter of them."""
_SLOW: Final = 2.0
"""Answers are slow that take so many times as long as without a queue."""
_QUICK_SECONDS: Final = 0.02
"""Answers that take no longer are quick, whatever they took before. No less is worth having: a receiver that answers at
once is sent as much by a few slots as by hundreds, which only queue in this process, in front of everybody else."""
_SHRINK: Final = 0.75
"""What is left, at least, of the slots after a slow round."""
_LEARN: Final = 0.25
"""How much one quicker round counts: it may have been chance."""
_NO_QUEUE: Final = 0.85
"""If half of the slots leave so much of the time that answers take, it was no queue that they waited in."""
_SETTLED: Final = 1.25
"""A round lasts so many times as long as what is under way takes: its first answers are all quick ones."""


class Concurrency:
    """The slots of one endpoint, from 1 to `ceiling`. Times are seconds of one clock that does not go back."""

    __slots__ = (
        "_base",
        "_began_at",
        "_calm",
        "_ceiling",
        "_cut_at",
        "_cut_to",
        "_is_slow",
        "_lowered_at",
        "_most_at_once",
        "_pace",
        "_round",
        "_slow_mean",
        "_slow_slots",
        "_spent",
        "_spent_squared",
        "_step",
        "_troubles",
        "slots",
    )

    slots: int
    """How many requests may be in flight."""

    def __init__(self, ceiling: int, start: int = START) -> None:
        """ValueError if the ceiling or the start is below 1. A start above the ceiling is the ceiling."""
        if min(ceiling, start) < 1:
            raise ValueError(f"an endpoint needs at least one slot: ceiling {ceiling}, start {start}")
        self._ceiling = ceiling
        self.slots = min(start, ceiling)
        self._base: float | None = None  # Seconds that an answer takes where there is no queue.
        self._step = 1
        self._calm = _CALM_ROUNDS
        self._cut_at = self._lowered_at = float("-inf")
        self._cut_to = 1
        self._is_slow = False
        self._slow_slots = 0  # At which it was slow, the most since it was last known what is slow.
        self._slow_mean = 0.0
        self._pace = 0.0
        self._began_at: float | None = None
        self._round = 0
        self._spent = 0.0
        self._spent_squared = 0.0
        self._troubles = 0
        self._most_at_once = 0

    def record(self, outcome: Outcome, now: float, in_flight: int) -> None:
        """An attempt ended at that time, and so many were in flight with it, itself included."""
        self._most_at_once = max(self._most_at_once, in_flight)
        seconds = outcome.milliseconds / 1000
        if isinstance(outcome, Delivered):
            if self._began_at is None:
                self._began_at = now - seconds
            self._round += 1
            self._spent += seconds
            self._spent_squared += seconds * seconds
            # What those take that are under way at a time: more than the mean, because the quick ones end sooner.
            pace = self._spent_squared / self._spent if self._spent else 0.0
            if self._round >= self.slots and now - self._began_at >= _SETTLED * max(pace, self._pace):
                self._pace = pace
                self._end_round(self._spent / self._round, now)
        elif _is_trouble(outcome):
            self._trouble(now, seconds)

    def _trouble(self, now: float, seconds: float) -> None:
        # What began before the slots became fewer tells about those that there were.
        if now - seconds < self._lowered_at:
            return
        self._troubles += 1
        if self._troubles <= self.slots // _BY_CHANCE:
            return
        self._lowered_at = now
        if now >= self._cut_at + _CUT_SECONDS:
            self._cut_at = now
            self._strain()
            self.slots = self._cut_to = max(1, self.slots // 2)
        else:
            self._calm = 0
            self.slots = min(self.slots, max(self._cut_to, self.slots - self._step))
        self._begin_round(now)

    def _end_round(self, mean: float, now: float) -> None:
        slowness = self._compare(mean) if self._round >= START else 0.0
        was_slow, self._is_slow = self._is_slow, slowness > 1
        if self._is_slow:
            if was_slow:  # Once may be chance: what took longest was in one round.
                self._shrink(mean, slowness)
        elif self._most_at_once >= self.slots:
            growth = self.slots if self._calm >= _CALM_ROUNDS else self._step
            self.slots = min(self._ceiling, self.slots + growth)
            self._calm += 1
        self._begin_round(now)

    def _compare(self, mean: float) -> float:
        """The mean of a round as a share of what is slow, judged by the rounds before."""
        if self._base is None or self.slots <= START:
            # With so few it is no queue of ours.
            self._base = mean
        elif mean < self._base:
            self._base += (mean - self._base) * _LEARN
        return mean / max(_SLOW * self._base, _QUICK_SECONDS)

    def _shrink(self, mean: float, slowness: float) -> None:
        if self.slots > self._slow_slots:
            self._slow_slots, self._slow_mean = self.slots, mean
        elif self.slots <= self._slow_slots // 2 and mean > self._slow_mean * _NO_QUEUE:
            # Half of the slots, and it takes as long: this is how long it takes by now.
            self._base = mean
            self._slow_slots = 0
            return
        self._strain()
        self.slots = max(START, int(self.slots * max(_SHRINK, 1 / slowness)))

    def _strain(self) -> None:
        self._step = max(1, self.slots // _STEPS)
        self._calm = 0

    def _begin_round(self, now: float) -> None:
        self._began_at = now
        self._round = 0
        self._spent = 0.0
        self._spent_squared = 0.0
        self._troubles = 0
        self._most_at_once = 0


def _is_trouble(outcome: Refused | Unreachable | Blocked) -> bool:
    """Whether it may be for too many requests. Other answers say that the receiver had the time to refuse."""
    match outcome:
        case Refused(status=status):
            return status in _STRAINED
        case Unreachable(reason=reason):
            return reason in _BROKEN
        case Blocked(reason=reason):
            # Code that fails may have taken long to do so, of our time.
            return reason == "transformation"
