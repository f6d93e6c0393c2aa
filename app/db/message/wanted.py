"""Whether anybody wants a message, before it is published."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from app.db.message.publish import WANT

# Not from a replica: an endpoint that was created a moment ago counts. In two forms, because with OR all applications
# of the organization would be read.
_IS_WANTED: Final = f"""
SELECT EXISTS (
    SELECT FROM endpoints e, (VALUES (a.id, $3::text, $4::text)) AS m(application_id, event_type, channels) WHERE {WANT}
)
FROM applications a
WHERE a.organization_id = $1 AND a.{{name}} = $2 AND a.deleted_at IS NULL AND NOT a.operational
"""
_BY_ID: Final = _IS_WANTED.format(name="id")
_BY_UID: Final = _IS_WANTED.format(name="uid")


async def is_wanted(
    pool: asyncpg.Pool, organization_id: str, application: str, event_type: str, channels: Sequence[str] | None
) -> bool | None:
    """Whether an enabled endpoint would get such a message; None if the organization has no such application."""
    joined = ",".join(channels) if channels else None
    statement = _BY_ID if application.startswith("app_") else _BY_UID
    wanted: bool | None = await pool.fetchval(statement, organization_id, application, event_type, joined)
    return wanted
