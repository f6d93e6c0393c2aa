"""What is due in the shards that this process owns, read as far as there is room for it.

An endpoint whose lane is full is read on for by itself, once there is room, and not with its shard. Of a line (the
deliveries of an ordered endpoint that must arrive one after the other) only the first is started; those behind it are
parked, so that nobody reads them again before it is their turn.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from time import monotonic
from typing import Final

from cachetools import TTLCache

from app.db.pending_delivery.lines import Line
from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Source
from app.delivery.permits import Permits
from worker.holdings import BEGINNING, Holdings
from worker.in_flight import InFlight
from worker.lanes import Lane, Lanes

# Rows become visible in another order than their times. So each reading begins a little before the last row that was
# seen, and now and then one begins some seconds before it, for a commit that took long.
_OVERLAP: Final = timedelta(milliseconds=30)
_GLANCE_BACK: Final = timedelta(seconds=10)
_GLANCE_SECONDS: Final = 0.25
_GLANCE_PAUSES: Final = 8
# Never again from its beginning, because that is a walk over all that waits for endpoints that are full. What is lost
# from sight is found by looking at the first delivery of each endpoint.
_PATROL_SECONDS: Final = 10.0
_PATROL_ENDPOINTS: Final = 500
_REREAD_SECONDS: Final = 0.25
_FEW: Final = 16
# Starts of one reading. What is started at once is in the way of what comes a moment later, whoever it is for.
MOST_STARTS: Final = 128
_LEAST_SHARE: Final = 8
# Of those that are behind, while others get what little they have: that leaves the cores time for them.
_GENTLE_STARTS: Final = 16
_NEIGHBOUR_SECONDS: Final = 0.1
# For so long an endpoint that was behind is none of the others.
_HEAVY_SECONDS: Final = 1.0


@dataclass(slots=True)
class Behind:
    """How far an endpoint that is behind was read, and at most how many are under way of what is due then."""

    shard: int
    up_to: datetime
    under_way: int

    def pass_by(self, at: datetime) -> None:
        if at > self.up_to:
            self.up_to, self.under_way = at, 0
        self.under_way += 1


class Reader:
    """Claims due deliveries for one drain, and knows how far it has read. One reading at a time."""

    def __init__(self, queue: DeliveryQueue, holdings: Holdings, in_flight: InFlight, lanes: Lanes) -> None:
        self._queue = queue
        self._holdings = holdings
        self._in_flight = in_flight
        self._lanes = lanes
        # Endpoints whose lane was full when the reading passed their rows.
        self.behind: dict[str, Behind] = {}
        # Endpoints that were behind a moment ago, and when something was last started for another one.
        self._heavy: TTLCache[str, None] = TTLCache(10_000, _HEAVY_SECONDS)
        self._neighbours_at = 0.0
        self._all_read = True
        self._glanced_at = 0.0
        self._glance_took = 0.0
        # The database's time, and when it was that.
        self._clock = BEGINNING, monotonic()
        self._patrolled_at = monotonic()
        self._patrolled_to = ""
        self._reread_at = 0.0

    def look_again(self) -> float:
        """Seconds until an endpoint that is behind may have room, if nothing ends meanwhile."""
        held = self._holdings.held()
        return min(
            (self._lanes.of(key).wait() for key, place in self.behind.items() if place.shard in held), default=inf
        )

    async def claim(self, held: Collection[int], due: list[Claimed]) -> None:
        """Count what is due, and has room, as in flight, and add it to `due`: also to be found there after an error."""
        self._in_flight.begin_reading()
        await self._claim_of_shards(held, due)
        await self._patrol()
        await self._lanes.look_for_changes(self.behind)
        await self._claim_of_those_behind(due)

    async def claim_next(self, lines: Collection[Line], due: list[Claimed]) -> None:
        """As `claim`, of lines whose first delivery has ended: it is another's turn, if that is due.

        Where others of the endpoint wait for room, it takes its turn among them: a long line does not overtake a
        short one.
        """
        self._in_flight.begin_reading()
        rows = await self._queue.first_of_lines([line for line in lines if self._holdings.is_held(line.shard)])
        await self._lanes.open(rows)
        for row in rows:
            if not self._in_flight.is_new(row) or row.endpoint_id in self.behind:
                continue
            if not self._holdings.is_held(row.shard) or self._in_flight.room <= 0 or not self._start(row, due):
                self._fall_behind(row)

    def give_back(self, rows: Iterable[Claimed]) -> None:
        """Give claimed rows back to the queue, unsent; the next reading begins before them."""
        for row in rows:
            lane = self._lanes.of(row.endpoint_id)
            lane.answer(None)
            lane.finish()
            self._in_flight.finish(row)
            if (holding := self._holdings.of(row.shard)) is not None:
                holding.since = min(holding.since, row.next_attempt_at)
        self._reread_at = 0.0

    def forget(self, shards: Collection[int]) -> None:
        """These are another process's from now on."""
        for endpoint_id in [key for key, place in self.behind.items() if place.shard in shards]:
            del self.behind[endpoint_id]

    async def _claim_of_shards(self, held: Collection[int], due: list[Claimed]) -> None:
        room, now = min(self._in_flight.room, MOST_STARTS), monotonic()
        # Less often where it takes long, because much came in the last seconds.
        glances = now - self._glanced_at > max(_GLANCE_SECONDS, _GLANCE_PAUSES * self._glance_took)
        if glances:
            self._clock = await self._queue.now(), monotonic()
        read_at = self._clock[0] + timedelta(seconds=monotonic() - self._clock[1])
        holdings = {number: holding for number in held if (holding := self._holdings.of(number)) is not None}
        # Of all shards together not much more than may start, and most of it where there was more the last time.
        with_more = sum(holding.has_more for holding in holdings.values())
        share = max(2 * room // max(with_more, 1), _LEAST_SHARE)
        sources = {}
        for number, holding in holdings.items():
            since = holding.since
            if glances and since > BEGINNING + _GLANCE_BACK:
                since -= _GLANCE_BACK
            reach = min(room, share if holding.has_more else 2 * _LEAST_SHARE)
            sources[number] = Source(since, reach + self._in_flight.of_shard(number))
        # Where little is under way, one statement less is what counts; else, that nothing is read twice.
        lean = len(self._in_flight) <= _FEW
        rows = await self._queue.due_of_shards(sources, list(self.behind), with_payloads=lean)
        if glances:
            self._glanced_at = monotonic()
            self._glance_took = self._glanced_at - now
        await self._lanes.open(rows)
        rows.sort(key=lambda row: row.next_attempt_at)
        counts, unread = Counter(row.shard for row in rows), set[int]()
        for row in rows:
            holding = self._holdings.of(row.shard)
            if holding is None:
                continue
            if room <= len(due):
                holding.since = min(holding.since, row.next_attempt_at)
                unread.add(row.shard)
                self._holdings.touch(row.shard)  # It is not idle: others are in its way.
                continue
            holding.since = max(holding.since, row.next_attempt_at - _OVERLAP)
            if not self._in_flight.is_new(row) or row.waits:
                continue
            if not self._start(row, due):
                self._fall_behind(row)
            elif row.endpoint_id not in self._heavy:
                self._neighbours_at = now
        for number, source in sources.items():
            holding = self._holdings.of(number)
            if holding is None:
                continue
            holding.has_more = counts[number] >= source.room or number in unread
            if not holding.has_more:
                # It was read to its end: never again over what was passed because its endpoint is behind.
                holding.since = max(holding.since, read_at - _OVERLAP)
        self._all_read = not any(holding.has_more for holding in holdings.values())
        await self._park(rows)

    async def _patrol(self) -> None:
        """Endpoints of which something has been due for a while may be lost from sight: they are read by themselves."""
        if not self._patrolled_to and monotonic() - self._patrolled_at < _PATROL_SECONDS:
            return
        found = await self._queue.endpoints_after(self._patrolled_to, _PATROL_ENDPOINTS)
        self._patrolled_to = found[-1].endpoint_id if len(found) == _PATROL_ENDPOINTS else ""
        self._patrolled_at = monotonic()
        late = [f.endpoint_id for f in found if f.is_late and f.endpoint_id not in self.behind]
        if not late:
            return
        rows = await self._queue.due_of_endpoints({endpoint_id: Source(BEGINNING, 1) for endpoint_id in late})
        await self._lanes.open(rows)
        for row in rows:
            if self._holdings.is_held(row.shard):
                self._fall_behind(row)

    async def _claim_of_those_behind(self, due: list[Claimed]) -> None:
        """Endpoints that could not take all that was due: read on for those whose lane has a good deal of room again.

        Now and then from their beginning, for what became visible late or was returned.
        """
        now = monotonic()
        rereads = now - self._reread_at > _REREAD_SECONDS
        ready = {
            endpoint_id: lane
            for endpoint_id, place in self.behind.items()
            if (lane := self._lanes.of(endpoint_id)).has_good_room() and self._holdings.is_held(place.shard)
        }
        if not ready or self._in_flight.room <= 0:
            return
        allowed: dict[str, int] = {}
        if any(lane.throttle is not None for lane in ready.values()):
            allowed = await self._allowed(ready)
            # Some may be another process's by now.
            ready = {key: lane for key, lane in ready.items() if allowed.get(key, 1) > 0 and key in self.behind}
            if not ready:
                return
        if self._all_read and now - self._neighbours_at < _NEIGHBOUR_SECONDS:
            share = max(_GENTLE_STARTS // len(ready), 1)
        else:
            # At least half of a reading is for them, whatever comes for others.
            share = max(max(MOST_STARTS - len(due), MOST_STARTS // 2) // len(ready), _LEAST_SHARE)
        sources: dict[str, Source] = {}
        for endpoint_id, lane in ready.items():
            place, room = self.behind[endpoint_id], min(lane.room(), share, allowed.get(endpoint_id, share))
            # What is under way is still there to be read.
            passed = lane.claimed if rereads else min(place.under_way, lane.claimed)
            sources[endpoint_id] = Source(BEGINNING if rereads else place.up_to, passed + room)
        if rereads:
            self._reread_at = now
        rows = await self._queue.due_of_endpoints(sources)
        await self._lanes.open(rows)
        rows.sort(key=lambda row: row.next_attempt_at)
        left = Counter(row.endpoint_id for row in rows)
        for row in rows:
            if not self._in_flight.is_new(row):
                continue
            endpoint_id = row.endpoint_id
            if not row.waits and (
                self._holdings.of(row.shard) is None or self._in_flight.room <= 0 or not self._start(row, due)
            ):
                left[endpoint_id] = sources[endpoint_id].room  # Not all that was read is started.
            elif (waiting := self.behind.get(endpoint_id)) is not None:
                # Else its shard is another process's, since this was read.
                waiting.pass_by(row.next_attempt_at)
        for endpoint_id, source in sources.items():
            if left[endpoint_id] < source.room:
                self._heavy[endpoint_id] = None
                self.behind.pop(endpoint_id, None)
        await self._park(rows)

    async def _allowed(self, ready: Mapping[str, Lane]) -> dict[str, int]:
        """Of each endpoint whose application is throttled, how many may be started: those that wait longest first.

        What an application may have in all is shared out before anything is read, however many its endpoints are.
        """
        waiting: defaultdict[Permits, list[str]] = defaultdict(list)
        for endpoint_id in sorted(ready, key=lambda key: self.behind[key].up_to):
            if (throttle := ready[endpoint_id].throttle) is not None:
                waiting[throttle].append(endpoint_id)
        await self._lanes.throttles.replenish(waiting.keys())
        allowed = {}
        for throttle, endpoint_ids in waiting.items():
            room = throttle.room(monotonic())
            share = -(-room // len(endpoint_ids))
            for endpoint_id in endpoint_ids:
                allowed[endpoint_id] = min(share, room)
                room -= allowed[endpoint_id]
        return allowed

    def _start(self, row: Claimed, due: list[Claimed]) -> bool:
        """Count a row as in flight, if its endpoint's lane admits it."""
        lane = self._lanes.of(row.endpoint_id)
        lane.heed(row)
        if row.application_rate is not None or lane.throttle is not None:
            lane.throttle = self._lanes.throttles.of(row.application_id, row.application_rate)
        if not lane.admits(row):
            return False
        lane.start(sends=not row.canceled)
        self._in_flight.start(row)
        self._holdings.touch(row.shard)
        due.append(row)
        return True

    def _fall_behind(self, row: Claimed) -> None:
        self._heavy[row.endpoint_id] = None
        lane = self._lanes.of(row.endpoint_id)
        self.behind.setdefault(row.endpoint_id, Behind(row.shard, row.next_attempt_at, lane.claimed))

    async def _park(self, rows: Iterable[Claimed]) -> None:
        waiting = [row for row in rows if row.waits and self._holdings.is_held(row.shard)]
        if waiting:
            await self._queue.park(waiting)
