"""The SQL of the API about pending deliveries; the worker's is in queue.py."""

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
_CANCEL_OF_ENDPOINT: Final = text(
    _CANCEL.format(condition="endpoint_id = :endpoint_id AND application_id = :application_id")
)
# Endpoints that were deleted before had their deliveries canceled then.
_LIVE_ENDPOINTS: Final = "SELECT id FROM endpoints WHERE application_id = :application_id AND deleted_at IS NULL"
_CANCEL_OF_APPLICATION: Final = text(_CANCEL.format(condition=f"endpoint_id IN ({_LIVE_ENDPOINTS})"))

# A delivery that waits for a retry becomes due now, at the same place in its schedule; one that ended is queued for one
# attempt outside of any schedule, which is what -1 tries mean (app/delivery/retry.py).
_RESEND: Final = text("""
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, tries, trigger, next_attempt_at)
VALUES (:message_id, :endpoint_id, :application_id, :shard, -1, 1, now())
ON CONFLICT (message_id, endpoint_id) DO UPDATE SET trigger = 1, next_attempt_at = now()
""")


class PendingDeliveriesTable:
    """The pending deliveries of one application."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def cancel_of_endpoint(self, application_id: str, endpoint_id: str) -> None:
        """End what is still to do for an endpoint."""
        values = {"application_id": application_id, "endpoint_id": endpoint_id, "most": _MOST_AT_ONCE}
        await self._session.execute(_CANCEL_OF_ENDPOINT, values)

    async def cancel_of_application(self, application_id: str) -> None:
        """End what is still to do for all endpoints of an application."""
        await self._session.execute(_CANCEL_OF_APPLICATION, {"application_id": application_id, "most": _MOST_AT_ONCE})

    async def resend(self, application_id: str, message_id: str, endpoint_id: str, shard: int) -> None:
        """Make the delivery of a message to an endpoint due now, because somebody asked for it."""
        values = {
            "application_id": application_id,
            "message_id": message_id,
            "endpoint_id": endpoint_id,
            "shard": shard,
        }
        await self._session.execute(_RESEND, values)
