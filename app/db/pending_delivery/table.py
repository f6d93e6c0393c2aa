"""The SQL of the API about pending deliveries; the worker's is in queue.py."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Bounded, so that a long backlog cannot make a deletion time out: the worker cancels the rest when it reads it.
_MOST_AT_ONCE: Final = 20_000

# What it protects: a canceled delivery leaves the queue and enters history in one step, and one that ended before (and
# was queued again by a resend) keeps its outcome. Rows that the worker is recording are left to it, without waiting.
_CANCEL: Final = """
WITH found AS (
    SELECT message_id, endpoint_id FROM pending_deliveries WHERE {condition}
    LIMIT :most FOR UPDATE SKIP LOCKED
), canceled AS (
    DELETE FROM pending_deliveries p USING found f
    WHERE p.message_id = f.message_id AND p.endpoint_id = f.endpoint_id
    RETURNING p.message_id, p.endpoint_id, p.application_id, p.tries
)
INSERT INTO deliveries AS d (message_id, endpoint_id, application_id, state, attempts)
SELECT message_id, endpoint_id, application_id, 4, greatest(tries, 0) FROM canceled
ON CONFLICT (message_id, endpoint_id) DO UPDATE SET state = 4, updated_at = now() WHERE d.state = 1
"""
_OF_ENDPOINT: Final = "endpoint_id = :endpoint_id AND application_id = :application_id"
# Endpoints that were deleted before had their deliveries canceled then.
_LIVE_ENDPOINTS: Final = "SELECT id FROM endpoints WHERE application_id = :application_id AND deleted_at IS NULL"
_OF_APPLICATION: Final = f"endpoint_id IN ({_LIVE_ENDPOINTS})"

# What of the canceled was left, and is parked in a line whose first is gone: the worker cancels what it can read.
_UNPARK: Final = """
UPDATE pending_deliveries p SET next_attempt_at = now()
FROM (
    SELECT message_id, endpoint_id FROM pending_deliveries WHERE {condition} AND next_attempt_at = 'infinity'
    LIMIT :most FOR UPDATE SKIP LOCKED
) f
WHERE p.message_id = f.message_id AND p.endpoint_id = f.endpoint_id
"""

# A delivery that waits for a retry becomes due now, at the same place in its schedule and in its line; one that ended
# is queued for one attempt outside of any schedule, which is what -1 tries mean (app/delivery/retry.py), and at the end
# of its line if the endpoint is ordered.
_RESEND: Final = text("""
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, tries, trigger, position, line)
SELECT :message_id, e.id, e.application_id, e.shard, -1, 1,
       CASE WHEN e.ordered_by IS NOT NULL THEN next_position() END,
       CASE WHEN e.ordered_by IS NOT NULL
            THEN line_of(coalesce(CAST(:payload AS bytea), (SELECT m.payload FROM messages m WHERE m.id = :message_id)),
                         e.ordered_by) END
FROM endpoints e WHERE e.id = :endpoint_id AND e.application_id = :application_id
ON CONFLICT (message_id, endpoint_id) DO UPDATE SET trigger = 1, next_attempt_at = now()
RETURNING xmax = 0 AS inserted
""")

# What it protects: the ledger counts a delivery that was made after its message was published, once. A statement of its
# own: the one before may have waited for the worker that recorded the end of this delivery, which only now can be seen.
_COUNT_NEW: Final = text("""
UPDATE messages SET deliveries = deliveries + 1
WHERE id = :message_id AND application_id = :application_id
  AND NOT EXISTS (SELECT FROM deliveries WHERE message_id = :message_id AND endpoint_id = :endpoint_id)
""")

_HURRY: Final = text("""
UPDATE pending_deliveries SET next_attempt_at = now()
WHERE message_id = ANY (:message_ids) AND application_id = :application_id AND position IS NOT NULL
  AND isfinite(next_attempt_at)
RETURNING shard
""")


class PendingDeliveriesTable:
    """The pending deliveries of one application."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def cancel_of_endpoint(self, application_id: str, endpoint_id: str) -> None:
        """End what is still to do for an endpoint."""
        await self._cancel(_OF_ENDPOINT, {"application_id": application_id, "endpoint_id": endpoint_id})

    async def cancel_of_application(self, application_id: str) -> None:
        """End what is still to do for all endpoints of an application."""
        await self._cancel(_OF_APPLICATION, {"application_id": application_id})

    async def _cancel(self, condition: str, values: dict[str, str]) -> None:
        for statement in (_CANCEL, _UNPARK):
            sql = text(statement.format(condition=condition))
            await self._session.execute(sql, {**values, "most": _MOST_AT_ONCE})

    async def hurry_in_lines(self, application_id: str, message_ids: Collection[str]) -> set[int]:
        """Where others wait for the next attempt of messages, make it due now; the shards in which it is."""
        values = {"application_id": application_id, "message_ids": list(message_ids)}
        return set((await self._session.execute(_HURRY, values)).scalars())

    async def resend(
        self, application_id: str, message_id: str, endpoint_id: str, payload: bytes | None = None
    ) -> None:
        """Make the delivery of a message to an endpoint due now, because somebody asked for it.

        `payload`, if it is in the payload store, and the endpoint is ordered by it.
        """
        values = {
            "application_id": application_id,
            "message_id": message_id,
            "endpoint_id": endpoint_id,
        }
        if (await self._session.execute(_RESEND, {**values, "payload": payload})).scalar_one_or_none():
            await self._session.execute(_COUNT_NEW, values)
