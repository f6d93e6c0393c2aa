"""Endpoints on the wire.

Both generations of SDKs are served: `eventTypes` is also `filterTypes`, `throttleRate` is also `rateLimit`.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field

from app.api.endpoint import headers as header_rules
from app.api.endpoint.secrets import GRACE_SECONDS, LONGEST_GRACE_SECONDS
from app.api.fields import Channel, Dto, EventTypeName, Flag, Metadata, Rate, Text, Timestamp, Uid, at_most, whole
from app.delivery.signing import SigningKey
from app.delivery.url import LONGEST_URL, parse_url

_MOST_CHANNELS = 10
# Bounds of what is looked at, item by item, before it is refused.
_MOST_CHANNELS_GIVEN = 1000
_MOST_EVENT_TYPES = 5000
_MOST_HEADERS = 100
_DEEPEST_POINTER = 16
_POINTER = re.compile(rf"(/([^~/]|~[01])*){{1,{_DEEPEST_POINTER}}}")


def _check_url(value: str) -> str:
    parse_url(value)
    return value


def _check_headers(value: dict[str, str]) -> dict[str, str]:
    header_rules.check_names(value)
    for name, text in value.items():
        header_rules.check_value(name, text)
    header_rules.check_total(value)
    return value


def _check_header_changes(value: dict[str, str | None]) -> dict[str, str | None]:
    header_rules.check_names(value)
    for name, text in value.items():
        if text is not None:
            header_rules.check_value(name, text)
    return value


def _distinct_or_none(value: list[str] | None) -> list[str] | None:
    """An empty list subscribes to everything, as null does: forms without a choice send one."""
    return list(dict.fromkeys(value)) if value else None


def _distinct_channels(value: list[str] | None) -> list[str] | None:
    if value is not None and len(value) > _MOST_CHANNELS:
        raise ValueError(f"Channels must have at least 1 and at most {_MOST_CHANNELS} items, or be set to null.")
    return _distinct_or_none(value)


def _some_channels(value: list[str] | None) -> list[str] | None:
    if value == []:
        raise ValueError(f"Channels must have at least 1 and at most {_MOST_CHANNELS} items, or be set to null.")
    return value


def _check_order(value: str | None) -> str | None:
    """`endpoint`, or a JSON Pointer (RFC 6901 §3) that leads into a document."""
    if value is None or value == "endpoint":
        return value
    if not _POINTER.fullmatch(value) or "\0" in value:
        raise ValueError(
            "orderedBy must be endpoint, null, or a JSON Pointer into the payload, such as /customer/id, of at most "
            f"{_DEEPEST_POINTER} parts"
        )
    return value


Url = Annotated[
    str, Field(min_length=1, json_schema_extra={"format": "uri", "maxLength": LONGEST_URL}), AfterValidator(_check_url)
]
# Versions are 16-bit numbers in the SDKs.
Version = Annotated[int, Field(strict=True, ge=1, le=2**16 - 1), whole]
# As long as the setting of all endpoints may be at most; the table's CHECK says the same.
TimeoutSeconds = Annotated[int, Field(strict=True, ge=1, le=300), whole]
EventTypes = Annotated[
    Annotated[list[EventTypeName], Field(max_length=_MOST_EVENT_TYPES, fail_fast=True)] | None,
    AfterValidator(_distinct_or_none),
]
_ChannelList = Annotated[list[Channel], Field(max_length=_MOST_CHANNELS_GIVEN, fail_fast=True)]
Channels = Annotated[
    _ChannelList | None, Field(json_schema_extra={"maxItems": _MOST_CHANNELS}), AfterValidator(_distinct_channels)
]
SomeChannels = Annotated[
    _ChannelList | None,
    Field(json_schema_extra={"minItems": 1, "maxItems": _MOST_CHANNELS}),
    AfterValidator(_some_channels),
    AfterValidator(_distinct_channels),
]
OrderedBy = Annotated[
    str | None,
    Field(max_length=256, json_schema_extra={"pattern": rf"^(endpoint|{_POINTER.pattern})$"}),
    AfterValidator(_check_order),
]
Secret = Annotated[str, AfterValidator(lambda text: SigningKey.parse(text).text)]
Headers = Annotated[
    dict[str, str],
    Field(json_schema_extra={**header_rules.SCHEMA, "maxProperties": _MOST_HEADERS}),
    AfterValidator(_check_headers),
    at_most(_MOST_HEADERS),
]
HeaderChanges = Annotated[
    dict[str, str | None],
    Field(json_schema_extra={**header_rules.CHANGES_SCHEMA, "maxProperties": _MOST_HEADERS}),
    AfterValidator(_check_header_changes),
    at_most(_MOST_HEADERS),
]

_EVENT_TYPES = AliasChoices("eventTypes", "filterTypes")
_RATE = AliasChoices("throttleRate", "rateLimit")


class EndpointUpdate(Dto):
    """What an endpoint is replaced with."""

    url: Url = Field(description="Where its messages are posted to.", examples=["https://example.com/webhook/"])
    description: Text = Field(default="", examples=["An example endpoint name"])
    uid: Uid | None = Field(default=None, description="Your own id of this endpoint, unique in its application.")
    throttle_rate: Rate | None = Field(default=None, validation_alias=_RATE, description="Most messages a second.")
    timeout_seconds: TimeoutSeconds | None = Field(
        default=None,
        description="Seconds for one whole attempt; null for the server's setting. A replacement that leaves it out "
        "keeps what it was.",
        examples=[15],
    )
    version: Version | None = Field(default=None, json_schema_extra={"deprecated": True})
    disabled: Flag = Field(default=False, description="While true, no messages are sent to it.")
    event_types: EventTypes = Field(
        default=None, validation_alias=_EVENT_TYPES, description="What it subscribes to; leave out for all event types."
    )
    channels: SomeChannels = Field(
        default=None, description="Up to 10 channels to listen to; leave out for all messages."
    )
    metadata: Metadata = Field(default_factory=dict, description="Your own key-value pairs, up to 4096 bytes.")
    ordered_by: OrderedBy = Field(
        default=None,
        description="Send its messages one after the other, in the order in which they were published: `endpoint` for "
        "all of them, a JSON Pointer into the payload (`/customer/id`) for those with the same value there, null for "
        "none. A replacement that leaves it out keeps what it was.",
        examples=["/customer/id"],
    )


class EndpointIn(EndpointUpdate):
    """What creates an endpoint."""

    secret: Secret | None = Field(
        default=None, description="Signs its messages: whsec_ and base64 of 24 to 75 bytes. Leave out to have one made."
    )
    headers: Headers | None = Field(default=None, description="Sent with each of its messages.")


class EndpointPatch(Dto):
    """Only the fields that are present change, so that the defaults here are never used."""

    url: Url = ""
    description: Text = ""
    uid: Uid | None = None
    throttle_rate: Rate | None = Field(default=None, validation_alias=_RATE)
    timeout_seconds: TimeoutSeconds | None = None
    version: Version = Field(default=1, json_schema_extra={"deprecated": True})
    disabled: Flag = False
    event_types: EventTypes = Field(default=None, validation_alias=_EVENT_TYPES)
    channels: Channels = None
    metadata: Metadata = Field(default_factory=dict)
    ordered_by: OrderedBy = None


class EndpointView(Dto):
    """What every answer that shows an endpoint says of it."""

    id: str = Field(examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    uid: str | None = None
    url: str
    description: str
    version: int = Field(examples=[1], json_schema_extra={"deprecated": True})
    disabled: bool
    throttle_rate: int | None = None
    rate_limit: int | None = Field(default=None, json_schema_extra={"deprecated": True})
    event_types: list[str] | None = None
    filter_types: list[str] | None = Field(default=None, json_schema_extra={"deprecated": True})
    channels: list[str] | None = None
    created_at: Timestamp
    updated_at: Timestamp


class EndpointOut(EndpointView):
    """An endpoint, without what is secret about it."""

    metadata: dict[str, str]
    timeout_seconds: int | None = None
    ordered_by: str | None = None
    disabled_reason: str | None = Field(
        default=None,
        description="Why deliveries to it were given up, if they were; `disabled: false` tries it again.",
        examples=["the receiver answered 410 Gone"],
    )


class FoundEndpointOut(Dto):
    """An endpoint, and the application that has it."""

    id: str = Field(examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    uid: str | None = Field(default=None, examples=["till-4"])
    url: str = Field(examples=["https://example.com/webhook/"])
    disabled: bool = Field(examples=[False])
    app_id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    app_uid: str | None = Field(default=None, examples=["customer-1337"])
    app_name: str = Field(examples=["Customer 1337"])


class EndpointHeadersIn(Dto):
    """All custom headers of an endpoint."""

    headers: Headers = Field(examples=[{"X-Example": "123", "X-Foobar": "Bar"}])


class EndpointHeadersPatch(Dto):
    """Headers to set, and (null, or listed in `deleteHeaders`) to remove."""

    headers: HeaderChanges = Field(examples=[{"X-Example": "123", "X-Foobar": None}])
    delete_headers: Annotated[list[Text], Field(max_length=_MOST_HEADERS, fail_fast=True)] = Field(
        default_factory=list, examples=[["X-Obsolete"]]
    )


class EndpointHeadersOut(Dto):
    """The custom headers; of those whose values are credentials only the names, in `sensitive`."""

    headers: dict[str, str]
    sensitive: list[str] = Field(json_schema_extra={"uniqueItems": True}, examples=[["Authorization"]])


class EndpointSecretOut(Dto):
    """What a receiver verifies signatures with."""

    key: str = Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])


class EndpointSecretRotateIn(Dto):
    """The next secret, and how long the current one goes on signing beside it."""

    key: Secret | None = Field(default=None, description="The new secret. Leave out to have one made.")
    grace_period_seconds: Annotated[int, Field(strict=True, ge=0, le=LONGEST_GRACE_SECONDS), whole] | None = Field(
        default=None,
        description=f"How long the current secret stays valid: up to 7 days, {GRACE_SECONDS} if left out.",
        examples=[GRACE_SECONDS],
    )


class EndpointStats(Dto):
    """How many of an endpoint's deliveries are in each state."""

    success: int = Field(description="Delivered.", examples=[1200])
    pending: int = Field(description="Still to be delivered.", examples=[3])
    sending: int = Field(description="Always 0: what is on its way counts as pending.", examples=[0])
    fail: int = Field(description="Given up.", examples=[2])
    canceled: int = Field(description="Ended without having been delivered.", examples=[1])


class EndpointAttemptStats(Dto):
    """How many of an endpoint's deliveries ended in which way."""

    success: int = Field(description="Delivered.", examples=[1200])
    fail: int = Field(description="Given up.", examples=[2])
    canceled: int = Field(description="Ended without having been delivered.", examples=[1])
