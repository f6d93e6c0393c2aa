"""Messages on the wire."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
import orjson
from pydantic import AfterValidator, Field

from app.api.application.models import ApplicationIn
from app.api.exact import RawJson, reason_of
from app.api.fields import Channel, Dto, EventTypeName, Moment, Timestamp, Uid, example, whole
from app.api.message.transformations_params import TransformationsParams
from app.errors import ValidationFailed, Violation

USUAL_FIELDS: Final = frozenset({"event_type", "event_id", "channels", "payload"})
"""What nearly all requests to publish say, and no more."""
# What requests said, to the releases before this one, that said nothing about it.
_USUAL_DAYS: Final = 90
# What is the same as saying nothing.
_NULL: Final = b"null"
_SPLIT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _distinct_channels(values: list[str]) -> list[str]:
    if not values:
        raise ValueError("name at least one channel, or leave this out: then it is for endpoints of all channels")
    return _distinct(values)


Channels = Annotated[
    list[Channel],
    Field(max_length=10, json_schema_extra={"minItems": 1, "uniqueItems": True}),
    AfterValidator(_distinct_channels),
]
Tag = Annotated[str, Field(max_length=128, pattern=r"^[a-zA-Z0-9\-_./\\#]+$")]
Tags = Annotated[list[Tag], Field(max_length=5, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)]
RetentionDays = Annotated[int, Field(strict=True, ge=1, le=90), whole]
RetentionHours = Annotated[int, Field(strict=True, ge=1, le=2160), whole]

_CHANNELS: Final = "Only endpoints that listen to one of these channels, or to all, get the message."
_DAYS: Final = "Days to keep the payload. Unset: as long as the organization keeps them, or else as the message."
_HOURS: Final = "Hours to keep the payload, in place of days."


class Announced(Dto):
    """What is said of a message beside its payload, whoever gets it."""

    event_type: EventTypeName = Field(description="The event type's name.", examples=["invoice.paid"])
    event_id: Uid | None = Field(
        default=None,
        description="Your own id of this fact; a second one is refused (409).",
        examples=["invoice-4711-paid"],
    )
    channels: Channels | None = Field(default=None, description=_CHANNELS, examples=[["project_1337"]])
    payload_retention_period: RetentionDays | None = Field(default=None, description=_DAYS, examples=[90])
    payload_retention_hours: RetentionHours | None = Field(default=None, description=_HOURS, examples=[24])

    @property
    def payload_hours(self) -> int | None:
        """Hours to keep the payload; None: as the organization has it. ValidationFailed if both are given."""
        hours, days = self.payload_retention_hours, self.payload_retention_period
        if days is None:
            return hours
        if hours is not None:
            text = "payloadRetentionPeriod and payloadRetentionHours exclude each other: give one of them"
            raise ValidationFailed(Violation(("body", "__all__"), text))
        return 24 * days


class MessageIn(Announced):
    """A fact to publish. The payload is delivered byte for byte as it stands in the request."""

    model_config = example(
        eventType="invoice.paid",
        payload={"id": "in_1", "amount": 4200},
        channels=["project_1337"],
        tags=["urgent"],
    )

    payload: RawJson = Field(description="A JSON object.", examples=[{"id": "in_1", "amount": 4200}])
    tags: Tags | None = Field(default=None, description="Words to find the message by.", examples=[["urgent"]])
    deliver_at: Moment | None = Field(
        default=None,
        description="Nothing is sent before this time, which is between a minute and 24 hours from now.",
        examples=["2026-02-01T08:00:00Z"],
    )
    application: ApplicationIn | None = Field(
        default=None,
        description="Created with the message if the path names no application; its uid must be that of the path.",
        examples=[{"name": "Acme Inc.", "uid": "acme"}],
    )
    transformations_params: TransformationsParams | None = Field(
        default=None,
        description="For transformations. `rawPayload`: a text that is sent in place of the payload; `headers`: sent"
        " with it, `content-type` among them.",
        examples=[{"rawPayload": "<paid/>", "headers": {"content-type": "application/xml"}}],
    )

    @property
    def takes_long_way(self) -> bool:
        """Whether more than its own row may have to be looked at to store it."""
        return self.deliver_at is not None or self.application is not None

    @property
    def said(self) -> bytes:
        """All but the payload, by which the same request is known again; by the releases before this one, too."""
        said: dict[str, object] = {
            "event_type": self.event_type,
            "event_id": self.event_id,
            "channels": self.channels,
            "payload_retention_period": self.payload_retention_period or _USUAL_DAYS,
        }
        if not self.model_fields_set <= USUAL_FIELDS:
            said |= self.model_dump(mode="json", exclude={"payload"}, exclude_none=True)
        return orjson.dumps(said)

    @classmethod
    def parse(cls, body: bytes) -> "MessageIn":
        """The message in a request's body. Raises ValidationFailed, or Pydantic's ValidationError."""
        try:
            # The split passes over values without a look at their encoding.
            body.decode()
            parts = _SPLIT.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValidationFailed(
                _not_json(("body",), f"The body must be a JSON object: {reason_of(error)}")
            ) from None
        payload = bytes(parts.get("payload", _NULL))
        if payload == _NULL:
            payload = bytes(parts.get("data", _NULL))
        fields: dict[str, Any] = {name: _value(name, raw) for name, raw in parts.items() if name in _PARSED}
        if payload != _NULL:
            # Valid JSON, since the body is; it is not parsed, because no parser keeps numbers like 1e400.
            fields["payload"] = payload
            if not payload.startswith(b"{"):
                raise ValidationFailed(_not_json(("body", "payload"), "the payload must be a JSON object"))
        return cls.model_validate(fields)


_PARSED: Final = frozenset(field.alias for field in MessageIn.model_fields.values()) - {"payload"}


def payload_of(body: bytes) -> bytes:
    """The payload in a request's body, byte for byte; of a body that has been found good."""
    return bytes(_SPLIT.decode(body)["payload"])


