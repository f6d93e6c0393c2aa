"""What the OpenAPI document says beside that which FastAPI finds in the points."""

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from app.api.examples import Examples, MissingExample
from app.api.responses import ERRORS, SAID, code_of
from app.api.tags import TAGS

Json = dict[str, Any]

_JSON: Final = "application/json"
_OPEN_TAGS: Final = frozenset({"Health"})
# Of what is called by providers, not by clients: its own point says all that it answers, and there are no others.
_OF_PROVIDERS: Final = "inbound.receive"
_CREATED: Final = ("200", "201", "202")
# Which field of what was created names it in the paths of others.
_NAMES: Final = {
    "app_id": "/id",
    "endpoint_id": "/id",
    "msg_id": "/id",
    "event_type_name": "/name",
    "sink_id": "/id",
    "source_id": "/id",
}
_REQUEST_ID: Final = {
    "description": "The request's correlation id: the caller's own `X-Request-ID`, or a new one.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "description": "The same request with the same key is carried out once, and answered the same again.",
    "schema": {"type": "string"},
}


def complete(document: Json) -> None:
    """Add to a document, in place, what FastAPI does not know.

    Who needs a token, the headers of all requests and responses, examples, and where created things are. The errors
    that all operations share are written once.
    """
    used = {tag for _, _, operation in _operations(document) for tag in operation.get("tags", ())}
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    # Wherever the document itself comes from.
    document.setdefault("servers", [{"url": "/"}])
    components = document.setdefault("components", {})
    scheme = {"type": "http", "scheme": "bearer", "description": "`make -s token` prints one."}
    components.setdefault("securitySchemes", {})["token"] = scheme
    components.setdefault("headers", {})["RequestId"] = _REQUEST_ID
    document["security"] = [{"token": []}]
    schemas = components.get("schemas", {})
    _forget_defaults_of_patches(schemas)
    examples = Examples(schemas)
    for _, method, operation in _operations(document):
        if _OPEN_TAGS & set(operation.get("tags", ())):
            operation["security"] = []
        if operation["operationId"] == _OF_PROVIDERS:
            # FastAPI's own: its only parameter can be any text.
            operation["responses"].pop("422")
        elif method == "post":
            _take_idempotency_key(operation)
        _show_examples(operation, examples)
        _share_errors(operation, components.setdefault("responses", {}))
    for response in (*components.get("responses", {}).values(), *_own_responses(document)):
        response.setdefault("headers", {})["X-Request-ID"] = {"$ref": "#/components/headers/RequestId"}
    _link(document)


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and declaration of each operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _own_responses(document: Json) -> Iterator[Json]:
    for _, _, operation in _operations(document):
        yield from (response for response in operation["responses"].values() if "$ref" not in response)


def _forget_defaults_of_patches(schemas: Json) -> None:
    """What a PATCH leaves out stays as it is: the defaults of its models are never used."""
    for name, schema in schemas.items():
        if "Patch" in name:
            for field in schema.get("properties", {}).values():
                field.pop("default", None)


def _take_idempotency_key(operation: Json) -> None:
    parameters = operation.setdefault("parameters", [])
    if all(parameter["name"] != _IDEMPOTENCY_KEY["name"] for parameter in parameters):
        parameters.append(dict(_IDEMPOTENCY_KEY))


def _show_examples(operation: Json, examples: Examples) -> None:
    """Give parameters and bodies an example; a field that has none leaves its body without, and fails a test."""
    name = operation["operationId"]
    for parameter in operation.get("parameters", ()):
        with suppress(MissingExample):
            parameter["example"] = examples.of(parameter["schema"], f"{name}.{parameter['name']}")
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    for holder in (*bodies, *operation["responses"].values()):
        if _JSON in holder.get("content", {}):
            media_type = holder["content"][_JSON]
            with suppress(MissingExample):
                media_type.setdefault("example", examples.of(media_type["schema"], name))
    for status, response in operation["responses"].items():
        example = response.get("content", {}).get(_JSON, {}).get("example")
        if int(status) >= HTTPStatus.BAD_REQUEST and isinstance(example, dict) and "code" in example:
            said = {"code": code_of(int(status)), "detail": f"{response['description']}."}
            example |= said | response.pop(SAID, {})


def _share_errors(operation: Json, shared: Json) -> None:
    """Replace the errors that every operation has by references; `shared` is where they are kept."""
    for status, said in ERRORS.items():
        response = operation["responses"].get(str(status), {})
        if response.get("description") == said["description"]:
            name = HTTPStatus(int(status)).phrase.title().replace(" ", "")
            shared.setdefault(name, response)
            operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}


def _link(document: Json) -> None:
    """From what creates a thing to the operations on it: their path is the same, and one parameter longer."""
    for path, method, operation in _operations(document):
        if method != "post":
            continue
        links = {}
        for other, _, target in _operations(document):
            parameter = other.removeprefix(f"{path}/{{").partition("}")[0]
            if not other.startswith(f"{path}/{{") or parameter not in _NAMES:
                continue
            inherited = {name: f"$request.path.{name}" for name in _NAMES if f"{{{name}}}" in path}
            own = {parameter: f"$response.body#{_NAMES[parameter]}"}
            if other.count("{") == path.count("{") + 1:
                links[target["operationId"]] = {
                    "operationId": target["operationId"],
                    "parameters": inherited | own,
                }
        for status in _CREATED:
            if links and status in operation["responses"]:
                operation["responses"][status]["links"] = links
