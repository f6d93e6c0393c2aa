"""Exception to response: the only place where a status code leaves.

Bodies are those of the Svix API, plus what an operator needs to find the log line: `{"code", "detail",
"correlation_id", "timestamp"}`, and `{"detail": [{"loc", "msg", "type"}]}` for a 422.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from loguru import logger
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from app import clock
from app.api.responses import code_of
from app.db.session import CONNECTION_ERRORS
from app.errors import (
    BadRequest,
    MethodNotServed,
    NotFound,
    PostriderError,
    TooManyRequests,
    Unavailable,
    ValidationFailed,
    Violation,
)
from app.logs import correlation_id

# Pydantic's names of the failures that Svix's parser reports (wrong JSON, wrong type, missing field), as opposed to
# those of validators. All that end in `_type` or `_parsing` belong to them too.
_PARSE_FAILURES: Final = frozenset(
    {"json_invalid", "missing", "enum", "literal_error", "extra_forbidden", "int_from_float", "union_tag_invalid"}
)
# An answer is not to be many times as large as its request: a megabyte can be wrong in half a million places.
_MOST_VIOLATIONS: Final = 100
_LONGEST_LOC_PART: Final = 256
_LONGEST_TEXT: Final = 500
_LENGTHS: Final = frozenset({"too_short", "too_long"})
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_TEXTS: Final = {
    404: "Nothing is served at this path; /docs lists what is.",
    405: "This path does not serve this method; the Allow header lists those that it does.",
}


# What an SDK asks for whose address holds the path that it adds itself.
_PATH_TWICE: Final = "/api/v1/api/v1"
_PATH_TWICE_TEXT: Final = "/api/v1 is there twice: the server_url of an SDK must not end with /api/v1."


def problem_body(code: str, detail: str) -> bytes:
    """The JSON of an error, with the correlation id of the request that is being served."""
    return orjson.dumps(
        {"code": code, "detail": detail, "correlation_id": correlation_id.get(), "timestamp": clock.now()},
        option=orjson.OPT_UTC_Z,
    )


def problem(error: PostriderError) -> Response:
    """The response to an error that was raised on purpose."""
    if isinstance(error, ValidationFailed):
        return _response(error.status, _violations_body(error.violations))
    headers = {}
    if isinstance(error, TooManyRequests | Unavailable):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, MethodNotServed):
        headers["allow"] = ", ".join(error.allowed)  # RFC 9110 §15.5.6
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"  # RFC 9110 §11.6.1: a 401 names the scheme.
    if error.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        headers["accept-encoding"] = "identity"  # RFC 9110 §15.5.16: a 415 names the codings that are taken.
    return _response(error.status, problem_body(error.error_code, error.detail), headers)


def response_to(error: Exception) -> Response:
    """The response to any exception. What nobody expected is logged, once, with its traceback, and is a 500."""
    match error:
        case PostriderError():
            return problem(error)
        case RequestValidationError():
            return problem(invalid_input(error))
        case HTTPException():
            return _http_problem(error)
    if (lost := _lost_connection(error)) is not None:
        logger.warning("a request got no database connection: {}: {}", type(lost).__name__, lost)
        return problem(Unavailable())
    logger.opt(exception=error).error("a request failed: {}", type(error).__name__)
    return problem(PostriderError())


def invalid_input(error: RequestValidationError) -> PostriderError:
    """What Pydantic refused, as Svix reports it: 400 for a query string that does not parse, else 422."""
    violations = []
    for failure in error.errors()[:_MOST_VIOLATIONS]:
        path, kind, text = failure["loc"], str(failure["type"]), str(failure["msg"])
        parse_failure = kind in _PARSE_FAILURES or kind.endswith(("_type", "_parsing"))
        if parse_failure and path[:1] == ("query",):
            return BadRequest(f"Failed to read the query string: {'.'.join(map(str, path[1:]))}: {text}")
        # The position of a syntax error is not a place in the document.
        loc = ("body",) if kind == "json_invalid" else tuple(_loc_part(part) for part in path)
        violation_kind = "value_error.jsondecode" if parse_failure else "value_error"
        if kind in _LENGTHS and isinstance(failure.get("input"), str):
            # Pydantic counts items where it does not know that it is a text.
            text = text.replace(" item", " character").replace(" after validation", "")
        # Some texts of Pydantic's repeat what was sent.
        violations.append(Violation(loc, text.removeprefix("Value error, ")[:_LONGEST_TEXT], violation_kind))
    return ValidationFailed(*violations)


def install(app: FastAPI) -> None:
    """Answer the errors that the application raises. What escapes it ends in app/api/middleware.py, the same way."""

    # A coroutine, because Starlette runs plain functions in a thread.
    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error.headers = {"Allow": _served_methods(request)}
        elif isinstance(error, HTTPException) and request.url.path.startswith(_PATH_TWICE):
            error = NotFound(_PATH_TWICE_TEXT)
        return response_to(error)

    # Exception: so that the answer to a bug has the shape of all others; it is raised again when it is sent.
    for kind in (
        Exception,
        PostriderError,
        RequestValidationError,
        HTTPException,
        DBAPIError,
        PoolTimeout,
        *CONNECTION_ERRORS,
    ):
        app.add_exception_handler(kind, answer)


def _response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _violations_body(violations: Sequence[Violation]) -> bytes:
    return orjson.dumps({"detail": [{"loc": v.loc, "msg": v.msg, "type": v.type} for v in violations]})


def _loc_part(part: int | str) -> str:
    return f"[{part}]" if isinstance(part, int) else part[:_LONGEST_LOC_PART]


def _http_problem(error: HTTPException) -> Response:
    """Of Starlette and FastAPI: an unknown path, a method that a path does not serve, a body that cannot be read."""
    status, cause = error.status_code, error.__cause__
    if isinstance(cause, PostriderError):
        # FastAPI's own words stand for what the reading of the body raised (app/api/strict.py).
        return problem(cause)
    return _response(status, problem_body(code_of(status), _TEXTS.get(status) or error.detail), error.headers)


def _served_methods(request: Request) -> str:
    """The methods of the request's path: all of them (RFC 9110 §10.2.1), where Starlette names those of one route."""
    return ", ".join(
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    )


def _lost_connection(error: Exception) -> BaseException | None:
    """The driver's error if it means that Postgres is lost or overloaded. SQLAlchemy and its adapter each wrap it."""
    if isinstance(error, (PoolTimeout, *CONNECTION_ERRORS)):
        return error
    if not isinstance(error, DBAPIError):
        return None
    adapter_error = error.orig
    for cause in (adapter_error and adapter_error.__cause__, adapter_error):
        if isinstance(cause, CONNECTION_ERRORS):
            return cause
    return error if error.connection_invalidated else None
