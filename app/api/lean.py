"""Routes that find their arguments without FastAPI's solver, and whose body is read byte for byte.

A lean point is declared, validated and documented like any other. It may ask for the path's parameters (str), one body
with a `parse(bytes)` of its own, headers, switches in the query (bool), and `Depends` on coroutines of the request; it
returns a Response.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from fastapi import Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect

Finder = Callable[[Request, bytes], object]
Dependency = Callable[[Request], Awaitable[object]]
_SWITCH: Final = TypeAdapter(bool)


class LeanRoute(APIRoute):
    """The function's arguments, by name, straight from the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        finders, dependencies = _plan(self.endpoint)
        function = self.endpoint

        async def handle(request: Request) -> Response:
            arguments = {name: await depend(request) for name, depend in dependencies}
            body = await _body(request)
            for name, find in finders:
                arguments[name] = find(request, body)
            response: Response = await function(**arguments)
            return response

        return handle


async def _body(request: Request) -> bytes:
    """The whole body; its size is limited by the middleware."""
    message = await request.receive()
    if not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = [message["body"]]
    while message.get("more_body"):
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _validated(parse: Callable[[bytes], object], body: bytes) -> object:
    try:
        return parse(body)
    except ValidationError as error:
        failures = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**failure, "loc": ("body", *failure["loc"])} for failure in failures]) from None


def _plan(function: Callable[..., Any]) -> tuple[list[tuple[str, Finder]], list[tuple[str, Dependency]]]:
    finders: list[tuple[str, Finder]] = []
    dependencies: list[tuple[str, Dependency]] = []
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        declared, extras = _parts(hints[name])
        depends = [extra.dependency for extra in extras if isinstance(extra, params.Depends)]
        if depends and depends[0] is not None:
            dependencies.append((name, depends[0]))
        else:
            finders.append((name, _finder(name, declared, extras, parameter.default)))
    return finders, dependencies


def _parts(hint: object) -> tuple[object, tuple[object, ...]]:
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _finder(name: str, declared: object, extras: tuple[object, ...], default: object) -> Finder:
    for extra in extras:
        if isinstance(extra, params.Path):
            path_name = extra.alias or name
            return lambda request, _body: request.path_params[path_name]
        if isinstance(extra, params.Header):
            header = extra.alias or name.replace("_", "-")
            return lambda request, _body: request.headers.get(header)
        if isinstance(extra, params.Query) and declared is bool:
            return _switch_finder(extra.alias or name, default)
    if isinstance(declared, type) and issubclass(declared, BaseModel):
        parse: Callable[[bytes], object] = declared.parse  # type: ignore[attr-defined]  # a lean body brings it
        return lambda _request, body: _validated(parse, body)
    raise TypeError(f"a lean route cannot find the argument {name!r}: use an ordinary route")


def _switch_finder(name: str, default: object) -> Finder:
    def find(request: Request, _body: bytes) -> object:
        # Most requests have no query, and are spared its parsing.
        if not request.scope["query_string"] or (text := request.query_params.get(name)) is None:
            return default
        try:
            return _SWITCH.validate_python(text)
        except ValidationError as error:
            failures = error.errors(include_url=False, include_input=False)
            raise RequestValidationError([{**failure, "loc": ("query", name)} for failure in failures]) from None

    return find
