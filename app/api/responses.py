"""The errors that every operation may answer, for the OpenAPI document: those that the Svix API documents."""

from typing import Any, Final

from app.api.fields import Dto, Timestamp


class ProblemOut(Dto):
    """An error, and what an operator needs to find its log line."""

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
    401: {"model": ProblemOut, "description": "There is no good token"},
    403: {"model": ProblemOut, "description": "The token does not allow this"},
    404: {"model": ProblemOut, "description": "There is no such thing, or it is not the caller's"},
    409: {"model": ProblemOut, "description": "It contradicts what exists"},
    413: {"model": ProblemOut, "description": "The body is too large"},
    422: {"model": ViolationsOut, "description": "The input is not valid"},
    503: {"model": ProblemOut, "description": "The database cannot be reached; nothing was stored"},
}
