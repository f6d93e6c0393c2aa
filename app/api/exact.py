"""JSON that is passed on as it came: number formats, key order and duplicate keys of a payload are the sender's."""

from typing import Annotated, Final

import orjson
from fastapi import Response
from pydantic import BaseModel, BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

PARSED: Final = "parsed"
"""Context of a validation in which a RawJson may be an object that was parsed: what is shown need not be exact."""


def _as_bytes(value: object, info: ValidationInfo) -> object:
    return orjson.dumps(value) if info.context == PARSED and isinstance(value, dict) else value


# Bytes of a JSON object, checked when they arrived. Only `exact_json` can write them.
RawJson = Annotated[
    bytes,
    BeforeValidator(_as_bytes),
    PlainSerializer(lambda raw: orjson.Fragment(raw)),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]


# How msgspec puts it, also where there is nothing at all.
_TRUNCATED: Final = "Input data was truncated"


def reason_of(error: Exception) -> str:
    """Why a body is no JSON, for its sender."""
    return "it is empty, or ends before the JSON does" if str(error) == _TRUNCATED else str(error)


def exact_json(model: BaseModel) -> bytes:
    """The model on the wire, with its RawJson fields byte for byte; fields that are None are left out."""
    return orjson.dumps(model.model_dump(by_alias=True, exclude_none=True))


def exact(model: BaseModel, status_code: int = 200) -> Response:
    """A response of the model, with its RawJson fields byte for byte."""
    return Response(exact_json(model), status_code, media_type="application/json")
