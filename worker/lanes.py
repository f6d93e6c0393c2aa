"""How much each endpoint may be sent now: by rates, its own and its application's, and by how it has been answering."""

import random
from collections.abc import Collection, Iterable
from math import inf
from time import monotonic
from typing import Final

from app import clock
from app.db.endpoint_health.table import EndpointHealth, EndpointHealthTable
from app.db.pending_delivery.queue import Claimed
from app.delivery.breaker import HEALTHY, Breaker, BreakerPolicy, BreakerState, Change
from app.delivery.concurrency import Concurrency
from app.delivery.limiter import RateLimit
from app.delivery.outcome import Outcome
from app.delivery.pause import Pause
from app.delivery.permits import Permits
from worker.throttles import Throttles

# Seconds without a send after which an endpoint that is well is forgotten. More than the 10 that its rate looks back.
_FORGOTTEN_AFTER: Final = 60.0
# Trigger of a delivery that somebody asked for (a resend); so many at once go to an endpoint whose breaker is open.
_MANUAL: Final = 1
_MOST_MANUAL: Final = 4
# An endpoint that waits for its rate for less is not said to be throttled.
_THROTTLED_AFTER: Final = 1.0
_LOOK_SECONDS: Final = 1.0


class Lane:
    """One endpoint, as this process sends to it."""

    __slots__ = (
        "_breaker",
        "_ceiling",
        "_concurrency",
        "_learned_under",
        "_limit",
        "_pause",
        "_revision",
        "_stored",
        "_throttled_since",
        "_used_at",
        "claimed",
        "endpoint_id",
        "in_flight",
        "shard",
        "throttle",
    )

    def __init__(self, policy: BreakerPolicy, rng: random.Random, ceiling: int, health: EndpointHealth) -> None:
        self.endpoint_id = health.endpoint_id
        # What is being sent, and what was claimed and is not recorded yet.
        self.in_flight = 0
        self.claimed = 0
        self.shard = -1
        state = BreakerState(health.opened_at, health.first_failure_at, health.consecutive_failures)
        self._breaker = Breaker(policy, rng, clock.unix(), state)
        self._pause = Pause(health.paused_until or 0.0)
        self._ceiling = ceiling
        self._concurrency = Concurrency(ceiling)
        self._limit: RateLimit | None = None
        self._revision = 0
        self._learned_under = health.revision
        self._stored = health
        self._throttled_since = health.throttled_since
        self._used_at = monotonic()
        # What this process may send to all endpoints of the application; None: as much as they bear.
        self.throttle: Permits | None = None

    def heed(self, row: Claimed) -> None:
        """Take over the endpoint's settings as of a claimed row.

        Whoever changed or enabled it wants it tried again at once: what was learned before then is forgotten, also what
        another process learned, or this one before it was started anew.
        """
        self.shard = row.shard
        if row.revision <= self._revision:
            return
        self.notice(row.revision)
        self._revision = row.revision
        if row.rate_limit is None:
            self._limit = None
        elif self._limit is None or self._limit.per_second != row.rate_limit:
            self._limit = RateLimit(row.rate_limit)
            # What was sent a moment ago, by another process or under another limit, is not known: as much as allowed.
            self._limit.seed([monotonic()])

    def notice(self, revision: int) -> None:
        """The endpoint's settings are of this revision: forget what was learned under an earlier one."""
        if 0 < self._learned_under < revision:
            self._breaker.forget(clock.unix())
            self._pause = Pause(0.0)
        self._learned_under = max(self._learned_under, revision)

    @property
    def is_barred(self) -> bool:
        """Whether nothing is sent to it but probes, or nothing at all until it is time."""
        return self._breaker.state.opened_at is not None or self._pause.wait(clock.unix()) > 0

    def room(self) -> int:
        """How many sends may start now."""
        wall = clock.unix()
        if self._pause.wait(wall) > 0:
            return 0
        if self._breaker.state.opened_at is None:
            free = self._concurrency.slots - self.in_flight
        else:
            free = 0 if self._breaker.may_send(wall) > 0 else 1
        if self._limit is not None:
            free = min(free, self._limit.room(monotonic()))
        if self.throttle is not None:
            free = min(free, self.throttle.room(monotonic()))
        return max(free, 0)

    def admits(self, row: Claimed) -> bool:
        """Whether a claimed row may be started now.

        What is only to be canceled always may. What somebody had resent does not wait for a probe of the breaker: it is
        one.
        """
        if row.canceled or self.room() > 0:
            return True
        if row.trigger != _MANUAL or self._breaker.state.opened_at is None or self.in_flight >= _MOST_MANUAL:
            return False
        limited = self._limit is not None and self._limit.room(monotonic()) <= 0
        throttled = self.throttle is not None and self.throttle.room(monotonic()) <= 0
        return not limited and not throttled and self._pause.wait(clock.unix()) <= 0

    def has_good_room(self) -> bool:
        """Whether it is worth while to read what waits: not one by one, where many are under way, but by its rate.

        As far as the endpoint goes: its application may be throttled.
        """
        return self._own_wait() <= 0

    def wait(self) -> float:
        """Seconds until it has good room, if no send ends meanwhile: inf if that is what it takes."""
        waits = self._own_wait()
        return waits if self.throttle is None else max(waits, self.throttle.wait(monotonic()))

    def _own_wait(self) -> float:
        wall = clock.unix()
        if (paused := self._pause.wait(wall)) > 0:
            return paused
        if self._breaker.state.opened_at is not None:
            waits = self._breaker.may_send(wall)
        elif self._concurrency.slots - self.in_flight <= (self.in_flight // 8 if self._limit is None else 0):
            return inf
        else:
            waits = 0.0
        return waits if self._limit is None else max(waits, self._limit.wait(monotonic()))

    def start(self, *, sends: bool = True) -> None:
        """Something is begun. What is only to be canceled sends nothing: its application's rate is left to others."""
        self.in_flight += 1
        self.claimed += 1
        self._used_at = monotonic()
        if self._limit is not None:
            self._limit.take(self._used_at)
        if self.throttle is not None and sends:
            self.throttle.take(self._used_at)
        if self._breaker.state.opened_at is not None:
            self._breaker.probe(clock.unix())

    def answer(self, outcome: Outcome | None) -> Change | None:
        """A send ended; None if there was none after all. What changed by it. Its record may still be to come."""
        now, wall = monotonic(), clock.unix()
        change = None
        if outcome is not None:
            self._concurrency.record(outcome, now, self.in_flight)
            self._pause.record(outcome, wall)
            change = self._breaker.record(outcome, wall)
            if change == "closed":
                # What it bore before it fell says nothing now.
                self._concurrency = Concurrency(self._ceiling)
        self.in_flight -= 1
        return change

    def finish(self) -> None:
        """It is recorded, or given back to the queue."""
        self.claimed -= 1

    def hand_over(self) -> None:
        """Another process sends to it from now on. What is in flight here ends; what it is sent there is not known."""
        self._revision = 0
        self._limit = None
        self.throttle = None

    @property
    def health(self) -> EndpointHealth:
        state = self._breaker.state
        paused_until = self._pause.until or None
        return EndpointHealth(
            self.endpoint_id,
            state.opened_at,
            state.first_failure_at,
            state.consecutive_failures,
            paused_until,
            self._learned_under,
            self._shown_throttled_since,
        )

    @property
    def _shown_throttled_since(self) -> float | None:
        since = self._throttled_since
        return since if since is not None and clock.unix() - since >= _THROTTLED_AFTER else None

    def note_waiting(self, *, waits: bool) -> None:
        """Say whether more is due than could be sent. It is throttled if nothing but a rate is in the way."""
        has_rate = self._limit is not None or self.throttle is not None
        has_slots = self._concurrency.slots > self.in_flight and self._pause.wait(clock.unix()) <= 0
        if not (waits and has_rate and has_slots and self._breaker.state.opened_at is None):
            self._throttled_since = None
        elif self._throttled_since is None:
            self._throttled_since = clock.unix()

    @property
    def failing_since(self) -> float | None:
        """The unix second at which the first attempt began that failed since the last success; None if it is well."""
        return self._breaker.state.first_failure_at

    def unstored(self) -> EndpointHealth | None:
        """How it is, if that is not what was stored last."""
        health = self.health
        return None if health == self._stored else health

    def was_stored(self, health: EndpointHealth) -> None:
        self._stored = health

    def is_idle(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting it."""
        is_well = self._breaker.state == HEALTHY and self._pause.wait(clock.unix()) == 0
        return is_well and not self.claimed and now - self._used_at > _FORGOTTEN_AFTER and self.unstored() is None


class Lanes:
    """The lanes of one worker process. `ceiling` is the most that one endpoint may have in flight."""

    def __init__(self, table: EndpointHealthTable, policy: BreakerPolicy, ceiling: int, throttles: Throttles) -> None:
        self._table = table
        self.throttles = throttles
        self._policy = policy
        self._ceiling = ceiling
        self._rng = random.Random()
        self._lanes: dict[str, Lane] = {}
        self._looked_at = 0.0

    async def open(self, rows: Iterable[Claimed]) -> None:
        """Have a lane for the endpoint of each row, going on from how it was left by whichever process."""
        missing = {row.endpoint_id for row in rows} - self._lanes.keys()
        if missing:
            known = await self._table.load(list(missing))
            for endpoint_id in missing:
                health = known.get(endpoint_id) or EndpointHealth(endpoint_id)
                self._lanes.setdefault(endpoint_id, Lane(self._policy, self._rng, self._ceiling, health))

    def of(self, endpoint_id: str) -> Lane:
        """KeyError if it was not opened."""
        return self._lanes[endpoint_id]

    async def look_for_changes(self, waiting: Collection[str]) -> None:
        """Of those that wait, who is barred may have been changed: no row of theirs is read that would tell."""
        if monotonic() - self._looked_at < _LOOK_SECONDS:
            return
        barred = [key for key in waiting if (lane := self._lanes.get(key)) is not None and lane.is_barred]
        if barred:
            for endpoint_id, revision in await self._table.revisions(barred):
                if (lane := self._lanes.get(endpoint_id)) is not None:
                    lane.notice(revision)
        self._looked_at = monotonic()

    async def keep(self, waiting: Collection[str]) -> None:
        """Store how endpoints are, where that changed, and forget those that are well, idle, and not `waiting`."""
        for key, each in self._lanes.items():
            each.note_waiting(waits=key in waiting)
        changed = [health for lane in self._lanes.values() if (health := lane.unstored()) is not None]
        if changed:
            await self._table.store(changed)
            for health in changed:
                if (lane := self._lanes.get(health.endpoint_id)) is not None:
                    lane.was_stored(health)
        now = monotonic()
        for key in [key for key, lane in self._lanes.items() if key not in waiting and lane.is_idle(now)]:
            del self._lanes[key]

    def forget(self, shards: Collection[int]) -> None:
        """Another process sends to the endpoints of these from now on: what it learns is not known here."""
        for endpoint_id, lane in list(self._lanes.items()):
            if lane.shard in shards:
                if lane.claimed:
                    lane.hand_over()
                else:
                    del self._lanes[endpoint_id]
