"""A route without FastAPI's dependency solver, for the one operation where its cost would be most of the request.

The function is declared, documented and validated like any other; only the way its arguments are found is shorter. It
may ask for the path's parameters (str), one body with a `parse(bytes)` of its own, and `Depends` on plain functions
of the request.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import Request, Response, params
from fastapi.routing import APIRoute
from pydantic import BaseModel

Finder = Callable[[Request, bytes], object]


class LeanRoute(APIRoute):
    """The function's arguments, by name, straight from the request. It must return a Response."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        finders = tuple(_finders(self.endpoint))
        function = self.endpoint

        async def handle(request: Request) -> Response:
            body = await request.body()
            response: Response = await function(**{name: find(request, body) for name, find in finders})
            return response

        return handle


def _finders(function: Callable[..., Any]) -> list[tuple[str, Finder]]:
    hints = get_type_hints(function, include_extras=True)
    return [(name, _finder(name, hints[name])) for name in inspect.signature(function).parameters]


def _finder(name: str, hint: object) -> Finder:
    declared, extras = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    for extra in extras:
        if isinstance(extra, params.Depends) and extra.dependency is not None:
            depend = extra.dependency
            return lambda request, _body: depend(request)
        if isinstance(extra, params.Path):
            path_name = extra.alias or name
            return lambda request, _body: request.path_params[path_name]
        if isinstance(extra, params.Header):
            header = extra.alias or name.replace("_", "-")
            return lambda request, _body: request.headers.get(header)
        if isinstance(extra, params.Query) and declared is bool:
            flag = (extra.alias or name).encode()
            return lambda request, _body: flag + b"=false" not in request.scope["query_string"]
    if isinstance(declared, type) and issubclass(declared, BaseModel):
        parse: Callable[[bytes], object] = declared.parse  # type: ignore[attr-defined]  # a lean body brings it
        return lambda _request, body: parse(body)
    raise TypeError(f"a lean route cannot find the argument {name!r}: use an ordinary route")