class MessageOut(Dto):
    """A message. Its payload is `{}` if that was not asked for, and `{"expired": true}` once it is gone."""

    id: str = Field(examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    event_type: str = Field(examples=["invoice.paid"])
    event_id: str | None = Field(default=None, examples=["invoice-4711-paid"])
    channels: list[str] | None = Field(default=None, examples=[["project_1337"]])
    payload: RawJson = Field(examples=[{"id": "in_1", "amount": 4200}])
    timestamp: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])
    tags: list[str] | None = Field(default=None, examples=[["urgent"]])
    deliver_at: Timestamp | None = Field(default=None, examples=["2026-02-01T08:00:00Z"])


class MessagePrecheckIn(Dto):
    """A message that may be published."""

    event_type: EventTypeName = Field(description="The event type's name.", examples=["invoice.paid"])
    channels: Channels | None = Field(default=None, description=_CHANNELS, examples=[["project_1337"]])


class MessagePrecheckOut(Dto):
    """Whether anybody waits for it."""

    active: bool = Field(description="Whether an enabled endpoint would get such a message.", examples=[True])


def published_json(message_id: str, body: MessageIn, created_at: datetime) -> bytes:
    """The answer to most requests to publish: `exact_json` of the MessageOut, a dozen times faster."""
    out: dict[str, object] = {"id": message_id, "eventType": body.event_type}
    if body.event_id is not None:
        out["eventId"] = body.event_id
    if body.channels is not None:
        out["channels"] = body.channels
    out["payload"] = orjson.Fragment(body.payload)
    out["timestamp"] = created_at
    if body.tags:
        out["tags"] = body.tags
    return orjson.dumps(out, option=orjson.OPT_UTC_Z)


def _value(name: str, raw: msgspec.Raw) -> object:
    """What a raw part of a JSON document says."""
    try:
        return orjson.loads(memoryview(raw))
    except orjson.JSONDecodeError as error:
        raise ValidationFailed(_not_json(("body", name), str(error))) from None


def _not_json(loc: tuple[str, ...], text: str) -> Violation:
    return Violation(loc, text, "value_error.jsondecode")
