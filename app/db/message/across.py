"""Messages by their names, in all applications of an organization."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.application.across import LOOKED_IN, OF_ORGANIZATION, FoundPage, page_of

MOST_APPLICATIONS: Final = 10_000
"""Applications in which one page looks for an event id: there is no index of event ids alone, which would be written
for every message that has one."""
_SHOWN: Final = "m.id, m.event_id, m.event_type, m.created_at, a.id AS app_id, a.uid AS app_uid, a.name AS app_name"
_BY_ID: Final = f"""
SELECT {_SHOWN} FROM messages m JOIN applications a ON a.id = m.application_id
WHERE m.id = :reference AND {OF_ORGANIZATION}
"""
# An id of an attempt does not tell of which message it is; the partition that holds it is known by it.
_BY_ATTEMPT: Final = f"""
SELECT {_SHOWN}
FROM (SELECT message_id FROM attempts WHERE id = :reference LIMIT 1) t
CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = t.message_id LIMIT 1) m
JOIN applications a ON a.id = m.application_id
WHERE {OF_ORGANIZATION}
"""
_BY_EVENT_ID: Final = f"""
WITH {LOOKED_IN}
SELECT {_SHOWN},
       m.id IS NOT NULL AS is_wanted, a.place = :looked_in AS is_last
FROM looked_in a
-- LIMIT keeps it a look-up by key for each application.
LEFT JOIN LATERAL (
    SELECT message_id FROM message_event_ids WHERE application_id = a.id AND event_id = :reference LIMIT 1
) e ON true
LEFT JOIN LATERAL (SELECT * FROM messages WHERE id = e.message_id LIMIT 1) m ON true
WHERE m.id IS NOT NULL OR a.place = :looked_in
ORDER BY a.id LIMIT :most
"""


class Found(NamedTuple):
    """A message that has the name, and its application."""

    id: str
    event_id: str | None
    event_type: str
    created_at: datetime
    app_id: str
    app_uid: str | None
    app_name: str


class FoundMessages:
    """Looks for messages in all applications of an organization, but for the one that holds its operational ones."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(self, organization_id: str, reference: str, after: str | None, limit: int) -> FoundPage[Found]:
        """The messages that `reference` names, in the order of their applications, from the one after `after` on.

        Of ids and of attempts there is one at most. Of an event id each application may have one; so many are looked
        in, and the page says which was the last.
        """
        named = {"organization_id": organization_id, "reference": reference}
        if reference.startswith(("msg_", "atmpt_")):
            statement = _BY_ID if reference.startswith("msg_") else _BY_ATTEMPT
            return FoundPage([Found(*row) for row in await self._session.execute(text(statement), named)], True)
        values = {**named, "after": after or "", "most": limit + 1, "looked_in": MOST_APPLICATIONS}
        rows = (await self._session.execute(text(_BY_EVENT_ID), values)).all()
        return page_of(rows, Found, limit)
