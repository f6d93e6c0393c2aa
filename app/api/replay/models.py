"""Replays on the wire."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from app.api.attempt.models import MessageStatus, StatusCodeClass
from app.api.background_task.models import TASK_ID, BackgroundTaskStarted
from app.api.fields import Channel, Dto, EventTypeName, Moment, Timestamp
from app.api.message.models import Tag
from app.db.background_task.model import TaskKind, TaskStatus

_SINCE: Final = "Of messages that were published at or after this time."
_UNTIL: Final = "Of messages that were published before this time; until now if left out."


def _check_status(value: MessageStatus | None) -> MessageStatus | None:
    if value in {MessageStatus.PENDING, MessageStatus.SENDING}:
        raise ValueError("what is pending is sent anyway: choose 0 (success), 2 (fail) or 4 (canceled), or none")
    return value


ReplayedStatus = Annotated[MessageStatus | None, AfterValidator(_check_status)]


class RecoverIn(Dto):
    """Which deliveries are tried again that failed."""

    since: Moment = Field(description=f"{_SINCE} At most 14 days before `until`.", examples=["2026-01-31T08:00:00Z"])
    until: Moment | None = Field(default=None, description=_UNTIL, examples=["2026-01-31T20:00:00Z"])


class ReplayIn(Dto):
    """Which messages are sent to an endpoint that were never tried there."""

    since: Moment = Field(description=_SINCE, examples=["2026-01-31T08:00:00Z"])
    until: Moment | None = Field(default=None, description=_UNTIL, examples=["2026-01-31T20:00:00Z"])


class BulkReplayIn(ReplayIn):
    """Which deliveries are made again, whatever came of them."""

    event_types: list[EventTypeName] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Only of messages of these types.",
        examples=[["invoice.paid"]],
        json_schema_extra={"uniqueItems": True},
    )
    channel: Channel | None = Field(default=None, description="Only of this channel.", examples=["project_1337"])
    tag: Tag | None = Field(default=None, description="Only of messages with this tag.", examples=["urgent"])
    status: ReplayedStatus = Field(
        default=None,
        description="Only what succeeded (0), failed (2) or was canceled (4); if left out, all that was tried.",
        examples=[2],
        json_schema_extra={"enum": [0, 2, 4, None]},
    )
    status_code_class: StatusCodeClass | None = Field(
        default=None, description="Only what was last answered with such a status code; 0: not at all.", examples=[500]
    )


class RecoverOut(BackgroundTaskStarted):
    """The task that recovers."""


class ReplayOut(BackgroundTaskStarted):
    """The task that replays."""


class CancelMsgsIn(Dto):
    """Which pending deliveries are called off."""

    created_before: Moment = Field(
        description="Of messages that were published before this time, which must not be in the future.",
        examples=["2026-01-31T08:00:00Z"],
    )


class ReplayOperation(StrEnum):
    """What makes deliveries of an endpoint again, or calls them off; each is the last part of its path."""

    RECOVER = "recover"
    REPLAY_MISSING = "replay-missing"
    BULK_REPLAY = "bulk-replay"
    CANCEL_MSGS = "cancel-msgs"


class ReplayEstimateOut(Dto):
    """How much an operation would do now."""

    messages: int = Field(description="How many it would send, or call off; at most 10,000 are counted.", examples=[42])
    expired: int = Field(
        default=0, description="How many more there would be, if they still had a payload.", examples=[0]
    )
    more: bool = Field(
        description="Whether there may be more: counting ended at 10,000, or for want of time.", examples=[False]
    )
    counted_until: Timestamp | None = Field(
        default=None,
        description="Where counting ended early: of messages that were published until then.",
        examples=["2026-01-31T12:00:00Z"],
    )


class EndpointReplayOut(Dto):
    """A task that makes deliveries of an endpoint again, or calls them off, and how far it is."""

    id: str = Field(examples=[TASK_ID])
    status: TaskStatus = Field(examples=["running"])
    task: TaskKind = Field(description="What it does.", examples=["endpoint.recover"])
    since: Timestamp | None = Field(default=None, description=_SINCE, examples=["2026-01-31T08:00:00Z"])
    until: Timestamp | None = Field(
        default=None, description="Of messages that were published before this time.", examples=["2026-01-31T20:00:00Z"]
    )
    reached: Timestamp | None = Field(
        default=None,
        description="The messages that were published until then have been looked at.",
        examples=["2026-01-31T12:00:00Z"],
    )
    messages_sent: int = Field(default=0, description="How many have been queued to be sent.", examples=[2])
    messages_expired: int = Field(
        default=0, description="How many could not be sent: their payloads are gone.", examples=[0]
    )
    messages_canceled: int = Field(default=0, description="How many have been called off.", examples=[0])
    error: str | None = Field(
        default=None, description="Why it failed.", examples=["The endpoint was deleted meanwhile."]
    )
    created_at: Timestamp = Field(examples=["2026-01-31T20:00:00Z"])
    updated_at: Timestamp = Field(examples=["2026-01-31T20:00:02Z"])
