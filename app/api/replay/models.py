"""Replays on the wire."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from app.api.attempt.models import MessageStatus, StatusCodeClass
from app.api.background_task.models import BackgroundTaskStarted
from app.api.fields import Channel, Dto, EventTypeName, Moment
from app.api.message.models import Tag

_SINCE: Final = "Of messages that were published at or after this time."
_UNTIL: Final = "Of messages that were published before this time; until now if left out."


def _check_status(value: MessageStatus | None) -> MessageStatus | None:
    if value in {MessageStatus.PENDING, MessageStatus.SENDING}:
        raise ValueError("what is pending is sent anyway: choose 0 (success), 2 (fail) or 4 (canceled), or none")
    return value


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
    status: Annotated[MessageStatus | None, AfterValidator(_check_status)] = Field(
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
