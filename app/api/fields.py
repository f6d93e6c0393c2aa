"""Field types that several domains share, with the limits of the Svix API."""

import re
from datetime import UTC, datetime
from typing import Annotated

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from app import ids

UID_PATTERN = re.compile(r"^[a-zA-Z0-9\-_.]+$")
_EVENT_TYPE = UID_PATTERN
_METADATA_BYTES = 4096


class Dto(BaseModel):
    """A body on the wire: camelCase there, snake_case here; unknown fields are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


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


def _as_utc(value: object) -> object:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


Uid = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_check_uid)]
Metadata = Annotated[dict[str, str], AfterValidator(_check_metadata)]
Text = Annotated[str, AfterValidator(_no_nul)]
Name = Annotated[str, Field(min_length=1, max_length=512), AfterValidator(_no_nul)]
# Rates are 16-bit numbers in the SDKs.
Rate = Annotated[int, Field(strict=True, ge=1, le=2**16 - 1)]
Flag = Annotated[bool, Field(strict=True)]
EventTypeName = Annotated[str, Field(max_length=256, pattern=_EVENT_TYPE.pattern)]
Channel = Annotated[str, Field(max_length=128, pattern=r"^[a-zA-Z0-9\-_.+:]+$")]
# RFC 3339 in UTC with a Z, as the SDKs parse it.
Timestamp = Annotated[
    datetime,
    BeforeValidator(_as_utc),
    PlainSerializer(lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
]
