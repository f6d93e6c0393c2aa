"""Pollers on the wire, and what is polled."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from app.api.endpoint.models import Channels, EventTypes, SomeChannels
from app.api.exact import RawJson
from app.api.fields import Dto, Moment, Text, Timestamp, Uid, whole

_ID = "poll_1srOrx2ZWZBpBUvZwXKQmoEYga2"
# As much as the SDKs can read and Postgres can store.
_MOST_OFFSET = 2**63 - 1


def _no_id(value: str) -> str:
    if value.startswith("poll_"):
        raise ValueError("uids are not allowed to have the same prefix as the ID. Leave out the prefix.")
    return value


PollerUid = Annotated[Uid, AfterValidator(_no_id)]


class PollerIn(Dto):
    """What a poller is to show."""

    description: Text = Field(default="", examples=["The accounts department"])
    uid: PollerUid | None = Field(
        default=None, description="Your own id of this poller, unique in its application.", examples=["accounts"]
    )
    event_types: EventTypes = Field(
        default=None,
        description="It shows messages of these event types; leave out for all of them.",
        examples=[["invoice.paid"]],
    )
    channels: SomeChannels = Field(
        default=None,
        description="It shows messages on one of these channels; leave out for all messages.",
        examples=[["project_1337"]],
    )


class PollerPatch(Dto):
    """Only the fields that are present change, so that the defaults here are never used."""

    description: Text = Field(default="", examples=["The accounts department"])
    uid: PollerUid | None = Field(default=None, examples=["accounts"])
    event_types: EventTypes = Field(default=None, examples=[["invoice.paid"]])
    channels: Channels = Field(default=None, examples=[["project_1337"]])


class PollerOut(Dto):
    """A poller."""

    id: str = Field(description="The `sink_id` of what is done with it.", examples=[_ID])
    uid: str | None = Field(default=None, examples=["accounts"])
    description: str = Field(examples=["The accounts department"])
    event_types: list[str] | None = Field(default=None, examples=[["invoice.paid"]])
    channels: list[str] | None = Field(default=None, examples=[["project_1337"]])
    created_at: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])
    updated_at: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])


class PollingEndpointMessageOut(Dto):
    """A message, as a poller shows it. Its payload is `{"expired": true}` once it is gone."""

    id: str = Field(examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    event_id: str | None = Field(default=None, examples=["invoice-4711-paid"])
    event_type: str = Field(examples=["invoice.paid"])
    payload: RawJson = Field(examples=[{"id": "in_1", "amount": 4200}])
    channels: list[str] | None = Field(default=None, examples=[["project_1337"]])
    timestamp: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])
    tags: list[str] | None = Field(default=None, examples=[["urgent"]])
    deliver_at: Timestamp | None = Field(
        default=None,
        description="When its publisher wants it delivered; a poller shows it at once.",
        examples=["2026-02-01T08:00:00Z"],
    )


class PollingEndpointOut(Dto):
    """What follows an iterator."""

    data: list[PollingEndpointMessageOut]
    iterator: str = Field(
        description="Pass it with the next poll, also once `done` is true.", examples=["1srOrx2ZWZBpBUvZwXKQmoEYga2"]
    )
    done: bool = Field(
        description="Whether that was all for now. A page may be empty without being the last one.", examples=[True]
    )


class PollingEndpointSeekIn(Dto):
    """From where a reader is to go on."""

    after: Moment = Field(
        description="Messages that came at this time or later follow.", examples=["2025-04-21T11:20:34Z"]
    )


class PollingEndpointSeekOut(Dto):
    """The iterator that stands for that."""

    iterator: str = Field(examples=["1srOrx2ZWZBpBUvZwXKQmoEYga2"])


class StartingPosition(StrEnum):
    """Where a reader begins that has not polled before."""

    EARLIEST = "earliest"
    LATEST = "latest"


class PollerV2MessageOut(PollingEndpointMessageOut):
    """A message with the offset by which it is committed."""

    offset: int = Field(description="Commit it once this message and those before it are dealt with.", examples=[17])


class PollerV2PollOut(Dto):
    """What was leased to the caller."""

    data: list[PollerV2MessageOut]
    done: bool = Field(description="Whether there is nothing more for now.", examples=[True])


class PollerV2CommitIn(Dto):
    """How far a reader has come."""

    offset: Annotated[int, Field(strict=True, ge=0, le=_MOST_OFFSET), whole] = Field(
        description="That of the last message that was dealt with, and all before it.", examples=[0]
    )
