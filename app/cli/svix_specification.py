"""What the specifications of the Svix API say, made small: names of operations, parameters and fields, and no texts.

It is kept in docs/reference/data/svix-operations.json. `python -m app.cli.compatibility` compares it with our own
OpenAPI document, which is read in the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]
# Of each schema the fields, each with the name of the schema that it holds, or "".
Schemas = dict[str, dict[str, str]]

_METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
_JSON: Final = "application/json"
_CHOICES: Final = ("anyOf", "oneOf", "allOf")
# Deeper than bodies nest; a schema may hold itself.
_DEEPEST: Final = 6


@dataclass(frozen=True)
class Operation:
    """One operation; `names` are its operation ids, by the specification in which it has that name."""

    method: str
    path: str
    tag: str
    names: dict[str, str]
    deprecated: bool
    query: tuple[str, ...]
    body: str
    answer: str

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same operation in two documents: parameters may be called differently."""
        return self.method, "/".join("{}" if part.startswith("{") else part for part in self.path.split("/"))

    @property
    def name(self) -> str:
        """Its newest name."""
        return list(self.names.values())[-1]


@dataclass(frozen=True)
class Specification:
    """The operations of one or more documents, and the fields of their bodies."""

    sources: tuple[str, ...]
    operations: tuple[Operation, ...]
    schemas: Schemas

    def fields(self, schema: str) -> set[str]:
        """The fields of a body, those of what it holds after a dot."""
        return set(self._fields(schema, 0))

    def _fields(self, schema: str, depth: int) -> Iterator[str]:
        if depth < _DEEPEST:
            for name, held in self.schemas.get(schema, {}).items():
                yield name
                yield from (f"{name}.{inner}" for inner in self._fields(held, depth + 1))

    def to_json(self) -> Json:
        """As it is kept."""
        return {
            "sources": list(self.sources),
            "operations": [vars(operation) | {"query": list(operation.query)} for operation in self.operations],
            "schemas": self.schemas,
        }

    @classmethod
    def from_json(cls, kept: Json) -> "Specification":
        operations = (Operation(**{**found, "query": tuple(found["query"])}) for found in kept["operations"])
        return cls(tuple(kept["sources"]), tuple(operations), kept["schemas"])


def read_documents(documents: dict[str, Json]) -> Specification:
    """What some OpenAPI documents say together, by their names; of what is in several the last is right."""
    operations: dict[tuple[str, str], Operation] = {}
    schemas: Schemas = {}
    for source, document in documents.items():
        reader = _Reader(document, schemas)
        for path, item in document["paths"].items():
            for method in _METHODS:
                # Those without a name are hidden, and in no SDK.
                if item.get(method, {}).get("operationId"):
                    found = reader.operation(source, method, path, item[method])
                    earlier = operations.get(found.key)
                    names = {**(earlier.names if earlier else {}), **found.names}
                    operations[found.key] = Operation(**{**vars(found), "names": names})
    ordered = sorted(operations.values(), key=lambda found: (found.tag, found.path, found.method))
    return Specification(tuple(documents), tuple(ordered), dict(sorted(schemas.items())))


class _Reader:
    """Reads one document; the schemas that its operations use are added to `schemas`."""

    def __init__(self, document: Json, schemas: Schemas) -> None:
        self._components: Json = document.get("components", {})
        self._schemas = schemas
        self._read: set[str] = set()

    def operation(self, source: str, method: str, path: str, said: Json) -> Operation:
        name = said["operationId"]
        successes = (said["responses"][status] for status in sorted(said["responses"]) if status.startswith("2"))
        answers = [found for response in successes if (found := self._body(response, f"{name}.answer"))]
        return Operation(
            method=method.upper(),
            path=path,
            tag=said["tags"][0],
            names={source: name},
            deprecated=said.get("deprecated", False),
            query=tuple(sorted(found["name"] for found in said.get("parameters", ()) if found["in"] == "query")),
            body=self._body(said.get("requestBody", {}), f"{name}.body"),
            answer=answers[0] if answers else "",
        )

    def _body(self, holder: Json, name: str) -> str:
        schema = holder.get("content", {}).get(_JSON, {}).get("schema")
        return "" if schema is None else self._held(schema, name)

    def _held(self, schema: Json, name: str) -> str:
        """The name of the schema that this one is, or whose items or values it has; "" if it has no fields."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name not in self._read:
                self._read.add(name)
                # What an earlier document said of it is over.
                self._schemas[name] = {}
                self._read_fields(self._components["schemas"][name], name)
            return name
        for part in ("items", "additionalProperties"):
            if isinstance(schema.get(part), dict):
                return self._held(schema[part], name)
        if "properties" in schema or any(choice in schema for choice in _CHOICES):
            choices = [one for choice in _CHOICES for one in schema.get(choice, ()) if one.get("type") != "null"]
            if len(choices) == 1 and "properties" not in schema:
                return self._held(choices[0], name)
            self._read_fields(schema, name)
            return name if self._schemas.get(name) else ""
        return ""

    def _read_fields(self, schema: Json, name: str) -> None:
        """Note the fields of a schema, and of all that it may be instead."""
        fields = self._schemas.setdefault(name, {})
        for field, said in schema.get("properties", {}).items():
            fields[field] = self._held(said, f"{name}.{field}")
        for choice in _CHOICES:
            for one in schema.get(choice, ()):
                held = self._held(one, f"{name}.{choice}")
                fields.update(self._schemas.get(held, {}))
