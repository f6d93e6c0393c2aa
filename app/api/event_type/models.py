"""Event types on the wire.

Both generations of SDKs are served: `featureFlag` is a list `featureFlags` of one.
"""

import json
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, JsonValue, model_validator

from app.api.fields import Dto, EventTypeName, Flag, Text, Timestamp, at_most, whole

_MOST_VERSIONS: Final = 100
# NUL as JSON writes it, unless its backslash is itself escaped.
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _check_storable(value: dict[str, dict[str, JsonValue]]) -> dict[str, dict[str, JsonValue]]:
    """What Postgres keeps as jsonb: all that is JSON but NUL."""
    if _ESCAPED_NUL.search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("the schemas must not hold NUL characters")
    return value


def _distinct(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


Schemas = Annotated[dict[str, dict[str, JsonValue]], AfterValidator(_check_storable), at_most(_MOST_VERSIONS)]
FeatureFlag = EventTypeName
FeatureFlags = Annotated[list[FeatureFlag], Field(min_length=1, max_length=100), AfterValidator(_distinct)]
GroupName = EventTypeName
SearchText = Annotated[Text, Field(max_length=256)]

SCHEMAS_EXAMPLE: Final = {
    "1": {
        "title": "Invoice Paid Event",
        "type": "object",
        "properties": {"invoiceId": {"type": "string"}, "userId": {"type": "string"}},
        "required": ["invoiceId", "userId"],
    }
}


class _Flagged(Dto):
    """What has `featureFlags` and takes `featureFlag` for a list of one."""

    feature_flags: FeatureFlags | None = Field(
        default=None, description="Portals list it only if they have one of these flags.", examples=[["beta"]]
    )
    feature_flag: FeatureFlag | None = Field(default=None, json_schema_extra={"deprecated": True})

    @model_validator(mode="after")
    def _merge_flags(self) -> "_Flagged":
        if "feature_flag" in self.model_fields_set and "feature_flags" not in self.model_fields_set:
            self.feature_flags = [self.feature_flag] if self.feature_flag is not None else None
        return self


class EventTypeUpdate(_Flagged):
    """What an event type is replaced with."""

    description: Text = Field(examples=["An invoice was paid by a user"])
    archived: Flag = Field(default=False, description="Nothing new subscribes to it.")
    deprecated: Flag = False
    schemas: Schemas | None = Field(
        default=None, description="The JSON Schema of its payload, by version.", examples=[SCHEMAS_EXAMPLE]
    )
    group_name: GroupName | None = Field(default=None, examples=["invoice"])


class EventTypeIn(EventTypeUpdate):
    """What creates an event type."""

    name: EventTypeName = Field(examples=["invoice.paid"])


class EventTypePatch(_Flagged):
    """Only the fields that are present change, so that the defaults here are never used."""

    description: Text = ""
    archived: Flag = False
    deprecated: Flag = False
    schemas: Schemas | None = Field(default=None, examples=[SCHEMAS_EXAMPLE])
    group_name: GroupName | None = None


class EventTypeOut(Dto):
    """An event type; `schemas` only where the content was asked for."""

    name: str = Field(examples=["invoice.paid"])
    description: str
    archived: bool
    deprecated: bool
    schemas: dict[str, Any] | None = None
    feature_flags: list[str] | None = None
    feature_flag: str | None = Field(default=None, json_schema_extra={"deprecated": True})
    group_name: str | None = None
    created_at: Timestamp
    updated_at: Timestamp


LONGEST_RETRY: Final = 30 * 86_400
MOST_RETRIES: Final = 100
_NANOS: Final = 10**9


class Duration(Dto):
    """A span of time: both parts together."""

    secs: Annotated[int, Field(strict=True, ge=0, le=LONGEST_RETRY), whole] = Field(examples=[300])
    nanos: Annotated[int, Field(strict=True, ge=0, lt=_NANOS), whole] = Field(examples=[0])

    @classmethod
    def of(cls, seconds: float) -> "Duration":
        secs, nanos = divmod(round(seconds * _NANOS), _NANOS)
        return cls(secs=secs, nanos=nanos)

    @property
    def seconds(self) -> float:
        return self.secs + self.nanos / _NANOS


class RetryScheduleInOut(Dto):
    """When messages of an event type are tried again."""

    retry_schedule: Annotated[list[Duration], Field(max_length=MOST_RETRIES)] | None = Field(
        default=None,
        description="The wait before each retry; an empty list is none at all, null the schedule of the installation.",
        examples=[[{"secs": 5, "nanos": 0}, {"secs": 300, "nanos": 0}]],
    )
