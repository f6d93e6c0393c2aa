"""The errors that Postrider raises on purpose. Each knows its code and status; app/api/problems.py puts it on the wire.

Texts are read by the caller of the API: they say what is wrong and what to do next. Codes and texts are those of the
Svix API where it has them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeVar


class PostriderError(Exception):
    """Something that the caller can understand and act on."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    text: ClassVar[str] = "An internal error has occurred. Try again; if it persists, report the correlation id."

    def __init__(self, detail: str | None = None, *, code: str | None = None) -> None:
        self.detail = detail or self.text
        self.error_code = code or self.code
        super().__init__(self.detail)


class BadRequest(PostriderError):
    status, code, text = 400, "generic_error", "Generic error"


class AuthenticationFailed(PostriderError):
    status, code, text = 401, "authentication_failed", "Incorrect authentication credentials."


class InsufficientAccess(PostriderError):
    status, code, text = 403, "insufficient access", "Insufficient access for the given operation."


class NotFound(PostriderError):
    status, code, text = 404, "not_found", "Entity not found"


class MethodNotServed(PostriderError):
    """`allowed`: the methods that are."""

    status, code, text = 405, "method_not_allowed", "This URL does not take this method."

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = sorted(allowed)
        super().__init__(f"{self.text} It takes {' and '.join(self.allowed)}.")


class Conflict(PostriderError):
    status, code, text = 409, "conflict", "A conflict has occurred"


class PayloadTooLarge(PostriderError):
    """`limit`: how many bytes may be sent."""

    status, code, text = 413, "payload_too_large", "Request payload is too large."

    def __init__(self, limit: int) -> None:
        super().__init__(f"{self.text} At most {limit} bytes are taken: operators set POSTRIDER_MAX_BODY_BYTES.")


class EncodedBody(PostriderError):
    status, code = 415, "unsupported_encoding"
    text = "Bodies are read as they are: send JSON without Content-Encoding."


class TooManyRequests(PostriderError):
    """The same request may be tried again after `retry_after` seconds."""

    status, code, text = 429, "too_many_requests", "Too many requests. Try again later."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class NotServed(PostriderError):
    status, code, text = 501, "not_implemented", "This API endpoint is not yet implemented."


class Unavailable(PostriderError):
    """Nothing was stored; the same request may succeed after `retry_after` seconds."""

    status, code, text = 503, "unavailable", "The database cannot be reached right now. Nothing was stored; try again."

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Violation:
    """One reason why an input is refused; `loc` is the path to it, e.g. ("body", "url")."""

    loc: tuple[str, ...]
    msg: str
    type: str = "value_error"


class ValidationFailed(PostriderError):
    status, code, text = 422, "validation_error", "The request is not valid."

    def __init__(self, *violations: Violation) -> None:
        super().__init__("; ".join(f"{'.'.join(v.loc)}: {v.msg}" for v in violations))
        self.violations = violations


RowT = TypeVar("RowT")


def existing(row: RowT | None) -> RowT:
    """The row that was looked for. NotFound, without a hint why, if there is none."""
    if row is None:
        raise NotFound
    return row
