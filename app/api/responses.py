"""The errors that every operation may answer, for the OpenAPI document: those of the Svix API, and of our own front."""

from typing import Any, Final

from pydantic import BaseModel

from app.api.fields import Dto, Timestamp


class ProblemOut(BaseModel):
    """An error, and what an operator needs to find its log line; its names are as they stand here."""

    code: str
    detail: str
    correlation_id: str
    timestamp: Timestamp


class ViolationOut(Dto):
    """One reason why an input is refused; `loc` is the path to it."""

    loc: list[str]
    msg: str
    type: str


class ViolationsOut(Dto):
    """Why an input is refused."""

    detail: list[ViolationOut]


ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": ProblemOut, "description": "The query string cannot be read, or the request cannot be carried out"},
    401: {
        "model": ProblemOut,
        "description": "There is no good token",
        "headers": {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}},
    },
    403: {"model": ProblemOut, "description": "The token does not allow this"},
    404: {"model": ProblemOut, "description": "There is no such thing, or it is not the caller's"},
    409: {"model": ProblemOut, "description": "It contradicts what exists"},
    408: {"model": ProblemOut, "description": "The request did not arrive in time"},
    413: {"model": ProblemOut, "description": "The body is too large"},
    415: {"model": ProblemOut, "description": "The body has a Content-Encoding"},
    422: {"model": ViolationsOut, "description": "The input is not valid"},
    431: {"model": ProblemOut, "description": "The headers are too large"},
    500: {"model": ProblemOut, "description": "A fault of ours; the correlation id finds it in the log"},
    503: {
        "model": ProblemOut,
        "description": "The database cannot be reached, or too much waits; nothing was stored",
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    },
}
