"""Whether an endpoint is throttled, as the API asks it."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# A worker that died may have left it said; it is so only where something is due.
_SINCE: Final = text("""
SELECT h.throttled_since FROM endpoint_health h
WHERE h.endpoint_id = :endpoint_id AND EXISTS (
    SELECT FROM pending_deliveries p WHERE p.endpoint_id = :endpoint_id AND p.next_attempt_at <= now())
""")


async def throttled_since(session: AsyncSession, endpoint_id: str) -> datetime | None:
    """Since when an endpoint has been getting less than is due to it, by a rate; None if it is not so."""
    since: datetime | None = (await session.execute(_SINCE, {"endpoint_id": endpoint_id})).scalar_one_or_none()
    return since
