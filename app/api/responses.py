"""The errors that every operation may answer, for the OpenAPI document: those of the Svix API, and of our own front."""

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field

from app.api.fields import Dto, Timestamp


class ProblemOut(BaseModel):
    """An error, and what an operator needs to find its log line; its names are as they stand here."""

    code: str = Field(description="What is the matter, in a word that stays.", examples=["not_found"])
    detail: str = Field(description="The same for people, and what to do about it.", examples=["Entity not found"])
    correlation_id: str = Field(
        description="The request's `X-Request-ID`.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"]
    )
    timestamp: Timestamp


class ViolationOut(Dto):
    """One reason why an input is refused; `loc` is the path to it."""

    loc: list[str] = Field(examples=[["body", "url"]])
    msg: str = Field(examples=["Field required"])
    type: str = Field(
        description="`value_error.jsondecode` for what is no JSON, missing, or of another type.",
        examples=["value_error.jsondecode"],
    )


class ViolationsOut(Dto):
    """Why an input is refused."""

    detail: list[ViolationOut]


SAID: Final = "x-said"
"""Of an error in the OpenAPI document: the code and the detail of its example; the key itself is taken out."""
CODES: Final = {
    400: "generic_error",
    401: "authentication_failed",
    403: "insufficient access",
    404: "not_found",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_encoding",
    422: "validation_error",
    429: "too_many_requests",
    431: "headers_too_large",
    501: "not_implemented",
    503: "unavailable",
}
"""What an error is called where nobody has said anything more exact; of other statuses it is the status's name."""

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

TOO_MANY: Final[dict[int | str, dict[str, Any]]] = {
    429: {
        "model": ProblemOut,
        "description": "Too many sign-ins have failed",
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    }
}
"""Of operations that ask for a password."""


def code_of(status: int) -> str:
    """The code of an error about which nothing is known but its status."""
    return CODES.get(status) or HTTPStatus(status).name.lower()
