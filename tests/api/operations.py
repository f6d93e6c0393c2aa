"""The operations of the OpenAPI document, and a request for each, made up from what the document says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import trustme
from fastapi import FastAPI

from app import clock
from tests import factories
from tests.factories import Json

PREFIX: Final = "/api/v1"
_ROOT: Final = factories.API.removesuffix(PREFIX)
_OF_PROVIDERS: Final = "/in/"
_PLACE: Final = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Operation:
    """One method of one path; the path is that after /api/v1, or the whole URL of what is elsewhere."""

    name: str
    method: str
    path: str
    tag: str
    path_parameters: tuple[str, ...]
    query_parameters: tuple[str, ...]
    # Those that it cannot do without, with their examples.
    required_query: dict[str, str] = field(hash=False)
    body: Json | None = field(hash=False)
    # The schemas that a body may have, by their names in the document.
    schemas: tuple[str, ...]
    # Whether it is served without a token.
    is_open: bool

    def __str__(self) -> str:
        return self.name

    @property
    def document_path(self) -> str:
        """The path as the document has it."""
        return self.path.removeprefix(_ROOT) if self.path.startswith(_ROOT) else f"{PREFIX}{self.path}"

    @property
    def is_management(self) -> bool:
        """Whether no organization's token is ever enough."""
        return self.name.startswith("v1.management.environment.")

    @property
    def waits_for_worker(self) -> bool:
        """Whether it answers once a worker has done something; there is none beside these tests."""
        return self.name == "v1.message.test-attempt"

    @property
    def ends_token(self) -> bool:
        """Whether who asks for it must log in anew."""
        return self.name.endswith(".logout")

    def url(self, names: Mapping[str, str]) -> str:
        """The path with the parameters that it names filled in. KeyError for one that `names` does not know."""
        return self.path.format_map({name: names[name] for name in self.path_parameters})


def operations(app: FastAPI) -> list[Operation]:
    """All of them, in the order of the document, but for what providers ask for: that is nobody's to call."""
    document = app.openapi()
    return [
        _operation(document, path, method, declared)
        for path, item in document["paths"].items()
        for method, declared in item.items()
        if not path.startswith(_OF_PROVIDERS)
    ]


def _operation(document: Json, path: str, method: str, declared: Json) -> Operation:
    query = [found for found in declared.get("parameters", ()) if found["in"] == "query"]
    body, schemas = None, []
    if "requestBody" in declared:
        schema = declared["requestBody"]["content"]["application/json"]["schema"]
        # A body that may be left out may be null, too.
        found = schema.get("oneOf") or [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
        schemas = [one["$ref"].rpartition("/")[2] for one in found]
        body = _sample(document, schema)
        body |= _SPECIAL.get(declared["operationId"], {})
        if declared["operationId"] == "v1.endpoint.set-mtls-config":
            body = {"identity": identity()}
        if declared["operationId"] == "v1.user.create":
            # One email is one user's, of whichever organization.
            body["email"] = f"{factories.unique('ada')}@example.com"
    return Operation(
        declared["operationId"],
        method.upper(),
        path.removeprefix(PREFIX) if path.startswith(PREFIX) else f"{_ROOT}{path}",
        declared["tags"][0],
        tuple(_PLACE.findall(path)),
        tuple(found["name"] for found in query),
        {found["name"]: str(_sample(document, found["schema"])) for found in query if found.get("required")},
        body,
        tuple(schemas),
        declared.get("security") == [],
    )


# Where what the document says is not enough to make a request that is accepted.
_SPECIAL: Final[Mapping[str, Json]] = {
    "v1.endpoint.recover": {"since": clock.now().isoformat()},
    "v1.endpoint.patch": {"description": "changed"},
    "v1.endpoint.set-oauth-config": {"tokenUrl": factories.URL},
    "v1.application.patch": {"name": "Changed"},
    "v1.poller.patch": {"description": "changed"},
    "v1.ingest.source.patch": {"name": "Changed"},
    "v1.event-type.patch": {"description": "changed"},
    "v1.event-type.import-openapi": {"spec": {"webhooks": {"invoice.paid": {"post": {}}}}},
}


def _sample(document: Json, schema: Json) -> Any:
    """Something that has the schema, and no more than it must have; its example, if it has one."""
    if "$ref" in schema:
        return _sample(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "uri":
        return factories.URL
    if "examples" in schema:
        return schema["examples"][0]
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return _sample(document, schema[choice][0])
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _sample(document, properties[name]) for name in schema.get("required", ())}
        case "array":
            return [_sample(document, schema["items"])]
        case "integer":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case _:
            return "sample"


@cache
def identity() -> str:
    """A client certificate and its key."""
    made = trustme.CA().issue_cert("client.test")
    return "\n".join(part.bytes().decode() for part in (*made.cert_chain_pems, made.private_key_pem))
