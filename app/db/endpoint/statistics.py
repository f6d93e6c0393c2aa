"""How many deliveries of an endpoint are in each state."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids

# A delivery that was tried and waits for its next attempt is in both tables; it counts once, as pending.
_COUNTS: Final = text("""
SELECT d.state, count(*) FROM deliveries d
WHERE d.endpoint_id = :endpoint_id AND d.application_id = :application_id
  AND d.message_id >= :since AND d.message_id < :until
  AND NOT EXISTS (
    SELECT FROM pending_deliveries p WHERE p.message_id = d.message_id AND p.endpoint_id = d.endpoint_id)
GROUP BY d.state
UNION ALL
SELECT 1, count(*) FROM pending_deliveries p
WHERE p.endpoint_id = :endpoint_id AND p.application_id = :application_id
  AND p.message_id >= :since AND p.message_id < :until
""")


class DeliveryCounts:
    """Counts the deliveries of one application's endpoints."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_state(self, application_id: str, endpoint_id: str, since: datetime, until: datetime) -> dict[int, int]:
        """The number of deliveries in each state (as in `deliveries.state`), of messages made in a span of time."""
        values = {
            "application_id": application_id,
            "endpoint_id": endpoint_id,
            "since": ids.floor_id("msg", since),
            "until": ids.floor_id("msg", until),
        }
        counts: dict[int, int] = {}
        for state, count in await self._session.execute(_COUNTS, values):
            counts[state] = counts.get(state, 0) + count
        return counts
