"""When to stop sending to an endpoint that fails steadily, how to notice that it is back, and when to give it up.

Closed: everything is sent. Open: one probe every twenty seconds or so, everything else waits. The first success closes
it. Any answer but 2xx is a failure here, because the sender's cost is the same, and any success ends the row of them.
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
    """... that have gone on for so long, from the beginning of the first one."""
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


class Breaker:
    """The breaker of one endpoint. Times are unix seconds; a clock that is set back delays a probe by one interval."""

    __slots__ = ("_next_probe_at", "_policy", "_rng", "_succeeded_at", "state")

    state: BreakerState
    """Replaced at each change: compare it with what was stored last."""

    def __init__(self, policy: BreakerPolicy, rng: random.Random, now: float, state: BreakerState = HEALTHY) -> None:
        """`state` as it was stored. If that is open, the first probe is somewhere in the first interval."""
        self._policy = policy
        self._rng = rng
        self.state = state
        self._succeeded_at = float("-inf")
        self._next_probe_at = now + rng.uniform(0, policy.probe_every)

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
            case Delivered():
                return self._succeed(now)
            case Unreachable(reason="sender"):
                return None  # Our machine had no socket to spare: that says nothing about the endpoint.
            case _:
                return self._fail(now, outcome.milliseconds / 1000)

    def _succeed(self, now: float) -> Change | None:
        was_open = self.state.opened_at is not None
        self._succeeded_at = now
        self.state = HEALTHY
        return "closed" if was_open else None

    def _fail(self, now: float, seconds: float) -> Change | None:
        policy, state = self._policy, self.state
        first = state.first_failure_at
        if first is None:
            # A timeout has failed for as long as it took, except for the time in which others went through.
            first = max(now - seconds, min(self._succeeded_at, now))
        failures = state.consecutive_failures + 1
        opened_at = state.opened_at
        opens = opened_at is None and failures >= policy.failures and now - first >= policy.failing_for
        if opens:
            opened_at = now
            self.probe(now)
        self.state = BreakerState(opened_at, first, failures)
        if policy.disable_after is not None and now - first >= policy.disable_after:
            return "disable"
        return "opened" if opens else None
