"""Operational webhook endpoints on the wire, and the event types that they can subscribe to.

Both generations of SDKs are served: `eventTypes` is also `filterTypes`, `throttleRate` is also `rateLimit`.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, AliasChoices, Field, JsonValue

from app.api.endpoint.models import EventTypes, Headers, Secret, Url
from app.api.fields import Dto, Flag, Metadata, Rate, Text, Timestamp, Uid

EVENT_TYPES: Final = (
    "background_task.finished",
    "endpoint.created",
    "endpoint.deleted",
    "endpoint.disabled",
    "endpoint.enabled",
    "endpoint.updated",
    "ingest.endpoint.disabled",
    "ingest.message.attempt.exhausted",
    "ingest.message.attempt.failing",
    "ingest.message.attempt.recovered",
    "message.attempt.exhausted",
    "message.attempt.failing",
    "message.attempt.log",
    "message.attempt.recovered",
)
"""What Postrider sends: all that the Svix API knows."""


def _check_event_types(value: list[str] | None) -> list[str] | None:
    if unknown := [name for name in value or () if name not in EVENT_TYPES]:
        raise ValueError(f"No operational webhooks are {', '.join(unknown)}. There are: {', '.join(EVENT_TYPES)}")
    return value


OperationalEventTypes = Annotated[EventTypes, AfterValidator(_check_event_types)]


class OperationalWebhookEndpointUpsertIn(Dto):
    """What replaces an operational webhook endpoint."""

    url: Url = Field(description="Where its messages are posted to.", examples=["https://example.com/webhook/"])
    description: Text = Field(default="", examples=["An example endpoint name"])
    uid: Uid | None = Field(default=None, description="Your own id of this endpoint.")
    throttle_rate: Rate | None = Field(
        default=None,
        validation_alias=AliasChoices("throttleRate", "rateLimit"),
        description="Most messages a second.",
    )
    disabled: Flag = Field(default=False, description="While true, no messages are sent to it.")
    event_types: OperationalEventTypes = Field(
        default=None,
        validation_alias=AliasChoices("eventTypes", "filterTypes"),
        description="What it subscribes to; leave out for all event types. Of applications that were made for sources "
        "`ingest.…` is sent in place of the type without it.",
        examples=[["endpoint.disabled", "ingest.endpoint.disabled"]],
        json_schema_extra={"items": {"type": "string", "enum": list[JsonValue](EVENT_TYPES)}},
    )
    metadata: Metadata = Field(default_factory=dict, description="Your own key-value pairs, up to 4096 bytes.")


class OperationalWebhookEndpointIn(OperationalWebhookEndpointUpsertIn):
    """What creates an operational webhook endpoint."""

    secret: Secret | None = Field(
        default=None, description="Signs its messages: whsec_ and base64 of 24 to 75 bytes. Leave out to have one made."
    )
    headers: Headers | None = Field(default=None, description="Sent with each of its messages.")


class OperationalWebhookEndpointOut(Dto):
    """An operational webhook endpoint, without what is secret about it."""

    id: str = Field(examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    uid: str | None = None
    url: str
    description: str
    disabled: bool
    disabled_reason: str | None = Field(
        default=None, description="Why deliveries to it were given up, if they were; `disabled: false` tries it again."
    )
    throttle_rate: int | None = None
    rate_limit: int | None = Field(default=None, json_schema_extra={"deprecated": True})
    event_types: list[str] | None = None
    filter_types: list[str] | None = Field(default=None, json_schema_extra={"deprecated": True})
    metadata: dict[str, str]
    created_at: Timestamp
    updated_at: Timestamp
