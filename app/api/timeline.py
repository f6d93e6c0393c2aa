"""Lists of what happened: newest first, in at most 90 days, filtered by time, channel, tag and event type.

`after` alone reads forward from that time: it gives the oldest that follow it, still with the newest of them first.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Query, Request
from pydantic import TypeAdapter, ValidationError

from app import clock, ids
from app.api.fields import Channel, EventTypeName, Moment
from app.api.paging import Paging, PagingDep
from app.db.history import Span
from app.db.message.model import MessageFilter
from app.errors import ValidationFailed, Violation

# Ids are made by the clocks of many machines.
_AHEAD: Final = timedelta(hours=1)
_REACH: Final = timedelta(days=90) + _AHEAD
_INDEX: Final = re.compile(r"\[\d*\]$")
_NAMES: Final[TypeAdapter[list[str]]] = TypeAdapter(list[EventTypeName])
_CHANNEL_NAMES: Final[TypeAdapter[list[str]]] = TypeAdapter(list[Channel])


@dataclass(frozen=True, slots=True)
class Timeline:
    """What the caller of a list asked for."""

    paging: Paging
    before: datetime | None
    after: datetime | None
    about: MessageFilter
    with_content: bool

    def span(self, prefix: ids.Prefix) -> Span:
        """The ids to read, of the kind that the list has. ValidationFailed if the iterator is none of them."""
        return span_of(self.paging, prefix, self.before, self.after, clock.now())


def span_of(paging: Paging, prefix: ids.Prefix, before: datetime | None, after: datetime | None, now: datetime) -> Span:
    """The ids of one page: from where it begins, at most 90 days on; an hour of the future is part of the present."""
    window = paging.window(ascending=False, ids_of=prefix)
    cursor = window.cursor

    def floor(at: datetime) -> str:
        return ids.floor_id(prefix, at)

    upwards = window.ascending != window.backwards or (cursor is None and before is None and after is not None)
    floors = [floor(after)] if after else []
    ceilings = [floor(now + _AHEAD), *([floor(before)] if before else [])]
    if cursor is not None:
        (floors if upwards else ceilings).append(cursor)
    furthest_back = floor(ids.created_at(min(ceilings)) - _REACH)
    if upwards:
        bottom = max(floors, default=furthest_back)
        top = min([*ceilings, floor(ids.created_at(bottom) + _REACH)])
    else:
        bottom, top = max([*floors, furthest_back]), min(ceilings)
    return Span(bottom, top, window.limit, upwards, window.ascending)


def _event_types(
    request: Request,
    event_types: Annotated[
        list[str] | None,
        Query(
            description="Only these event types: repeated, or comma-separated, or as `event_types[]`.",
            examples=[["invoice.paid"]],
        ),
    ] = None,
) -> tuple[str, ...] | None:
    text = "event types are up to 256 characters of ^[a-zA-Z0-9\\-_.]+$"
    return _listed(request, "event_types", _NAMES, text)


def _channels(
    request: Request,
    channels: Annotated[
        list[str] | None,
        Query(
            description="Only what was published on one of these channels: repeated, or comma-separated.",
            examples=[["project_1337"]],
        ),
    ] = None,
) -> tuple[str, ...] | None:
    text = "channels are up to 128 characters of ^[a-zA-Z0-9\\-_.+:]+$"
    return _listed(request, "channels", _CHANNEL_NAMES, text)


def _listed(request: Request, name: str, kind: TypeAdapter[list[str]], text: str) -> tuple[str, ...] | None:
    """What a query says in a parameter, however it lists it: also as `name[]` and `name[0]`. ValidationFailed."""
    values = [
        value
        for key, values in request.query_params.multi_items()
        if _INDEX.sub("", key) == name
        for value in values.split(",")
        if value
    ]
    try:
        return tuple(dict.fromkeys(kind.validate_python(values))) or None
    except ValidationError:
        raise ValidationFailed(Violation(("query", name), text)) from None


ChannelFilter = Annotated[
    Channel | None, Query(description="Only what was published on this channel.", examples=["project_1337"])
]
TagFilter = Annotated[
    str | None,
    Query(
        description="Only messages with this tag.",
        max_length=128,
        pattern=r"^[a-zA-Z0-9\-_./\\#]+$",
        examples=["urgent"],
    ),
]
Before = Annotated[
    Moment | None, Query(description="Only what came before this time.", examples=["2026-02-01T00:00:00Z"])
]
After = Annotated[
    Moment | None, Query(description="Only what came after this time.", examples=["2026-01-01T00:00:00Z"])
]
EventTypesDep = Annotated[tuple[str, ...] | None, Depends(_event_types)]
ChannelsDep = Annotated[tuple[str, ...] | None, Depends(_channels)]


def _timeline(
    paging: PagingDep,
    event_types: EventTypesDep,
    channel: ChannelFilter = None,
    before: Before = None,
    after: After = None,
    tag: TagFilter = None,
    with_content: Annotated[
        bool,
        Query(
            description="Whether to return payloads and responses; `{}` stands for them if not.", examples=[True, False]
        ),
    ] = True,
) -> Timeline:
    return Timeline(paging, before, after, MessageFilter(event_types, channel, tag), with_content)


def _all_of(
    event_types: EventTypesDep,
    channel: ChannelFilter = None,
    before: Before = None,
    after: After = None,
    tag: TagFilter = None,
) -> Timeline:
    everything = Paging(limit=1, iterator=None, order=None)
    return Timeline(everything, before, after, MessageFilter(event_types, channel, tag), with_content=False)


TimelineDep = Annotated[Timeline, Depends(_timeline)]
# What is counted, not listed.
WholeTimelineDep = Annotated[Timeline, Depends(_all_of)]
