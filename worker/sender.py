"""Hop 5, the second half: one claimed delivery is signed, sent, decided on and recorded."""

import asyncio
import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, assert_never

import asyncpg
from loguru import logger

from app import clock
from app.db.endpoint.sending import disable
from app.db.group_commit import GroupCommit
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording
from app.db.pending_delivery.suspects import SuspectsTable
from app.delivery import signing
from app.delivery.breaker import Change
from app.delivery.client import DeliveryClient
from app.delivery.exchange import packed
from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable
from app.delivery.retry import Done, GiveUp, RetryIn, decide
from app.settings import Settings
from worker.patience import DATABASE_ERRORS, PAUSE_SECONDS, until_done
from worker.receivers import Receiver
from worker.retry_schedules import RetrySchedules
from worker.substitute import How
from worker.suspects import MOST_BEGUN, Suspects
from worker.transformer import Ready, Transformer

DELIVERED: Final = 0
DUE: Final = 1
FAILED: Final = 2
CANCELED: Final = 4


# The receiver has its answer: an outcome may wait for others, and share their commit.
_GATHER_SECONDS: Final = 0.004
_PUT_OFF_SECONDS: Final = 60.0

_LONGEST_REASON: Final = 200
_PUT_ASIDE: Final = (
    f"{MOST_BEGUN} times the worker process ended while it sent this, which is put aside: "
    "look into the workers' logs, and resend it once the cause is mended"
)

# Whether a recording was kept, or had been superseded; or why Postgres will never take it.
_Kept = bool | Exception


class Made(NamedTuple):
    """An attempt: where it went, and how. None: nothing was sent, because the endpoint's transformation cancels it."""

    url: str
    outcome: Outcome | None


