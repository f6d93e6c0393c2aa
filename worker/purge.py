"""Background task: the payloads of all messages are forgotten that an application had when it was asked for."""

from datetime import UTC, datetime
from typing import Final

import asyncpg

from app import ids
from app.db.background_task.bites import Progress, Task, WantsForgotten
from app.db.message.purge import BITE, forget_payloads, next_messages

_AFTER: Final = "after"
_PURGED: Final = "messagesPurged"
_BEGINNING: Final = ids.floor_id("msg", datetime.min.replace(tzinfo=UTC))


async def purge_content(connection: asyncpg.Connection, task: Task) -> Progress | WantsForgotten:
    """Forget the payloads of the next messages, once those that are in the payload store are gone from there."""
    assert task.application_id is not None
    after = str((task.cursor or {}).get(_AFTER, _BEGINNING))
    before = ids.floor_id("msg", ids.created_at(task.id))
    messages = await next_messages(connection, task.application_id, after, before)
    if stored := [each.id for each in messages if each.is_stored and each.id not in task.forgotten]:
        return WantsForgotten(stored)
    to_forget = [each.id for each in messages if each.has_payload]
    shards = await forget_payloads(connection, task.application_id, to_forget) if to_forget else ()
    purged = task.data.get(_PURGED, 0)
    assert isinstance(purged, int)
    cursor = {_AFTER: messages[-1].id} if len(messages) == BITE else None
    return Progress(cursor, {_PURGED: purged + len(to_forget)}, shards)
