"""How much a replay, or a canceling, would do: the tasks' own walks, counted and not done, for a bounded time."""

import asyncio
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.db.pending_delivery import replay
from app.db.pending_delivery.cancel import CancelArguments
from app.db.pending_delivery.replay import ReplayArguments, Replaying, Stretch

MOST_COUNTED: Final = 10_000
# Seconds after which no other stretch is begun; one takes some milliseconds.
_BUDGET: Final = 0.02
_STRETCH: Final = 500
# As the worker's walks: planned for the arguments at hand, of which it depends how many partitions are looked into.
_PLANNED: Final = "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"

# Of so many rows at most, which is what bounds the time.
_MOST_PENDING: Final = 2 * MOST_COUNTED
_PENDING: Final = """
SELECT count(*) FILTER (WHERE message_id < $3) AS counted, count(*) AS walked FROM (
    SELECT message_id FROM pending_deliveries WHERE endpoint_id = $1 AND application_id = $2 LIMIT $4
) w
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was counted."""

    messages: int
    expired: int
    """Those that are wanted, and have no payload any more."""
    complete: bool
    reached: str | None = None
    """The last message that was looked at, where that was not all."""


async def estimate_replay(
    pool: asyncpg.Pool, application_id: str, kind: replay.Walk, wanted: ReplayArguments
) -> Estimate:
    """Count what a task would send that began now."""
    statement, about = replay.statement_of(kind, wanted), replay.about_of(kind, wanted)
    loop = asyncio.get_running_loop()
    until = loop.time() + _BUDGET
    messages = expired = 0
    after = wanted.after
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_PLANNED)
        replaying = Replaying(connection)
        target = await replaying.target(application_id, wanted.endpoint_id)
        if target is None:
            return Estimate(0, 0, complete=True)
        while True:
            stretch = Stretch(after, wanted.before, _STRETCH)
            found = await replaying.walk(statement, target, stretch, about)
            for each in found:
                messages += each.wanted and each.has_payload
                expired += each.wanted and not each.has_payload
                if messages > MOST_COUNTED:
                    return Estimate(MOST_COUNTED, expired, complete=False, reached=each.message_id)
            if len(found) < _STRETCH:
                return Estimate(messages, expired, complete=True)
            after = found[-1].message_id
            if loop.time() > until:
                return Estimate(messages, expired, complete=False, reached=after)


async def estimate_cancel(pool: asyncpg.Pool, application_id: str, wanted: CancelArguments) -> Estimate:
    """Count what would be called off now."""
    row = await pool.fetchrow(_PENDING, wanted.endpoint_id, application_id, wanted.before, _MOST_PENDING)
    complete = row["counted"] <= MOST_COUNTED and row["walked"] < _MOST_PENDING
    return Estimate(min(row["counted"], MOST_COUNTED), 0, complete=complete)
