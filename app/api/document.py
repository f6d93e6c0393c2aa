"""What the OpenAPI document says beside that which FastAPI finds in the points."""

from collections.abc import Iterator
from typing import Any, Final

Json = dict[str, Any]

_OPEN_TAGS: Final = frozenset({"Health"})
_CREATED: Final = ("200", "201", "202")
# Which field of what was created names it in the paths of others.
_NAMES: Final = {
    "app_id": "/id",
    "endpoint_id": "/id",
    "msg_id": "/id",
    "event_type_name": "/name",
}
_REQUEST_ID: Final = {
    "description": "The request's correlation id: the caller's own `X-Request-ID`, or a new one.",
    "schema": {"type": "string"},
}


def complete(document: Json) -> None:
    """Add to a document, in place: who needs a token, the headers of all responses, and where created things are."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer", "description": "`make -s token` prints one."}
    document["components"].setdefault("headers", {})["RequestId"] = _REQUEST_ID
    document["security"] = [{"token": []}]
    for _, _, operation in _operations(document):
        if _OPEN_TAGS & set(operation.get("tags", ())):
            operation["security"] = []
        for response in operation["responses"].values():
            response.setdefault("headers", {})["X-Request-ID"] = {"$ref": "#/components/headers/RequestId"}
    _link(document)


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and declaration of each operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


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