class Sender:
    """Sends for one worker process. Everything that it starts is recorded, or stays due."""

    def __init__(self, pool: asyncpg.Pool, queue: DeliveryQueue, client: DeliveryClient, settings: Settings) -> None:
        self._pool = pool
        self._queue = queue
        self._client = client
        self.schedules = RetrySchedules(pool, settings.retry_schedule)
        self._timeout = settings.worker_request_timeout
        # Seconds that any attempt takes at most that was made until now.
        self.longest_attempt = self._timeout
        self._whitelabel = settings.whitelabel_headers
        # A line for each delivery that succeeds costs more than the delivery.
        self._verbose = settings.log_level in {"trace", "debug"}
        self._rng = random.Random()
        self.suspects = Suspects(SuspectsTable(pool))
        self._transformer = Transformer(pool, settings)
        self._records: GroupCommit[Recording, _Kept] = GroupCommit(self._record, gather=_GATHER_SECONDS)
        # For these the next of their line waits.
        self._records_of_lines: GroupCommit[Recording, _Kept] = GroupCommit(self._record)

    async def send_suspect(self, claimed: Claimed, payload: bytes, receiver: Receiver, how: How | None) -> Made | None:
        """Make one attempt, in its turn, at what may have ended the process that sent it. None: it has, too often."""
        async with self.suspects.in_turn(claimed) as begun:
            return None if begun >= MOST_BEGUN else await self.send(claimed, payload, receiver, how)

    async def put_aside(self, claimed: Claimed, attempt_id: str, url: str) -> None:
        """Give up what ends each process that sends it."""
        attempt = Attempted(attempt_id, url, FAILED, 0, _PUT_ASIDE.encode(), 0)
        logger.error("{} to {}: {}", claimed.message_id, claimed.endpoint_id, _PUT_ASIDE)
        await self._keep(Recording(claimed, FAILED, None, attempt))

    async def cancel(self, claimed: Claimed) -> None:
        """End a delivery whose endpoint or payload is gone."""
        await self._keep(Recording(claimed, CANCELED, None, None))

    async def postpone(self, claimed: Claimed, seconds: float = _PUT_OFF_SECONDS) -> None:
        """Not again at once, and again, and again: it may have been sent, and nothing says so, or it cannot be."""
        try:
            await self._queue.put_off([claimed], seconds)
        except DATABASE_ERRORS as error:
            logger.warning("{} could not be put off: {}: {}", claimed.message_id, type(error).__name__, error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def record(self, claimed: Claimed, attempt_id: str, url: str, outcome: Outcome) -> Collection[int]:
        """Decide what follows from an attempt, and keep both. The shards in which something is due by it."""
        due: Collection[int] = ()
        schedule = () if isinstance(outcome, Delivered) else await self.schedules.of(claimed.message_id)
        decision = decide(outcome, tries_made=claimed.tries + 1, schedule=schedule, rng=self._rng)
        attempt = _attempted(attempt_id, url, outcome)
        match decision:
            case Done():
                recording = Recording(claimed, DELIVERED, None, attempt)
            case RetryIn(seconds=seconds):
                recording = Recording(claimed, DUE, seconds, attempt)
            case GiveUp(reason=reason, disable_endpoint=disable_endpoint):
                recording = Recording(claimed, FAILED, None, attempt)
                if disable_endpoint:
                    due = await self._disable(claimed, reason, None)
            case _:
                assert_never(decision)
        kept = await self._keep(recording)
        goes_on = claimed.line is not None and claimed.tries > 0
        if attempt.status != DELIVERED or not kept or goes_on or self._verbose:
            _log(recording, attempt, outcome, kept=kept)
        return due

    async def heed(
        self, claimed: Claimed, change: Change, failing_since: float | None, outcome: Outcome
    ) -> Collection[int]:
        """Act on what has changed about an endpoint by an outcome. The shards in which something is due by it."""
        match change:
            case "opened":
                logger.warning("{} fails steadily: from now on it gets a probe now and then", claimed.endpoint_id)
            case "closed":
                logger.info("{} answers again", claimed.endpoint_id)
            case "disable":
                since = datetime.fromtimestamp(failing_since or clock.unix(), UTC)
                reason = f"it has failed steadily since {since:%Y-%m-%d %H:%M} UTC, last with {_briefly(outcome)}"
                return await self._disable(claimed, reason, since)
            case _:
                assert_never(change)
        return ()

    async def _disable(self, claimed: Claimed, reason: str, failing_since: datetime | None) -> Collection[int]:
        endpoint_id = claimed.endpoint_id
        statement = partial(disable, self._pool, endpoint_id, claimed.revision, reason, failing_since)
        due = await until_done(f"the end of {endpoint_id} waits", statement)
        if due is not None:
            logger.warning("{} is disabled until its owner enables it again: {}", endpoint_id, reason)
        return due or ()

    async def send(self, claimed: Claimed, payload: bytes, receiver: Receiver, how: How | None = None) -> Made:
        """Make one attempt; `how` the message is sent, if there is more to it than its payload."""
        url, target, own, spent = receiver.url, receiver.target, receiver.headers, 0
        if isinstance(target, str):
            return Made(url, Blocked("url", target, 0))
        if receiver.transformation is not None:
            changed = await self._transformer.transform(claimed, payload, receiver, target, how)
            if not isinstance(changed, Ready):
                return Made(url, changed)
            url, target, own, payload, spent = changed
        elif how is not None:
            payload, own = how.body(payload), how.headers_with(own)
        now = clock.unix()
        timestamp = int(now)
        signature = signing.sign(claimed.message_id, timestamp, payload, receiver.live_keys(now))
        lines = signing.headers(claimed.message_id, timestamp, signature, whitelabel=self._whitelabel)
        headers, timeout = own + b"".join(lines), receiver.timeout or self._timeout
        self.longest_attempt = max(self.longest_attempt, timeout)
        if receiver.bearer is None:
            outcome = await self._client.post(target, headers, payload, timeout)
        else:
            outcome = await receiver.bearer.post(self._client, target, headers, payload, timeout)
        # With the transformation's, so that an endpoint whose code is slow has few deliveries in flight.
        return Made(url, replace(outcome, milliseconds=outcome.milliseconds + spent) if spent else outcome)

    async def _keep(self, recording: Recording) -> bool:
        """Record it, with those that end at the same time. False: the delivery had moved on. Raises what is our bug."""
        records = self._records if recording.claimed.line is None else self._records_of_lines
        kept = await records.put(recording)
        if isinstance(kept, Exception):
            raise kept
        return kept

    async def _record(self, recordings: Sequence[Recording]) -> list[_Kept]:
        """Waits for Postgres as long as it takes: what was sent must not be sent again for want of a record."""
        statement = partial(self._queue.record, recordings)
        try:
            kept = await until_done(f"the record of {len(recordings)} outcomes waits", statement)
        except (asyncpg.PostgresError, ValueError) as error:
            if len(recordings) == 1:
                return [error]
            # One that cannot be stored must not take its neighbours along.
            return [result for recording in recordings for result in await self._record([recording])]
        return [r.claimed.key in kept for r in recordings]


def _attempted(attempt_id: str, url: str, outcome: Outcome) -> Attempted:
    match outcome:
        case Delivered(status=code, body=body, milliseconds=milliseconds, timings=timings):
            # Without the headers of the answer: they would double the size of most attempts, and nobody asks for them.
            return Attempted(attempt_id, url, DELIVERED, code, body, milliseconds, packed(timings) if timings else None)
        case Refused(status=code, body=body, milliseconds=milliseconds, timings=timings, head=head):
            exchange = packed(timings, head) if timings else None
            return Attempted(attempt_id, url, FAILED, code, body, milliseconds, exchange)
        case Unreachable(detail=detail, milliseconds=milliseconds, timings=timings):
            exchange = packed(timings) if timings else None
            return Attempted(attempt_id, url, FAILED, 0, detail.encode(), milliseconds, exchange)
        case Blocked(detail=detail, milliseconds=milliseconds):
            return Attempted(attempt_id, url, FAILED, 0, detail.encode(), milliseconds)
        case _:
            assert_never(outcome)


def _briefly(outcome: Outcome) -> str:
    """A failure in a few words, for whoever asks why."""
    match outcome:
        case Delivered(status=code) | Refused(status=code):
            return f"status {code}"
        case Blocked(reason="transformation"):
            return "a transformation that fails"
        case Unreachable(detail=detail) | Blocked(detail=detail):
            return detail[:_LONGEST_REASON].replace("\0", "")
        case _:
            assert_never(outcome)


def _log(recording: Recording, attempt: Attempted, outcome: Outcome, *, kept: bool) -> None:
    claimed = recording.claimed
    if not kept:
        following = "superseded, not recorded"
    elif recording.delay is not None:
        waits = "" if claimed.line is None else ", and its line waits"
        following = f"next in {recording.delay:.0f} s{waits}"
    else:
        following = "no more" if claimed.line is None else "no more, and its line goes on"
    # That a line goes on is worth a word where somebody was told that it waits.
    quiet = attempt.status == DELIVERED and kept and (claimed.line is None or claimed.tries <= 0)
    kind = outcome.reason if isinstance(outcome, Unreachable | Blocked) else ""
    logger.bind(
        attempt_id=attempt.id,
        message_id=claimed.message_id,
        endpoint_id=claimed.endpoint_id,
        status_code=attempt.code,
        # What a transformation threw is its owner's, and may hold anything.
        reason="" if attempt.code or kind == "transformation" else attempt.response.decode(errors="replace"),
        # Finer than the reason, which the endpoint's owner sees too: `dns` and `address` look the same from outside.
        kind=kind,
        milliseconds=attempt.milliseconds,
    ).log("DEBUG" if quiet else "INFO", "attempt: {}", following)
