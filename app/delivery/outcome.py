"""How one attempt went, as a value: remote failure is never an exception here.

`milliseconds` is the duration of the whole attempt. `body` is the start of the receiver's answer, as its bytes came
(never decompressed); `truncated` says that there was more. `detail` is shown to the endpoint's owner: it must not tell
anything about the network that Postrider runs in. `timings` says where the time went, as far as it is known; `head`
is the status line and the headers of a refusal, as their bytes came.
"""

from dataclasses import dataclass, field
from typing import Literal

from app.delivery.exchange import Timings

UnreachableReason = Literal["timeout", "dns", "connect", "tls", "reset", "protocol", "token", "sender"]
"""`timeout` no complete answer in time · `dns` the name does not resolve · `connect` no connection · `tls` no trusted
TLS session · `reset` the connection ended before a complete answer · `protocol` the answer is not HTTP/1.1 that we
accept · `token` the endpoint's token URL gave no token · `sender` our side could not send: no socket to spare, or the
operator's proxy failed."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver answered 2xx."""

    status: int
    body: bytes = field(repr=False)
    truncated: bool
    milliseconds: int
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver answered anything else, redirects included.

    `retry_after` is the wait that it asked for, in seconds from 0 to 86400 (RFC 9110 §10.2.3), if it asked sensibly.
    """

    status: int
    body: bytes = field(repr=False)
    truncated: bool
    milliseconds: int
    retry_after: float | None
    timings: Timings | None = None
    head: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There was no complete answer."""

    reason: UnreachableReason
    detail: str
    milliseconds: int
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Nothing was sent, and for that nobody was asked: the URL may not be called, the guard refused its address, or the
    endpoint's transformation failed."""

    reason: str
    detail: str
    milliseconds: int


Outcome = Delivered | Refused | Unreachable | Blocked
