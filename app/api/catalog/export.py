"""An organization's event types as an OpenAPI document: what `openapi.py` reads, the other way round."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

Json = dict[str, JsonValue]

_VERSION: Final = "3.1.0"


@dataclass(frozen=True, slots=True)
class Exported:
    """An event type to be described; `schemas` by version."""

    name: str
    description: str
    schemas: Mapping[str, JsonValue] | None
    deprecated: bool
    group_name: str | None
    feature_flags: list[str] | None


def newest_version(schemas: Mapping[str, object]) -> str:
    """The version of a schema that counts: the highest number, or else the last text. ValueError if there is none."""
    return max(schemas, key=_version_order)


def _version_order(version: str) -> tuple[bool, int, str]:
    if not (version.isascii() and version.isdigit()):
        return False, 0, version
    digits = version.lstrip("0")
    return True, len(digits), digits


def document_of(event_types: Iterable[Exported]) -> Json:
    """The document: a webhook for each event type, whose schema is a component of the same name."""
    webhooks: Json = {}
    components: Json = {}
    for event_type in event_types:
        operation: Json = {"description": event_type.description}
        if event_type.deprecated:
            operation["deprecated"] = True
        if event_type.group_name is not None:
            operation["x-svix-group-name"] = event_type.group_name
        if event_type.feature_flags:
            operation["x-svix-feature-flags"] = list(event_type.feature_flags)
        if event_type.schemas:
            place = f"#/components/schemas/{event_type.name}"
            components[event_type.name] = _placed(event_type.schemas[newest_version(event_type.schemas)], place)
            operation["requestBody"] = {"content": {"application/json": {"schema": {"$ref": place}}}}
        operation["responses"] = {"2XX": {"description": "The event was received."}}
        webhooks[event_type.name] = {"post": operation}
    return {
        "openapi": _VERSION,
        "info": {"title": "Event types", "version": "1.0.0"},
        "webhooks": webhooks,
        "components": {"schemas": components},
    }


def _placed(value: JsonValue, place: str) -> JsonValue:
    """A schema whose references to its own parts say where these are in the document."""
    match value:
        case dict():
            return {
                key: f"{place}{entry[1:]}"
                if key == "$ref" and isinstance(entry, str) and entry.startswith("#")
                else _placed(entry, place)
                for key, entry in value.items()
            }
        case list():
            return [_placed(entry, place) for entry in value]
        case _:
            return value
