"""Field types that several domains share, with the limits of the Svix API."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from app import ids

# A plus that was not encoded in a query is a space.
_LOST_PLUS = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d\S* \d\d:?\d\d$")
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
UID_PATTERN = re.compile(r"^[a-zA-Z0-9\-_.]+$")
_EVENT_TYPE = UID_PATTERN
_METADATA_BYTES = 4096
# More pairs do not fit: `"":"",` is the shortest.
_MOST_METADATA = 700


class Dto(BaseModel):
    """A body on the wire: camelCase there, snake_case here; unknown fields are ignored."""

    # What was wrong is said without what was given, which may be a secret.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )

    def __repr__(self) -> str:
        """What it holds, without the values, which are payloads and secrets, or may be."""
        return f"{type(self).__name__}({', '.join(sorted(self.model_fields_set))})"

    __str__ = __repr__


def example(**fields: object) -> ConfigDict:
    """Configures a model whose fields' examples do not go together: these, as they are on the wire, do."""
    shown: Any = fields
    return ConfigDict(json_schema_extra={"examples": [shown]})


def at_most(entries: int) -> BeforeValidator:
    """Refuses a larger object as a whole: Pydantic would first say of each entry what is wrong with it."""

    def check(value: object) -> object:
        if isinstance(value, dict) and len(value) > entries:
            raise ValueError(f"there must be at most {entries} entries")
        return value

    return BeforeValidator(check)


def _check_uid(value: str) -> str:
    if not UID_PATTERN.fullmatch(value):
        raise ValueError("uid must match the following pattern: ^[a-zA-Z0-9\\-_.]+$")
    if value.startswith(ids.PREFIXES):
        raise ValueError("uids are not allowed to have the same prefix as the ID. Leave out the prefix.")
    return value


def _check_metadata(value: dict[str, str]) -> dict[str, str]:
    if len(orjson.dumps(value)) > _METADATA_BYTES:
        raise ValueError("metadata must be at most 4096 bytes in total")
    if any("\0" in part for pair in value.items() for part in pair):
        raise ValueError("metadata must not hold NUL characters")
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("the text must not hold NUL characters")
    return value


def _whole(value: object) -> object:
    """JSON Schema's integers may be written as 5.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _rfc_3339(value: object) -> object:
    """Pydantic would take a number for seconds, or milliseconds, since 1970."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        raise PydanticCustomError("datetime_parsing", "Input should be a date and time, as in 2026-01-31T23:59:59Z")
    if isinstance(value, str) and _LOST_PLUS.match(value):
        text = "Input should be a date and time, without a space before its offset: write Z, or %2B in place of +"
        raise PydanticCustomError("datetime_parsing", text)
    return value


def _as_utc(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _in_utc(time: datetime) -> datetime:
    """A time without an offset is meant in UTC already; one before the first year or after the last is at that end."""
    try:
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if time.year == 1 else datetime.max.replace(tzinfo=UTC)


# What the validators ask for is also said in the OpenAPI document, as far as JSON Schema has words for it.
_WITHOUT_NUL = r"^[^\x00]*$"
Uid = Annotated[
    str,
    Field(min_length=1, max_length=256, json_schema_extra={"pattern": UID_PATTERN.pattern}),
    AfterValidator(_check_uid),
]
Metadata = Annotated[
    dict[str, str],
    Field(
        json_schema_extra={
            "maxProperties": _MOST_METADATA,
            "propertyNames": {"pattern": _WITHOUT_NUL},
            "additionalProperties": {"type": "string", "pattern": _WITHOUT_NUL},
        },
        examples=[{"plan": "gold"}],
    ),
    AfterValidator(_check_metadata),
    at_most(_MOST_METADATA),
]
Text = Annotated[str, Field(json_schema_extra={"pattern": _WITHOUT_NUL}), AfterValidator(_no_nul)]
Name = Annotated[
    str,
    Field(min_length=1, max_length=512, json_schema_extra={"pattern": _WITHOUT_NUL}),
    AfterValidator(_no_nul),
]
whole = BeforeValidator(_whole)
# Rates are 16-bit numbers in the SDKs.
Rate = Annotated[int, Field(strict=True, ge=1, le=2**16 - 1, examples=[50]), whole]
# A time in a query.
rfc_3339 = BeforeValidator(_rfc_3339)
Moment = Annotated[datetime, Field(examples=["2026-01-31T23:59:59Z"]), AfterValidator(_in_utc), rfc_3339]
Flag = Annotated[bool, Field(strict=True)]
EventTypeName = Annotated[str, Field(max_length=256, pattern=_EVENT_TYPE.pattern, examples=["invoice.paid"])]
Channel = Annotated[str, Field(max_length=128, pattern=r"^[a-zA-Z0-9\-_.+:]+$", examples=["project_1337"])]
# RFC 3339 in UTC with a Z, as the SDKs parse it.
Timestamp = Annotated[
    datetime,
    BeforeValidator(_as_utc),
    PlainSerializer(lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-31T23:59:59Z"]}),
]
