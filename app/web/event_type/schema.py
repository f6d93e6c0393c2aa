"""JSON Schemas for people: a table of the properties, and an example of what fits. Pure; any JSON can be read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

_DEEPEST: Final = 6
_MOST: Final = 300
# Schemas may refer to themselves many times over: so many parts are looked at, and the rest says nothing.
_MOST_PARTS: Final = 5000
_LONGEST: Final = 200
# Nor may a text to which many parts refer fill a page as often: so many characters are shown of all, and of each.
_MOST_TEXT: Final = 200_000
_LONGEST_TEXT: Final = 2000
# What is said of a value beside its type, and how.
_LIMITS: Final = {
    "format": "{}",
    "pattern": "matches {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}
_OF_FORMAT: Final = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "4f1c9a7e-2b5d-4036-91e4-f7a9b2d5c8aa",
    "ipv4": "203.0.113.7",
    "ipv6": "2001:db8::7",
    "hostname": "www.example.com",
}
_OF_TYPE: Final = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
_CHOICES: Final = ("oneOf", "anyOf")


@dataclass(frozen=True, slots=True)
class Property:
    """One line of the table. `path` leads to it, as in `lines[].amount`."""

    path: str
    type: str
    required: bool
    description: str
    limits: tuple[str, ...]
    deprecated: bool


def properties_of(schema: Mapping[str, object]) -> list[Property]:
    """The properties of a schema, those of objects within it after it; not more than a page can show."""
    return list(islice(_Reader(schema).properties(schema), _MOST))


def example_of(schema: Mapping[str, object]) -> object:
    """The schema's own example, or else one that is made of its types; it need not satisfy patterns and bounds."""
    return _Reader(schema).example(schema)


def has_example(schema: Mapping[str, object]) -> bool:
    """Whether it says one itself, for `send-example` of the API: one that is made up is sent to nobody."""
    return isinstance(_own_example(schema), dict)


class _Reader:
    """Reads one schema, in which parts refer to others."""

    def __init__(self, root: Mapping[str, object]) -> None:
        self._root = root
        self._left = _MOST_PARTS
        self._text_left = _MOST_TEXT

    def properties(self, schema: object, path: str = "", depth: int = 0) -> Iterator[Property]:
        if depth == _DEEPEST or self._text_left == 0:
            return
        schema = self._resolved(schema)
        for part in _list(schema.get("allOf")):
            yield from self.properties(part, path, depth + 1)
        required = _list(schema.get("required"))
        for name, each in _named(schema.get("properties")):
            place = f"{path}.{name}" if path else name
            yield self._property(each, place, required=name in required)
            yield from self.properties(each, place, depth + 1)
        if "items" in schema:
            yield from self.properties(schema["items"], f"{path}[]", depth + 1)

    def example(self, schema: object, depth: int = 0) -> object:
        schema = self._resolved(schema)
        if (own := _own_example(schema)) is not None:
            return self._given(own)
        for said in ("const", "default"):
            if said in schema:
                return self._given(schema[said])
        if values := _list(schema.get("enum")):
            return self._given(values[0])
        if depth == _DEEPEST:
            return None
        for choice in _CHOICES:
            if options := _list(schema.get(choice)):
                return self.example(options[0], depth + 1)
        return self._made_up(schema, depth + 1)

    def _property(self, schema: object, path: str, *, required: bool) -> Property:
        schema = self._resolved(schema)
        description = schema.get("description") or schema.get("title") or ""
        return Property(
            self._cut(path),
            self._cut(self._type_of(schema)),
            required,
            self._cut(description if isinstance(description, str) else ""),
            tuple(map(self._cut, _limits_of(schema))),
            schema.get("deprecated") is True,
        )

    def _cut(self, text: str) -> str:
        """A text as far as there is room for it."""
        most = min(_LONGEST_TEXT, self._text_left)
        cut = text if len(text) <= most else f"{text[:most]}…"
        self._text_left -= min(len(text), most)
        return cut

    def _given(self, value: object) -> object:
        """A value that the schema gives itself; null once there is no more room."""
        return value if self._has_room(len(orjson.dumps(value))) else None

    def _has_room(self, size: int) -> bool:
        """Whether there is room for so many characters more, which they take up then. Else there is no more at all."""
        self._text_left = max(self._text_left - size, 0)
        return self._text_left > 0

    def _type_of(self, schema: object, depth: int = 0) -> str:
        schema = self._resolved(schema)
        named = schema.get("type")
        if named == "array" and "items" in schema and depth < _DEEPEST:
            return f"array of {self._type_of(schema['items'], depth + 1)}"
        if isinstance(named, str):
            return named
        if isinstance(named, list):
            return " or ".join(map(str, named))
        for choice in _CHOICES:
            if (options := _list(schema.get(choice))) and depth < _DEEPEST:
                return " or ".join(dict.fromkeys(self._type_of(option, depth + 1) for option in options))
        return "object" if "properties" in schema or "allOf" in schema else "any"

    def _made_up(self, schema: Mapping[str, object], depth: int) -> object:
        named = schema.get("type")
        kind = next((each for each in named if each != "null"), "null") if isinstance(named, list) else named
        if kind == "array":
            return [self.example(schema["items"], depth)] if "items" in schema else []
        if kind == "string":
            form = schema.get("format")
            return _OF_FORMAT.get(form, "text") if isinstance(form, str) else "text"
        if isinstance(kind, str) and kind in _OF_TYPE:
            return _OF_TYPE[kind]
        made: dict[str, object] = {}
        for part in _list(schema.get("allOf")):
            if isinstance(inner := self.example(part, depth), dict):
                made |= inner
        for name, each in _named(schema.get("properties")):
            if self._has_room(len(name)):
                made[name] = self.example(each, depth)
        return made

    def _resolved(self, schema: object) -> Mapping[str, object]:
        """A schema, or the one of the same document that it refers to; what is no object says nothing."""
        self._left -= 1
        for _ in range(_DEEPEST):
            reference = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            schema = _at(self._root, reference.removeprefix("#"))
        return schema if isinstance(schema, dict) and self._left >= 0 else {}


def _limits_of(schema: Mapping[str, object]) -> Iterator[str]:
    if "const" in schema:
        yield f"always {_shown(schema['const'])}"
    if values := _list(schema.get("enum")):
        yield "one of " + ", ".join(map(_shown, values))
    for name, form in _LIMITS.items():
        if isinstance(value := schema.get(name), str | int | float):
            yield form.format(value)


def _shown(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _own_example(schema: Mapping[str, object]) -> object:
    """What the schema gives as an example (JSON Schema 2020-12 §9.5, and OpenAPI's `example`); None for none."""
    examples = _list(schema.get("examples"))
    return examples[0] if examples else schema.get("example")


def _at(root: object, pointer: str) -> object:
    """What a JSON Pointer (RFC 6901) leads to; None for nothing."""
    for step in pointer.strip("/").split("/") if pointer.strip("/") else ():
        root = root.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(root, dict) else None
    return root


def _named(value: object) -> list[tuple[str, object]]:
    return list(islice(value.items(), _MOST)) if isinstance(value, dict) else []


def _list(value: object) -> list[object]:
    return value[:_MOST] if isinstance(value, list) else []
