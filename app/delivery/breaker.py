"""When to stop sending to an endpoint that fails steadily, how to notice that it is back, and when to give it up.

Closed: everything is sent. Open: one probe every twenty seconds or so, everything else waits. It opens when attempts
fail in a row, and also when nearly all of many fail: an endpoint that lets one in ten through costs as much as one that
lets none through. The first success of a probe closes it. Any answer but 2xx is a failure here, because the sender's
cost is the same, and any success ends the row of them.
"""

import random
from dataclasses import dataclass
from typing import Literal

from app.delivery.outcome import Delivered, Outcome, Unreachable


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, how it probes, and when the endpoint is given up. Times in seconds."""

    failures: int = 10
    """Opens after so many failed attempts in a row, ..."""
    failing_for: float = 30.0
    """... that have gone on for so long, from the beginning of the first one; ..."""
    ratio: float = 0.8
    """... or when so large a share of the attempts has failed that ended since `failing_for` to twice that ago, ..."""
    attempts: int = 20
    """... and there were so many of them. Where that has just been so, it is judged by the first so many."""
    probe_every: float = 20.0
    probe_jitter: float = 0.2
    """Share by which the time between two probes differs, to both sides: endpoints that fell together do not march in
    step."""
    disable_after: float | None = None
    """Steady failure for so long ends the endpoint; None: never."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What restarts and other workers must not forget. Times are unix seconds. The default: nothing has failed."""

    opened_at: float | None = None
    """Since when it is open; None: it is closed."""
    first_failure_at: float | None = None
    """The beginning of the first attempt that failed since the last success."""
    consecutive_failures: int = 0


HEALTHY = BreakerState()

Change = Literal["opened", "closed", "disable"]
"""`disable`: the endpoint has failed for `disable_after`. Said at each further failure too, in case it was not done."""


class _Window:
    """How many attempts ended, and failed, since one to two spans ago."""

    __slots__ = ("_attempts", "_began_at", "_earlier_attempts", "_earlier_failures", "_failures", "_span", "since")

    def __init__(self, span: float, now: float) -> None:
        self._span = span
        self.since = self._began_at = now
        self._attempts = self._failures = self._earlier_attempts = self._earlier_failures = 0

    def count(self, now: float, *, failed: bool) -> None:
        if now - self._began_at >= self._span:
            # What ended longer ago than that is forgotten with it.
            follows = now - self._began_at < 2 * self._span
            self._earlier_attempts = self._attempts if follows else 0
            self._earlier_failures = self._failures if follows else 0
            self.since = self._began_at if follows else now
            self._began_at = now
            self._attempts = self._failures = 0
        self._attempts += 1
        self._failures += failed

    @property
    def attempts(self) -> int:
        return self._attempts + self._earlier_attempts

    @property
    def failures(self) -> int:
        return self._failures + self._earlier_failures


class Breaker:
    """The breaker of one endpoint. Times are unix seconds; a clock that is set back delays a probe by one interval."""

    __slots__ = (
        "_next_probe_at",
        "_on_probation_until",
        "_opened_by_ratio",
        "_policy",
        "_rng",
        "_succeeded_at",
        "_window",
        "state",
    )

    state: BreakerState
    """Replaced at each change: compare it with what was stored last."""

    def __init__(self, policy: BreakerPolicy, rng: random.Random, now: float, state: BreakerState = HEALTHY) -> None:
        """`state` as it was stored. If that is open, the first probe is somewhere in the first interval."""
        self._policy = policy
        self._rng = rng
        self.state = state
        self._succeeded_at = float("-inf")
        self._next_probe_at = now + rng.uniform(0, policy.probe_every)
        self._window = _Window(policy.failing_for, now)
        self._opened_by_ratio = False
        self._on_probation_until = float("-inf")

    def forget(self, now: float) -> None:
        """The endpoint was changed: what it did before says nothing."""
        self._window = _Window(self._policy.failing_for, now)
        self._opened_by_ratio = False
        self._on_probation_until = float("-inf")
        self.state = HEALTHY

    def may_send(self, now: float) -> float:
        """0.0 if something may be sent: anything if it is closed, one probe if it is open. Else the seconds until then.

        Say `probe` when the probe starts.
        """
        if self.state.opened_at is None:
            return 0.0
        return min(max(self._next_probe_at - now, 0.0), self._policy.probe_every * (1 + self._policy.probe_jitter))

    def probe(self, now: float) -> None:
        """A probe starts: the next one is due an interval later, whether or not this one has ended by then."""
        spread = self._policy.probe_jitter
        self._next_probe_at = now + self._policy.probe_every * self._rng.uniform(1 - spread, 1 + spread)

    def record(self, outcome: Outcome, now: float) -> Change | None:
        """An attempt ended at that time. What changed by it, if anything that others should know."""
        match outcome:
            case Delivered(milliseconds=milliseconds):
                return self._succeed(now, milliseconds / 1000)
            case Unreachable(reason="sender"):
                return None  # Our machine had no socket to spare: that says nothing about the endpoint.
            case _:
                return self._fail(now, outcome.milliseconds / 1000)

    def _succeed(self, now: float, seconds: float) -> Change | None:
        opened_at = self.state.opened_at
        self._succeeded_at = now
        self._window.count(now, failed=False)
        if opened_at is None:
            self.state = HEALTHY
            return None
        if self._opened_by_ratio:
            if now - seconds < opened_at:
                # One of the few that went through before: it is no probe.
                self.state = BreakerState(opened_at)
                return None
            self._on_probation_until = now + 2 * self._policy.failing_for
        self._window = _Window(self._policy.failing_for, now)
        self._opened_by_ratio = False
        self.state = HEALTHY
        return "closed"

    def _fails_mostly(self, now: float) -> bool:
        policy, window = self._policy, self._window
        if window.attempts < policy.attempts or window.failures < policy.ratio * window.attempts:
            return False
        return now - window.since >= policy.failing_for or now < self._on_probation_until

    def _fail(self, now: float, seconds: float) -> Change | None:
        policy, state = self._policy, self.state
        first = state.first_failure_at
        if first is None:
            # A timeout has failed for as long as it took, except for the time in which others went through.
            first = max(now - seconds, min(self._succeeded_at, now))
        failures = state.consecutive_failures + 1
        opened_at = state.opened_at
        self._window.count(now, failed=True)
        steadily = failures >= policy.failures and now - first >= policy.failing_for
        mostly = self._fails_mostly(now)
        opens = opened_at is None and (steadily or mostly)
        if opens:
            self._opened_by_ratio = not steadily
            opened_at = now
            self.probe(now)
        self.state = BreakerState(opened_at, first, failures)
        if policy.disable_after is not None and now - first >= policy.disable_after:
            return "disable"
        return "opened" if opens else None
