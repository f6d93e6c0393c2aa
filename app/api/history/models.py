"""Searching, following and forgetting messages, on the wire."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from app.api.fields import Channel, Dto, EventTypeName, Moment, Text, Timestamp, whole
from app.api.message.models import MessageOut, Tag
from app.db.background_task.model import TaskKind, TaskStatus

MOST_EXPUNGED: Final = 1000
_MOST_LISTED: Final = 250
_MOST_EVENT_TYPES: Final = 100
_SHORTEST_TEXT: Final = 3
_REFERENCE: Final = r"^[a-zA-Z0-9\-_.]+$"

Reference = Annotated[str, Field(min_length=1, max_length=256, pattern=_REFERENCE)]


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


_EventTypes = Annotated[
    list[EventTypeName],
    Field(max_length=_MOST_EVENT_TYPES, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


class MessageSearchIn(Dto):
    """Which messages to look for. Its names are as they stand here, as in queries."""

    limit: Annotated[int, Field(strict=True, ge=1, le=_MOST_LISTED), whole] = Field(
        default=50, description="Most items to return.", examples=[50]
    )
    iterator: Annotated[Text, Field(max_length=64)] | None = Field(
        default=None,
        description="The `iterator` or `prevIterator` of another page.",
        examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
    )
    channel: Channel | None = Field(
        default=None, description="Only what was published on this channel.", examples=["project_1337"]
    )
    before: Moment | None = Field(
        default=None, description="Only what came before this time.", examples=["2026-02-01T00:00:00Z"]
    )
    after: Moment | None = Field(
        default=None, description="Only what came after this time.", examples=["2026-01-01T00:00:00Z"]
    )
    with_content: bool = Field(
        default=False, alias="with_content", description="Whether to return payloads.", examples=[True]
    )
    tag: Tag | None = Field(default=None, description="Only messages with this tag.", examples=["urgent"])
    event_types: _EventTypes | None = Field(
        default=None, alias="event_types", description="Only these event types.", examples=[["invoice.paid"]]
    )
    text: Annotated[Text, Field(min_length=_SHORTEST_TEXT, max_length=1024)] | None = Field(
        default=None,
        description="Only messages in whose payload this stands, as it was sent; payloads that are in the payload store"
        " are not looked through.",
        examples=["in_4711"],
    )


class FoundMessageOut(Dto):
    """A message, and the application that it was published to."""

    id: str = Field(examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    event_id: str | None = Field(default=None, examples=["invoice-4711-paid"])
    event_type: str = Field(examples=["invoice.paid"])
    timestamp: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])
    app_id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    app_uid: str | None = Field(default=None, examples=["customer-1337"])
    app_name: str = Field(examples=["Customer 1337"])


class MessageEventsOut(Dto):
    """What follows in the feed."""

    data: list[MessageOut]
    iterator: str = Field(
        description="From here the feed goes on: keep it, and pass it next time, also if there was nothing.",
        examples=["3MQjNnoC3ZsQ733qax9ssyrukn9.2f4.1a2b3c4d5e6"],
    )
    done: bool = Field(description="Whether there is no more for now.", examples=[True])


class MessageRawPayloadOut(Dto):
    """A payload as it was sent, in a text."""

    payload: str = Field(examples=['{"id": "in_1", "amount": 4200}'])


class BulkExpungeContentsIn(Dto):
    """Whose payloads to forget."""

    ids: Annotated[list[Reference], Field(max_length=MOST_EXPUNGED), AfterValidator(_distinct)] = Field(
        default_factory=list,
        description=f"Ids or event ids of up to {MOST_EXPUNGED} messages.",
        examples=[["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2", "invoice-4711-paid"]],
        json_schema_extra={"uniqueItems": True},
    )


class BulkExpungeStatus(StrEnum):
    """What became of one of them."""

    EXPUNGED = "expunged"
    NOT_FOUND = "not-found"


class BulkExpungeContentsOut(Dto):
    """What became of each, by the name that was given."""

    results: dict[str, BulkExpungeStatus] = Field(examples=[{"invoice-4711-paid": "expunged"}])


class ExpungeAllContentsOut(Dto):
    """The background task that forgets all payloads."""

    id: str = Field(examples=["qtask_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    status: TaskStatus = Field(examples=["running"])
    task: TaskKind = Field(examples=["application.purge_content"])
    updated_at: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])
