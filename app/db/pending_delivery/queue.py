"""The queue as the worker sees it: read what is due, and record what came of it. Both many at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg

from app.db.operational_webhook.attempt_log import subscribers
from app.db.operational_webhook.attempts import FAILURES_UNTIL_TOLD, News, NewsKind, failed_for_good, tell_of_attempts
from app.db.pending_delivery.lines import CALL_NEXT, PARK, Line
from app.db.pending_delivery.reading import DUE_OF_ENDPOINTS, DUE_OF_SHARDS, ENDPOINTS_AFTER, FIRST_OF_LINES, PAYLOADS
from app.db.pending_delivery.recording import PUT_OFF, RECORD, RECORD_AND_NOTE
from app.payload_store.stored import StoredPayload

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class WithParams:
    """A payload, and what the publisher said about how it is sent: the JSON object `transformationsParams`."""

    payload: bytes | StoredPayload = field(repr=False)
    params: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.params) + (self.payload.size if isinstance(self.payload, StoredPayload) else len(self.payload))


@dataclass(frozen=True, slots=True)
class WithReceived:
    """A payload, and the request that it arrived in (app/receiving/record.py)."""

    payload: bytes | StoredPayload = field(repr=False)
    received: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.received) + (
            self.payload.size if isinstance(self.payload, StoredPayload) else len(self.payload)
        )


# Where it is, if it is in the payload store; None: it is gone.
Payload = bytes | StoredPayload | WithParams | WithReceived | None

# Of an attempt.
_SUCCEEDED: Final = 0
_MANUAL: Final = 1


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due delivery, as it was when it was read."""

    message_id: str
    endpoint_id: str
    application_id: str
    shard: int
    tries: int
    trigger: int
    next_attempt_at: datetime
    # Of the endpoint's settings; a cached copy with another number is stale.
    revision: int
    # Of the endpoint: sends a second.
    rate_limit: int | None
    # The endpoint was deleted or disabled: the delivery ends without an attempt.
    canceled: bool
    # Which of the endpoint's lines it is in; None: in none.
    number: int | None
    # It is not the first of its line.
    waits: bool
    # Of the application, over all of its endpoints: sends a second.
    application_rate: int | None = None
    # None if it is gone, too large to come along, or was not asked for.
    payload: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> Key:
        return self.message_id, self.endpoint_id

    @property
    def line(self) -> Line | None:
        """The line that it is in; None: it is in none, and may be sent at any time."""
        return None if self.number is None else Line(self.shard, self.endpoint_id, self.number)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An endpoint that something waits for."""

    endpoint_id: str
    is_late: bool
    """Something has been due for some seconds."""


@dataclass(frozen=True, slots=True)
class Source:
    """A part of the queue to read: from `since` on, at most `room` rows."""

    since: datetime
    room: int


@dataclass(frozen=True, slots=True)
class Attempted:
    """One HTTP try, to be kept for ever."""

    id: str
    url: str
    status: int
    code: int
    response: bytes = field(repr=False)
    milliseconds: int
    # Packed (app/delivery/exchange.py); None: nothing was sent.
    exchange: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """What came of a claimed delivery: its new state, the wait before the next attempt (None: it ended)."""

    claimed: Claimed
    state: int
    delay: float | None
    attempt: Attempted | None

    @property
    def news(self) -> News | None:
        """What the organization is to know of it, if anything. What somebody just tried once more may fail silently.

        Of a resend that arrived it is news only if the delivery had failed.
        """
        attempt, tries = self.attempt, self.claimed.tries
        if attempt is None:
            return None
        if attempt.status == _SUCCEEDED:
            return self._told("recovered", attempt) if tries >= FAILURES_UNTIL_TOLD or tries < 0 else None
        if tries < 0:
            return None
        if self.delay is None:
            return self._told("exhausted", attempt)
        return self._told("failing", attempt) if tries + 1 == FAILURES_UNTIL_TOLD else None

    def _told(self, kind: NewsKind, attempt: Attempted) -> News:
        row = self.claimed
        return News(kind, row.application_id, row.endpoint_id, row.message_id, attempt.id, attempt.code)


class DeliveryQueue:
    """Reads and records due deliveries of every organization: the worker delivers for all of them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        # Whether any application is throttled: where none is, no delivery's application is looked up.
        self.throttled = True
        # The organizations that want to be told of all attempts; None until that is known.
        self.subscribers: list[str] | None = None

    async def due_of_shards(
        self, shards: Mapping[int, Source], without_endpoints: Sequence[str], *, with_payloads: bool = False
    ) -> list[Claimed]:
        """What is due in each shard, oldest first; of some endpoints only what somebody had resent.

        With small payloads at once, where that is better than a statement more.
        """
        since, room = [s.since for s in shards.values()], [s.room for s in shards.values()]
        rows = await self._pool.fetch(
            DUE_OF_SHARDS, list(shards), since, room, without_endpoints, with_payloads, self.throttled
        )
        return [Claimed(*row) for row in rows]

    async def due_of_endpoints(self, endpoints: Mapping[str, Source]) -> list[Claimed]:
        """What is due of each endpoint, oldest first."""
        since, room = [s.since for s in endpoints.values()], [s.room for s in endpoints.values()]
        rows = await self._pool.fetch(DUE_OF_ENDPOINTS, list(endpoints), since, room, self.throttled)
        return [Claimed(*row) for row in rows]

    async def first_of_lines(self, lines: Collection[Line]) -> list[Claimed]:
        """Of each line the first delivery, if that is due."""
        rows = await self._pool.fetch(FIRST_OF_LINES, *_columns(lines), self.throttled)
        return [Claimed(*row) for row in rows]

    async def park(self, waiting: Sequence[Claimed]) -> None:
        """Leave deliveries alone until it is their turn, except those whose turn it is by now."""
        lines = [row.line for row in waiting if row.line is not None]
        await self._pool.execute(
            PARK,
            [row.message_id for row in waiting],
            [line.endpoint_id for line in lines],
            [line.shard for line in lines],
            [line.number for line in lines],
            [row.next_attempt_at for row in waiting],
        )

    async def endpoints_after(self, endpoint_id: str, most: int) -> list[Waiting]:
        """The endpoints for which anything waits, in the order of their ids, from the one after `endpoint_id` on."""
        return [Waiting(*row) for row in await self._pool.fetch(ENDPOINTS_AFTER, endpoint_id, most)]

    async def now(self) -> datetime:
        """By the clock that says what is due."""
        at: datetime = await self._pool.fetchval("SELECT now()")
        return at

    async def payloads(self, message_ids: Sequence[str]) -> dict[str, Payload]:
        """The payloads of messages, byte for byte; None for one that was expunged."""
        rows = await self._pool.fetch(PAYLOADS, message_ids)
        found: dict[str, Payload] = {}
        for key, payload, size, digest, params, received in rows:
            at = StoredPayload(key, size, digest) if digest else payload
            if at is not None and params is not None:
                at = WithParams(at, params)
            elif at is not None and received is not None:
                at = WithReceived(at, received)
            found[key] = at
        return found

    async def record(self, recordings: Sequence[Recording]) -> set[Key]:
        """Keep what came of deliveries; returns those that were kept: the others had moved on meanwhile."""
        attempts = [r.attempt for r in recordings]
        columns = (
            [r.claimed.message_id for r in recordings],
            [r.claimed.endpoint_id for r in recordings],
            [r.claimed.tries for r in recordings],
            [r.state for r in recordings],
            [r.delay for r in recordings],
            [a.id if a else None for a in attempts],
            [a.url if a else None for a in attempts],
            [a.status if a else None for a in attempts],
            [a.code if a else None for a in attempts],
            [a.response if a else None for a in attempts],
            [a.milliseconds if a else None for a in attempts],
            # Replayed in bulk (replay.py): it waits its turn like what is scheduled, and somebody asked for it.
            [_MANUAL if r.claimed.tries < 0 else r.claimed.trigger for r in recordings],
            [a.exchange if a else None for a in attempts],
        )
        left = [r.claimed.line for r in recordings if r.claimed.line is not None and r.delay is None]
        news = [n for r in recordings if (n := r.news) is not None]
        if self.subscribers is None:
            await self.look_for_subscribers()
        statement, values = (RECORD_AND_NOTE, (*columns, self.subscribers)) if self.subscribers else (RECORD, columns)
        if not left and not news:
            return _keys(await self._pool.fetch(statement, *values))
        async with self._pool.acquire() as connection, connection.transaction():
            resent = [r.claimed.key for r in recordings if r.claimed.tries < 0]
            failed = await failed_for_good(connection, resent) if resent else set()
            kept = _keys(await connection.fetch(statement, *values))
            if left:
                await connection.execute(CALL_NEXT, *_columns(left))
            told = kept - (set(resent) - failed)
            if news := [n for n in news if (n.message_id, n.endpoint_id) in told]:
                await tell_of_attempts(connection, news)
        return kept

    async def look_for_subscribers(self) -> None:
        """Find out which organizations want to be told of all attempts; do it now and then."""
        self.subscribers = await subscribers(self._pool)

    async def put_off(self, claimed: Sequence[Claimed], seconds: float) -> None:
        """Leave deliveries alone for so long, of which nothing is recorded; what comes of them still may be."""
        await self._pool.execute(
            PUT_OFF,
            [row.message_id for row in claimed],
            [row.endpoint_id for row in claimed],
            [row.tries for row in claimed],
            seconds,
        )


def _keys(rows: Sequence[asyncpg.Record]) -> set[Key]:
    return {(row["message_id"], row["endpoint_id"]) for row in rows}


def _columns(lines: Collection[Line]) -> tuple[list[int], list[str], list[int]]:
    return [line.shard for line in lines], [line.endpoint_id for line in lines], [line.number for line in lines]
