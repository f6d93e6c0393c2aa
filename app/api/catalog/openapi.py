"""Event types read from the webhooks of an OpenAPI document.

A schema in such a document refers to others by their place in it. An event type's schema stands alone: what it refers
to comes along under `$defs`, each once, however often and from wherever it is referred to.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from pydantic import JsonValue

from app.api.catalog.text import MOST_DEPTH
from app.errors import ValidationFailed, Violation

Json = dict[str, JsonValue]

MOST_EVENT_TYPES: Final = 1000
# Of all schemas together, once each has with it what it refers to.
_MOST_PARTS: Final = 200_000
_NAME: Final = re.compile(r"[a-zA-Z0-9\-_.]{1,256}", re.ASCII)
_METHODS: Final = ("post", "put", "patch", "get", "delete", "options", "head", "trace")
_JSON: Final = "application/json"
_MOST_HOPS: Final = 32
_MOST_FLAGS: Final = 100
# What these hold is data, in which nothing refers to anything; and what these hold are schemas by names of their own.
_VERBATIM: Final = frozenset({"const", "default", "enum", "example", "examples"})
_BY_NAME: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})


@dataclass(frozen=True, slots=True)
class Described:
    """An event type as an OpenAPI document describes it; None where it says nothing."""

    name: str
    description: str | None
    schema: Json | None
    deprecated: bool
    group_name: str | None
    feature_flags: list[str] | None


def event_types_of(document: JsonValue, field: str) -> list[Described]:
    """The webhooks of a document (`webhooks`, `x-webhooks`), which stood in that field of the request's body.

    ValidationFailed, with all reasons, if one is not good.
    """

    def refused(loc: tuple[str, ...], message: str) -> ValidationFailed:
        return ValidationFailed(Violation(("body", field, *loc), message))

    if not isinstance(document, dict):
        raise refused((), "the document must be an object")
    webhooks: Json = {}
    for section in ("x-webhooks", "webhooks"):
        found = document.get(section, {})
        if not isinstance(found, dict):
            raise refused((section,), "it must be an object")
        webhooks |= found
    if "webhooks" not in document and "x-webhooks" not in document:
        raise refused((), "the document has no webhooks: describe each event type under `webhooks`, by its name")
    if len(webhooks) > MOST_EVENT_TYPES:
        raise refused(("webhooks",), f"there are more than {MOST_EVENT_TYPES}: import them in parts")
    reading, described, violations = _Reading(document), [], []
    for name, item in webhooks.items():
        try:
            described.append(reading.event_type(name, item))
        except ValueError as error:
            violations.append(Violation(("body", field, "webhooks", name[:256]), str(error)))
    if violations:
        raise ValidationFailed(*violations)
    return described


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("its description must not hold NUL characters")
    return text


def _group(fields: Mapping[str, JsonValue]) -> str | None:
    name = fields.get("x-svix-group-name")
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError("x-svix-group-name must match ^[a-zA-Z0-9\\-_.]+$")
    return name


def _flags(fields: Mapping[str, JsonValue]) -> list[str] | None:
    found = fields.get("x-svix-feature-flags", fields.get("x-svix-feature-flag"))
    if found is None:
        return None
    flags = found if isinstance(found, list) else [found]
    if not 1 <= len(flags) <= _MOST_FLAGS or not all(isinstance(f, str) and _NAME.fullmatch(f) for f in flags):
        raise ValueError(f"x-svix-feature-flags must be 1 to {_MOST_FLAGS} texts that match ^[a-zA-Z0-9\\-_.]+$")
    return list(dict.fromkeys(str(flag) for flag in flags))


class _Reading:
    """Reads one document. Its methods raise ValueError, with the reason."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self.parts = 0

    def event_type(self, name: str, item: JsonValue) -> Described:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "the name of an event type must match ^[a-zA-Z0-9\\-_.]+$, and have at most 256 characters"
            )
        item = self._object(item, "the webhook")
        method = next((method for method in _METHODS if isinstance(item.get(method), dict)), None)
        if method is None:
            raise ValueError("it has no operation: describe it under `post`")
        operation = self._object(item[method], "the operation")
        body = self._object(operation.get("requestBody", {}), "the request body")
        texts = [operation.get("description"), operation.get("summary"), body.get("description")]
        texts += [item.get("description"), item.get("summary")]
        return Described(
            name,
            next((_text(text) for text in texts if isinstance(text, str)), None),
            self._schema(body),
            operation.get("deprecated") is True,
            _group({**item, **operation}),
            _flags({**item, **operation}),
        )

    def _schema(self, body: Json) -> Json | None:
        content = self._object(body.get("content", {}), "the request body's content")
        kind = _JSON if _JSON in content else next((k for k in content if k.partition(";")[0].endswith("json")), None)
        schema = self._object(content.get(kind, {}), "the media type").get("schema") if kind is not None else None
        return None if schema is None else _Bundle(self, schema).bundled

    def _object(self, value: JsonValue, what: str) -> Json:
        for _ in range(_MOST_HOPS):
            if not isinstance(value, dict):
                raise ValueError(f"{what} must be an object")
            reference = value.get("$ref")
            if not isinstance(reference, str):
                return value
            value = self.at(reference)
        raise ValueError(f"{what} refers to itself")

    def at(self, reference: str) -> JsonValue:
        """What a reference is to: a place in this document."""
        if not reference.startswith("#"):
            raise ValueError(f"{reference[:200]!r} is not in the document: put all that it needs into one document")
        place: JsonValue = self._document
        for token in reference[1:].split("/")[1:]:
            key = unquote(token).replace("~1", "/").replace("~0", "~")
            if isinstance(place, dict) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(place):
                place = place[int(key[:9])]
            else:
                raise ValueError(f"{reference[:200]!r} is not in the document")
        return place


