"""Heads as bytes: the lines of a request's own headers, and what is read from the raw head of an answer.

The latter only where it matters, so that most answers never have it parsed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from app import __version__
from app.delivery.retry import parse_retry_after

STANDARD_HEADERS: Final = {
    "user-agent": f"Postrider/{__version__}",
    "accept": "*/*",
    "content-type": "application/json",
}
"""Sent with each delivery, unless its endpoint or its message has them too."""

# RFC 9110 §5.6.2 and §5.5, with obs-text: what may be in a line without being the end of it.
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# They say where a request ends and whom it is for, which the engine says itself. Two of them are how one request is
# smuggled in another.
_FRAMING: Final = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after:([^\r\n]*)", re.IGNORECASE)
_CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length:", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)


def header_lines(headers: Mapping[str, str]) -> bytes:
    """The headers as they are sent, each with its line end.

    ValueError, without the value, for one that would end its line early, or that frames the request: whoever saved it
    should have refused it, and it may have been saved by something else.
    """
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or name.lower() in _FRAMING:
            raise ValueError(f"a header with the name {name[:64]!r} is never sent: remove it")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of the header {name[:64]!r} cannot be sent: set it again")
    return _lines(headers.items())


def sendable_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """As `header_lines`, for headers of which some may come twice; those that are never sent are left out."""
    return _lines(
        [
            (name, value)
            for name, value in headers
            if _NAME.fullmatch(name) and name.lower() not in _FRAMING and _VALUE.fullmatch(value)
        ]
    )


def _lines(headers: Iterable[tuple[str, str]]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")


def final_head(received: bytes, interim_answers: int) -> bytes:
    """The status line and headers of the final answer, without those of the interim ones before it."""
    head, _, rest = received.partition(b"\r\n\r\n")
    for _ in range(interim_answers):
        head, _, rest = rest.partition(b"\r\n\r\n")
    return head


def ends_with_connection(head: bytes) -> bool:
    """Whether the end of the connection is the end of the body (RFC 9112 §6.3), as nothing else says where it is."""
    return not (_CONTENT_LENGTH.search(head) or _CHUNKED.search(head))


def retry_after(head: bytes, now: float) -> float | None:
    """Seconds that the answer asks to wait. Two headers contradict each other: neither is obeyed."""
    values = _RETRY_AFTER.findall(head)
    return parse_retry_after(values[0].decode("latin-1"), now) if len(values) == 1 else None
