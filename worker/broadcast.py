"""Publishes broadcasts: one bite is some hundred applications."""

from datetime import timedelta
from typing import Final

import asyncpg

from app import ids
from app.db.background_task.bites import Progress, Task, TaskFailed
from app.db.broadcast.bites import end_broadcast, find_broadcast, next_applications, publish_to

_MOST_APPLICATIONS: Final = 300
# Each application's copy of the payload goes to Postgres by itself.
_MOST_BYTES: Final = 4_194_304
# What is told of each application; of the others only how many they are.
MOST_TOLD: Final = 1000
# An application's id is made by the clock of whichever machine created it.
_AHEAD: Final = timedelta(minutes=1)


async def broadcast_bite(connection: asyncpg.Connection, task: Task) -> Progress:
    """Publish to the next applications. Those that are created from a minute after the task on are not among them."""
    found = await find_broadcast(connection, task.organization_id, task.id)
    if found is None:
        raise TaskFailed("What was to be published is gone: start the broadcast again, with an eventId of its own.")
    most = max(1, min(_MOST_APPLICATIONS, _MOST_BYTES // len(found.payload)))
    after = "" if task.cursor is None else str(task.cursor["after"])
    before = ids.floor_id("app", ids.created_at(task.id) + _AHEAD)
    applications = await next_applications(connection, task.organization_id, after, before, most)
    data, shards = dict(task.data), set[int]()
    if applications:
        published = await publish_to(connection, found, applications)
        shards = published.shards
        _tell(data, published.messages, skipped=len(applications) - len(published.messages))
    else:
        _tell(data, {}, skipped=0)
    if len(applications) == most:
        return Progress({"after": applications[-1]}, data, shards)
    await end_broadcast(connection, task.id)
    return Progress(None, data, shards)


def _tell(data: dict[str, object], messages: dict[str, str], *, skipped: int) -> None:
    """Add what a bite has done to what the task shows."""
    told, created, before = data.get("messagesCreated", []), data.get("created", 0), data.get("skipped", 0)
    assert isinstance(told, list)
    assert isinstance(created, int)
    assert isinstance(before, int)
    more = [{"appId": application, "msgId": message} for application, message in messages.items()]
    data["messagesCreated"] = (told + more)[:MOST_TOLD]
    data["created"] = created + len(messages)
    data["skipped"] = before + skipped
