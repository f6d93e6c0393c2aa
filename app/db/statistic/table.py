"""The SQL of what is counted while somebody waits. Each statement touches a bounded number of rows of history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.db.application.model import PLAY

# One look at each endpoint of the organization: three quarters of a second for a million of them.
_ENDPOINTS: Final = text("""
SELECT count(*) FILTER (WHERE NOT e.disabled), count(*) FILTER (WHERE e.disabled)
FROM applications a
JOIN endpoints e ON e.application_id = a.id AND e.deleted_at IS NULL
WHERE a.organization_id = :organization_id AND a.deleted_at IS NULL AND NOT a.operational
  AND (NOT :without_play OR e.url NOT LIKE :play)
""")

# One look into the index at each application, and at its endpoints until one counts.
_ACTIVE: Final = text("""
SELECT count(*) FROM applications a
WHERE a.organization_id = :organization_id AND a.deleted_at IS NULL AND NOT a.operational
  AND EXISTS (
    SELECT FROM endpoints e
    WHERE e.application_id = a.id AND e.deleted_at IS NULL AND NOT (:without_disabled AND e.disabled)
      AND (NOT :without_play OR e.url NOT LIKE :play))
""")

# Messages by an index alone, at most so many; then the deliveries of each by their key, and not one of somebody else's.
# OFFSET 0 keeps the planner from reading all deliveries of that time instead. What is sent again counts as it ended.
_ENDED: Final = """
WITH picked AS MATERIALIZED (
    SELECT m.id, m.event_type FROM messages m
    WHERE m.application_id = :application_id AND m.id >= :since AND m.id < :until
      AND (CAST(:event_types AS text[]) IS NULL OR m.event_type = ANY (:event_types))
    ORDER BY m.id LIMIT :most + 1
), counted AS (
    SELECT {label} AS label, d.state, count(*) AS count
    FROM picked p CROSS JOIN LATERAL (
        SELECT d.state FROM deliveries d
        WHERE d.message_id = p.id AND d.message_id >= :since AND d.message_id < :until AND d.state IN (0, 2, 4)
        OFFSET 0
    ) d
    GROUP BY 1, 2
)
SELECT label, state, count FROM counted
UNION ALL
SELECT NULL, NULL, count(*) FROM picked
"""
_ENDED_BY_TYPE: Final = text(_ENDED.format(label="p.event_type"))
_ENDED_BY_SPAN: Final = text(_ENDED.format(label="width_bucket(p.id, CAST(:bounds AS text[]))"))


@dataclass(frozen=True, slots=True)
class Ended:
    """So many deliveries ended in a state: 0 delivered, 2 failed, 4 canceled."""

    label: str | int
    state: int
    count: int


class TooManyMessages(Exception):
    """There are more messages than one statement may look at."""


class StatisticsTable:
    """Counts what belongs to one organization, or to one of its applications."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def endpoints(self, organization_id: str, *, without_play: bool) -> tuple[int, int]:
        """How many endpoints are active, and how many disabled; perhaps without those of Svix Play."""
        values = {"organization_id": organization_id, "without_play": without_play, "play": PLAY}
        active, disabled = (await self._session.execute(_ENDPOINTS, values)).one()
        return active, disabled

    async def active_applications(self, organization_id: str, *, without_play: bool, without_disabled: bool) -> int:
        """How many applications have an endpoint that counts."""
        values = {
            "organization_id": organization_id,
            "without_play": without_play,
            "without_disabled": without_disabled,
            "play": PLAY,
        }
        count: int = (await self._session.execute(_ACTIVE, values)).scalar_one()
        return count

    async def ended_by_type(
        self, application_id: str, since: datetime, until: datetime, event_types: Sequence[str] | None, most: int
    ) -> list[Ended]:
        """How the deliveries ended of messages of a span of time, by event type. TooManyMessages if it holds more."""
        values = _values(application_id, since, until, event_types, most)
        return await self._ended(_ENDED_BY_TYPE, values, most)

    async def ended_by_span(
        self, application_id: str, bounds: Sequence[datetime], event_types: Sequence[str] | None, most: int
    ) -> list[Ended]:
        """As `ended_by_type`, by spans of time: the first, from the first bound to the second, has the number 1."""
        values = _values(application_id, bounds[0], bounds[-1], event_types, most)
        values["bounds"] = [ids.floor_id("msg", bound) for bound in bounds[:-1]]
        return await self._ended(_ENDED_BY_SPAN, values, most)

    async def _ended(self, statement: object, values: dict[str, object], most: int) -> list[Ended]:
        rows = (await self._session.execute(statement, values)).all()  # type: ignore[call-overload]
        *counted, (_, _, messages) = rows
        if messages > most:
            raise TooManyMessages
        return [Ended(*row) for row in counted]


def _values(
    application_id: str, since: datetime, until: datetime, event_types: Sequence[str] | None, most: int
) -> dict[str, object]:
    return {
        "application_id": application_id,
        "since": ids.floor_id("msg", since),
        "until": ids.floor_id("msg", until),
        "event_types": None if event_types is None else list(event_types),
        "most": most,
    }
