"""How long an organization keeps its payloads."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.audit.trail import note

_SET: Final = text("""
WITH before AS (SELECT payload_retention_days FROM organizations WHERE id = :id)
INSERT INTO organizations (id, payload_retention_days) VALUES (:id, :days)
ON CONFLICT (id) DO UPDATE SET payload_retention_days = excluded.payload_retention_days
RETURNING (SELECT payload_retention_days FROM before)
""")


async def keep_payloads(session: AsyncSession, organization_id: str, days: int | None) -> None:
    """Keep payloads for so many days where the publisher does not say (None: as long as their messages).

    Also those that are there already; what has gone is gone.
    """
    before = (await session.execute(_SET, {"id": organization_id, "days": days})).scalar_one()
    if before != days:
        note(session, "organization", organization_id, {"payload_retention_days": {"before": before, "after": days}})
