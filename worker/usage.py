"""Background tasks that look at all of an organization: what its applications used, and its catalog.

What came of it is kept with the task, and grows with each bite; so it is bounded.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

import asyncpg
import orjson

from app import ids
from app.api.catalog.export import Exported, document_of
from app.db.background_task.bites import Progress, Task, TaskFailed
from app.db.statistic.usage import Usage, Which, all_event_types, event_type_bytes, subscriptions, usage

# Of one bite: so many applications, of each the first so many messages; those that have more by themselves.
_APPLICATIONS: Final = 100
_FIRST_MESSAGES: Final = 1000
_MESSAGES: Final = 50_000
_SUBSCRIBED: Final = 500
_MOST_BYTES: Final = 4 * 2**20


async def aggregate_applications(connection: asyncpg.Connection, task: Task) -> Progress:
    """Count the deliveries of each application: those that are named, or all that had any."""
    named = cast("list[str] | None", task.arguments["applicationIds"])
    since, until = (
        ids.floor_id("msg", datetime.fromisoformat(str(task.arguments[name]))) for name in ("since", "until")
    )
    cursor = cast("dict[str, object]", task.cursor or {"after": "", "more": True, "long": []})
    stats = [*cast("list[object]", task.data.get("appStats", []))]
    long = [*cast("list[dict[str, object]]", cursor["long"])]
    after, more = str(cursor["after"]), bool(cursor["more"])
    if long:
        first = long.pop(0)
        which = Which(task.organization_id, "", [str(first["id"])], 1)
        found = await usage(connection, which, f"{first['last']}0", until, _MESSAGES)
        for each in found:
            total = each.deliveries + int(str(first["deliveries"]))
            if each.messages == _MESSAGES:
                long.insert(0, {"id": each.application_id, "last": each.last, "deliveries": total})
            else:
                stats.append(_stat(each, total))
    else:
        which = Which(task.organization_id, after, named, _APPLICATIONS)
        found = await usage(connection, which, since, until, _FIRST_MESSAGES)
        for each in found:
            if each.messages == _FIRST_MESSAGES:
                long.append({"id": each.application_id, "last": each.last, "deliveries": each.deliveries})
            elif each.deliveries or named is not None:
                stats.append(_stat(each, each.deliveries))
        more = len(found) == _APPLICATIONS
        after = found[-1].application_id if found else after
    data = _bounded({"appStats": stats}, "name fewer applications in `appIds`")
    return Progress({"after": after, "more": more, "long": long} if more or long else None, data)


async def aggregate_event_types(connection: asyncpg.Connection, task: Task) -> Progress:
    """List to which event types each application subscribes."""
    after = str(task.cursor["after"]) if task.cursor else ""
    found = await subscriptions(connection, Which(task.organization_id, after, None, _SUBSCRIBED))
    listed = [*cast("list[object]", task.data.get("event_types", []))]
    listed += [
        {
            "appId": each.application_id,
            "explicitlySubscribedEventTypes": each.event_types,
            "hasCatchAllEndpoint": each.catches_all,
        }
        for each in found
    ]
    data = _bounded({"event_types": listed}, "list the endpoints of each application instead")
    return Progress({"after": found[-1].application_id} if len(found) == _SUBSCRIBED else None, data)


async def export_event_types(connection: asyncpg.Connection, task: Task) -> Progress:
    """Describe all event types in one OpenAPI document."""
    if await event_type_bytes(connection, task.organization_id) > _MOST_BYTES:
        raise _too_large("list the event types with their content instead")
    rows = await all_event_types(connection, task.organization_id)
    document = document_of(
        Exported(
            row["name"],
            row["description"],
            orjson.loads(row["schemas"]) if row["schemas"] is not None else None,
            row["deprecated"],
            row["group_name"],
            row["feature_flags"],
        )
        for row in rows
    )
    return Progress(None, {"openapi": document})


def _stat(each: Usage, deliveries: int) -> Mapping[str, object]:
    return {"appId": each.application_id, "appUid": each.uid, "messageDestinations": deliveries}


def _bounded(data: Mapping[str, object], instead: str) -> Mapping[str, object]:
    if len(orjson.dumps(data)) > _MOST_BYTES:
        raise _too_large(instead)
    return data


def _too_large(instead: str) -> TaskFailed:
    return TaskFailed(f"The result would be larger than {_MOST_BYTES // 2**20} MB: {instead}")
