"""Hop 5, the second half: one claimed delivery is signed, sent, decided on and recorded."""

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from typing import Final, assert_never

import asyncpg
from loguru import logger

from app import clock
from app.db.endpoint.sending import disable
from app.db.group_commit import GroupCommit
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording
from app.delivery import signing
from app.delivery.breaker import Change
from app.delivery.client import DeliveryClient
from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable
from app.delivery.retry import Done, GiveUp, RetryIn, decide
from app.settings import Settings
from worker.patience import DATABASE_ERRORS, PAUSE_SECONDS, until_done
from worker.receivers import Receiver

DELIVERED: Final = 0
DUE: Final = 1
FAILED: Final = 2
CANCELED: Final = 4


# The receiver has its answer: an outcome may wait for others, and share their commit.
_GATHER_SECONDS: Final = 0.004

# Whether a recording was kept, or had been superseded; or why Postgres will never take it.
_Kept = bool | Exception


class Sender:
    """Sends for one worker process. Everything that it starts is recorded, or stays due."""

    def __init__(self, pool: asyncpg.Pool, queue: DeliveryQueue, client: DeliveryClient, settings: Settings) -> None:
        self._pool = pool
        self._queue = queue
        self._client = client
        self._schedule = settings.retry_schedule
        self._timeout = settings.worker_request_timeout
        self._whitelabel = settings.whitelabel_headers
        # A line for each delivery that succeeds costs more than the delivery.
        self._verbose = settings.log_level in {"trace", "debug"}
        self._rng = random.Random()
        self._records: GroupCommit[Recording, _Kept] = GroupCommit(self._record, gather=_GATHER_SECONDS)

    async def cancel(self, claimed: Claimed) -> None:
        """End a delivery whose endpoint or payload is gone."""
        await self._keep(Recording(claimed, CANCELED, None, None))

    async def postpone(self, claimed: Claimed) -> None:
        """It may have been sent, and nothing says so: not again at once, and again, and again."""
        try:
            await self._queue.postpone(claimed)
        except DATABASE_ERRORS as error:
            logger.warning("{} could not be put off: {}: {}", claimed.message_id, type(error).__name__, error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def record(self, claimed: Claimed, attempt_id: str, url: str, outcome: Outcome) -> None:
        """Decide what follows from an attempt, and keep both."""
        decision = decide(outcome, tries_made=claimed.tries + 1, schedule=self._schedule, rng=self._rng)
        attempt = _attempted(attempt_id, url, outcome)
        match decision:
            case Done():
                recording = Recording(claimed, DELIVERED, None, attempt)
            case RetryIn(seconds=seconds):
                recording = Recording(claimed, DUE, seconds, attempt)
            case GiveUp(disable_endpoint=disable_endpoint):
                recording = Recording(claimed, FAILED, None, attempt)
                if disable_endpoint:
                    await self._disable(claimed.endpoint_id)
            case _:
                assert_never(decision)
        kept = await self._keep(recording)
        if attempt.status != DELIVERED or not kept or self._verbose:
            _log(recording, attempt, kept=kept)

    async def heed(self, endpoint_id: str, change: Change) -> None:
        """Act on what has changed about an endpoint by an outcome."""
        match change:
            case "opened":
                logger.warning("{} fails steadily: from now on it gets a probe now and then", endpoint_id)
            case "closed":
                logger.info("{} answers again", endpoint_id)
            case "disable":
                logger.warning("{} has failed for too long and is disabled", endpoint_id)
                await self._disable(endpoint_id)
            case _:
                assert_never(change)

    async def _disable(self, endpoint_id: str) -> None:
        await until_done(f"the end of {endpoint_id} waits", partial(disable, self._pool, endpoint_id))

    async def send(self, claimed: Claimed, payload: bytes, receiver: Receiver) -> Outcome:
        """Make one attempt."""
        if isinstance(receiver.target, str):
            return Blocked("url", receiver.target, 0)
        now = clock.unix()
        timestamp = int(now)
        signature = signing.sign(claimed.message_id, timestamp, payload, receiver.live_keys(now))
        lines = signing.headers(claimed.message_id, timestamp, signature, whitelabel=self._whitelabel)
        return await self._client.post(receiver.target, receiver.headers + b"".join(lines), payload, self._timeout)

    async def _keep(self, recording: Recording) -> bool:
        """Record it, with those that end at the same time. False: the delivery had moved on. Raises what is our bug."""
        kept = await self._records.put(recording)
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
        case Delivered(status=code, body=body, milliseconds=milliseconds):
            return Attempted(attempt_id, url, DELIVERED, code, body, milliseconds)
        case Refused(status=code, body=body, milliseconds=milliseconds):
            return Attempted(attempt_id, url, FAILED, code, body, milliseconds)
        case Unreachable(detail=detail, milliseconds=milliseconds) | Blocked(detail=detail, milliseconds=milliseconds):
            return Attempted(attempt_id, url, FAILED, 0, detail.encode(), milliseconds)
        case _:
            assert_never(outcome)


def _log(recording: Recording, attempt: Attempted, *, kept: bool) -> None:
    claimed = recording.claimed
    if not kept:
        following = "superseded, not recorded"
    elif recording.delay is not None:
        following = f"next in {recording.delay:.0f} s"
    else:
        following = "no more"
    logger.bind(
        attempt_id=attempt.id,
        message_id=claimed.message_id,
        endpoint_id=claimed.endpoint_id,
        status_code=attempt.code,
        reason="" if attempt.code else attempt.response.decode(errors="replace"),
        milliseconds=attempt.milliseconds,
    ).log("DEBUG" if attempt.status == DELIVERED and kept else "INFO", "attempt: {}", following)
