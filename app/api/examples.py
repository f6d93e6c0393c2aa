"""An example of each body and parameter in the OpenAPI document, put together from the examples of the fields in it."""

from collections.abc import Iterable
from typing import Any, Final

Json = dict[str, Any]

# What many models and parameters have, and what means the same in all of them.
_BY_NAME: Final[Json] = {
    "app_id": "app_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "appId": "app_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "archived": False,
    "attempt_id": "atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "channel": "project_1337",
    "channels": ["project_1337"],
    "deprecated": False,
    "description": "What it is for",
    "disabled": False,
    "disabledReason": "the receiver answered 410 Gone",
    "endpoint_id": "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "endpointId": "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "env_id": "org_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "envId": "org_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "eventId": "invoice-4711-paid",
    "event_type_name": "invoice.paid",
    "eventTypes": ["invoice.paid"],
    "event_types": ["invoice.paid"],
    "featureFlags": ["beta"],
    "groupName": "invoice",
    "headers": {"X-Example": "123"},
    "idempotency-key": "invoice-4711-paid",
    "iterator": "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "key": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "key_id": "key_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "metadata": {"plan": "gold"},
    "msg_id": "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "msgId": "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "orderedBy": "/customer/id",
    "prevIterator": "-msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "readOnly": False,
    "schemas": {"1": {"type": "object", "properties": {"invoiceId": {"type": "string"}}}},
    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "sessionId": "session_8",
    "sink_id": "till",
    "source_id": "src_0iSXRtZQskBRr7dIpN7xCw",
    "statusText": "success",
    "tag": "urgent",
    "throttleRate": 50,
    "timeoutSeconds": 15,
    "uid": "your-own-id",
    "url": "https://example.com/webhook/",
}
# Bodies do not nest deeper; models that hold themselves would for ever.
_DEEPEST: Final = 12


class MissingExample(Exception):
    """A field without an example; the text says which."""


class Examples:
    """Makes examples of schemas; `schemas` are those that the document names."""

    def __init__(self, schemas: Json) -> None:
        self._schemas = schemas

    def of(self, schema: Json, where: str, depth: int = 0) -> Any:
        """Something that has the schema, of everything that it may hold. MissingExample names what has none.

        `where` is what the schema is called, for that.
        """
        if depth > _DEEPEST:
            raise MissingExample(f"{where} nests too deep for an example to be made: give it one")
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self.of(self._schemas[name], name, depth + 1)
        for said in _said(schema, where.rpartition(".")[2]):
            return said
        for choices in ("anyOf", "oneOf", "allOf"):
            for choice in schema.get(choices, ()):
                if choice != {"type": "null"}:
                    return self.of(choice, where, depth + 1)
        match schema.get("type"):
            case "object" if "properties" in schema:
                required = schema.get("required", ())
                return {
                    name: self.of(property_, f"{where}.{name}", depth + 1)
                    for name, property_ in schema["properties"].items()
                    if name in required or not property_.get("deprecated")
                }
            case "array" if "items" in schema:
                return [self.of(schema["items"], where, depth + 1)]
            case "boolean":
                return True
        raise MissingExample(where)


def _said(schema: Json, name: str) -> Iterable[Any]:
    """What a schema itself says that would be one, or what is called so is everywhere."""
    if "examples" in schema:
        yield from schema["examples"][:1]
    elif name in _BY_NAME and not _lists_models(schema):
        yield _BY_NAME[name]
    elif "const" in schema:
        yield schema["const"]
    elif schema.get("default") not in (None, "", [], {}):
        yield schema["default"]
    elif "enum" in schema:
        yield schema["enum"][0]


def _lists_models(schema: Json) -> bool:
    """Whether something is a list of models, for which the name of a list of texts stands, too."""
    return any("$ref" in one.get("items", {}) for one in (schema, *schema.get("anyOf", ())))
