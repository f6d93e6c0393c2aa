"""Background task: what is left of an environment that was deleted goes, too: applications, endpoints, deliveries."""

from datetime import UTC, datetime
from typing import Final

import asyncpg
from pydantic import BaseModel

from app.db.background_task.bites import Progress, Task
from app.db.organization.environments import delete_some, end_tokens
from app.db.pending_delivery.emptying import any_left, cancel_some

# In a bite.
_APPLICATIONS: Final = 20
_ENDPOINTS: Final = 50
_DELIVERIES: Final = 500
# Seconds: until no process takes the environment's tokens any more, with time to spare for what they have begun; and
# until somebody who records a delivery has done so.
_UNTIL_THE_LAST_LOOK: Final = 30.0
_UNTIL_RECORDED: Final = 1.0
_DELETED: Final = "applications"
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


class _Cursor(BaseModel):
    # Application and endpoint: these are deleted, and the first one's queue is canceled up to this time.
    emptying: list[tuple[str, str]] = []
    at: datetime = _BEGINNING
    is_last_look: bool = False


async def delete_environment(connection: asyncpg.Connection, task: Task) -> Progress:
    """Delete the next applications and endpoints, or cancel some deliveries of those that were deleted.

    Once nothing is left it looks a second time: whoever had a token then has none now, and what came of it goes, too.
    """
    cursor = _Cursor.model_validate(task.cursor or {})
    before = task.data.get(_DELETED, 0)
    assert isinstance(before, int)
    if cursor.emptying:
        wait = await _empty(connection, cursor)
        return Progress(cursor.model_dump(mode="json"), task.data, wait=wait)
    deleted = await delete_some(connection, task.organization_id, _APPLICATIONS, _ENDPOINTS)
    data = {_DELETED: before + deleted.applications}
    if deleted.applications or deleted.endpoints:
        cursor.emptying = deleted.endpoints
        return Progress(cursor.model_dump(mode="json"), data)
    await end_tokens(connection, task.organization_id)
    if cursor.is_last_look:
        return Progress(None, data)
    cursor.is_last_look = True
    return Progress(cursor.model_dump(mode="json"), data, wait=_UNTIL_THE_LAST_LOOK)


async def _empty(connection: asyncpg.Connection, cursor: _Cursor) -> float:
    """Cancel the next deliveries, moving the cursor; seconds to wait before the next bite."""
    room = _DELIVERIES
    while cursor.emptying and room > 0:
        queue = cursor.emptying[0]
        came = await cancel_some(connection, *queue, cursor.at, room)
        room -= came.canceled
        cursor.at = came.reached or _BEGINNING
        if came.reached is None:
            if await any_left(connection, *queue):
                return _UNTIL_RECORDED
            cursor.emptying.pop(0)
    return 0.0
