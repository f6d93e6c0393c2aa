"""What is read from the raw head of an answer: only where it matters, so that most answers never have it parsed."""

import re
from typing import Final

from app.delivery.retry import parse_retry_after

_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after:([^\r\n]*)", re.IGNORECASE)
_CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length:", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)


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