class _Bundle:
    """One schema, and with it all that it refers to."""

    def __init__(self, reading: _Reading, schema: JsonValue) -> None:
        self._reading = reading
        # Where the schema itself is, if it is referred to: what refers to it from within refers to the root.
        self._root: str | None = None
        for _ in range(_MOST_HOPS):
            if not isinstance(schema, dict) or list(schema) != ["$ref"] or not isinstance(schema["$ref"], str):
                break
            self._root = schema["$ref"]
            schema = reading.at(self._root)
        if not isinstance(schema, dict):
            raise ValueError("its schema must be an object")
        self._own = schema
        # What is referred to, and under which name it comes along.
        self._names: dict[str, str] = {}
        self._queue: list[str] = []
        own = schema.get("$defs")
        self._taken = set(own) if isinstance(own, dict) else set()
        self.bundled = self._bundle(schema)

    def _bundle(self, schema: Json) -> Json:
        bundled = self._schema(schema, 0)
        assert isinstance(bundled, dict)
        definitions: Json = {}
        for reference in self._queue:  # It grows meanwhile, by what these refer to.
            definitions[self._names[reference]] = self._schema(self._reading.at(reference), 0)
        if definitions:
            own = bundled.get("$defs")
            bundled["$defs"] = {**(own if isinstance(own, dict) else {}), **definitions}
        return bundled

    def _schema(self, value: JsonValue, depth: int) -> JsonValue:
        """A copy of a schema, or of several."""
        self._count(value, depth)
        match value:
            case dict():
                return {key: self._entry(key, entry, depth + 1) for key, entry in value.items()}
            case list():
                return [self._schema(entry, depth + 1) for entry in value]
            case _:
                return value

    def _entry(self, key: str, value: JsonValue, depth: int) -> JsonValue:
        self._count(key, depth)
        if key == "$ref" and isinstance(value, str):
            return self._reference(value)
        if key in _VERBATIM:
            return self._data(value, depth)
        if key in _BY_NAME and isinstance(value, dict):
            for name in value:
                self._count(name, depth)
            return {name: self._schema(entry, depth + 1) for name, entry in value.items()}
        return self._schema(value, depth)

    def _data(self, value: JsonValue, depth: int) -> JsonValue:
        self._count(value, depth)
        match value:
            case dict():
                for key in value:
                    self._count(key, depth)
                return {key: self._data(entry, depth + 1) for key, entry in value.items()}
            case list():
                return [self._data(entry, depth + 1) for entry in value]
            case _:
                return value

    def _count(self, value: JsonValue, depth: int) -> None:
        self._reading.parts += 1
        if self._reading.parts > _MOST_PARTS:
            raise ValueError("the schemas are too large, each with what it refers to: import them in parts")
        if depth > MOST_DEPTH:
            raise ValueError(f"its schema is nested deeper than {MOST_DEPTH} levels")
        if isinstance(value, str) and "\0" in value:
            raise ValueError("its schema must not hold NUL characters")

    def _reference(self, reference: str) -> str:
        if reference == "#" or (reference.startswith("#/$defs/") and self._is_own(reference)):
            return reference
        if self._root is not None and (reference == self._root or reference.startswith(f"{self._root}/")):
            return "#" + reference.removeprefix(self._root)
        if reference not in self._names:
            self._reading.at(reference)
            stem = re.sub(r"[^a-zA-Z0-9\-_.]", "_", reference.rpartition("/")[2]) or "root"
            name, count = stem, 1
            while name in self._taken:
                count += 1
                name = f"{stem}_{count}"
            self._taken.add(name)
            self._names[reference] = name
            self._queue.append(reference)
        return f"#/$defs/{self._names[reference]}"

    def _is_own(self, reference: str) -> bool:
        """Whether it means the schema's own definitions, and not something of the document."""
        own = self._own.get("$defs")
        return isinstance(own, dict) and reference.removeprefix("#/$defs/").partition("/")[0] in own
