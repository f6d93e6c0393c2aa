"""What is kept of an attempt beside its outcome: where its time went, and the headers of the answer.

Both are packed into a few bytes, because they are written for each attempt and read for few: a byte that says which
times follow, the times (microseconds, 4 bytes each, little-endian), and the lines of the headers as they came, without
the values that are as good as a password.
"""

import re
import struct
from typing import Final, NamedTuple

MOST_HEADER_BYTES: Final = 4096
"""Bytes of an answer's headers that are kept: whole lines, the first ones."""
HIDDEN: Final = "***"
"""Stands for a value that is not kept."""

_REUSED: Final = 1
_DNS: Final = 2
_CONNECT: Final = 4
_TLS: Final = 8
_FIRST_BYTE: Final = 16
_FLAGS: Final = (_DNS, _CONNECT, _TLS, _FIRST_BYTE)
_LONGEST: Final = 4294.0
"""Seconds, of which the microseconds fit into 4 bytes."""
_COMMON: Final = struct.Struct("<BI")
# The values of these log somebody in. Lines that begin with a space belong to the line before (RFC 9112 §5.2).
_SECRET: Final = re.compile(
    rb"^(set-cookie2?|cookie|authorization|proxy-auth[a-z-]*|authentication-info|x-api-key|x-auth-token)[ \t]*:"
    rb"[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
# What is looked for first, and is in few heads.
_HINTS: Final = (b"cookie", b"auth", b"api-key")


class Timings(NamedTuple):
    """Where the time of an attempt went, in seconds. None: it did not come so far, or there was nothing of it to do."""

    reused: bool
    """The connection was there already, so that of the next three there is none."""
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    """From when the request was written until the answer's first byte."""


class Exchange(NamedTuple):
    """What `packed` has packed."""

    timings: Timings
    headers: list[tuple[str, str]]
    """Names in lower case, in the order in which they came; a name may come twice."""


def packed(timings: Timings, head: bytes = b"") -> bytes:
    """As it is stored; `head` is the status line and headers of the answer, if they are to be kept."""
    waited = timings.first_byte
    if timings.reused and not head and waited is not None and waited < _LONGEST:
        # Nearly all are like that, and wait for it.
        return _COMMON.pack(_REUSED | _FIRST_BYTE, int(waited * 1e6))
    reused, *times = timings
    known = [(flag, seconds) for flag, seconds in zip(_FLAGS, times, strict=True) if seconds is not None]
    flags = sum(flag for flag, _ in known) | (_REUSED if reused else 0)
    microseconds = [int(min(seconds, _LONGEST) * 1e6) for _, seconds in known]
    return struct.pack(f"<B{len(known)}I", flags, *microseconds) + _kept(head)


def unpacked(stored: bytes) -> Exchange:
    """What was packed. ValueError if it was not."""
    if not stored or stored[0] > _REUSED + sum(_FLAGS):
        raise ValueError("these bytes tell of no exchange")
    known = [flag for flag in _FLAGS if stored[0] & flag]
    end = 1 + 4 * len(known)
    if len(stored) < end:
        raise ValueError("these bytes tell of no exchange")
    values = dict(zip(known, struct.unpack_from(f"<{len(known)}I", stored, 1), strict=True))
    times = [values[flag] / 1e6 if flag in values else None for flag in _FLAGS]
    return Exchange(Timings(bool(stored[0] & _REUSED), *times), _headers(stored[end:]))


def _kept(head: bytes) -> bytes:
    lines = head.partition(b"\r\n")[2]
    lower = lines.lower()
    if any(hint in lower for hint in _HINTS):
        lines = _SECRET.sub(rb"\1: " + HIDDEN.encode(), lines)
    if len(lines) > MOST_HEADER_BYTES:
        # One byte more, so that a line that just fits is whole.
        lines = lines[: MOST_HEADER_BYTES + 1].rpartition(b"\r\n")[0]
    return lines


def _headers(lines: bytes) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in re.split(r"\r?\n", lines.decode("latin-1")):
        if line[:1] in {" ", "\t"} and found:
            name, value = found[-1]
            found[-1] = (name, f"{value} {line.strip()}")
        elif line:
            name, _, value = line.partition(":")
            found.append((name.strip().lower(), value.strip()))
    return found
