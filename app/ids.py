"""Identifiers: a prefix and a KSUID-ms of 27 base62 characters, which sort by the time they were made.

A KSUID-ms is 20 bytes, big-endian: seconds since 2014-05-13T16:53:20Z (4 bytes), a 256th of a second (1 byte,
here the millisecond divided by 4), and 15 random bytes. Svix uses the same, so its data keeps its ids.

Those of sources and of their logs are shorter, as the Svix API has them: 22 characters of the same 5 bytes, and 11
random ones.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

ShortPrefix = Literal["src", "log"]
Prefix = Literal["org", "app", "ep", "msg", "atmpt", "evtype", "msgep", "qtask", "key", "audit", "poll", "usr"]

# What no uid may begin with. Where ids of the others are looked for there are no uids, or they are checked there.
_WITHOUT_UIDS: Final = frozenset({"key", "audit", "poll", "usr"})
PREFIXES: Final = tuple(f"{prefix}_" for prefix in get_args(Prefix) if prefix not in _WITHOUT_UIDS)
DEFAULT_ORGANIZATION_ID: Final = "org_23rb8YdGqMT0qIzpgGwdXfHirMu"
MANAGEMENT_ORGANIZATION_ID: Final = "org_00000000000SvixManagement00"
"""Whose tokens manage organizations, and do nothing else. The name is that of the Svix API."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE: Final = {char: value for value, char in enumerate(_ALPHABET)}
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_62_2, _62_9, _62_18 = 62**2, 62**9, 62**18
_EPOCH: Final = 1_400_000_000
# Between the clocks of the process that published a message and of the one that tried it.
_CLOCK_SKEW: Final = timedelta(hours=1)
_RANDOM_BITS: Final = 120
_LENGTH: Final = 27
# What stands before the characters, and how many of them there are.
_SHORT_HEADS: Final[dict[ShortPrefix, str]] = {"src": "src_", "log": "log"}
_SHORT_LENGTH: Final = 22
_SHORT_RANDOM_BITS: Final = 88


def _nine(value: int) -> str:
    """Nine base62 digits of a value below 62**9; pairs come from a table, because this is on the hot path."""
    value, e = divmod(value, 62)
    value, d = divmod(value, _62_2)
    value, c = divmod(value, _62_2)
    a, b = divmod(value, _62_2)
    return _PAIRS[a] + _PAIRS[b] + _PAIRS[c] + _PAIRS[d] + _ALPHABET[e]


def _encode(value: int) -> str:
    high, low = divmod(value, _62_18)
    middle, low = divmod(low, _62_9)
    return _nine(high) + _nine(middle) + _nine(low)


def new_id(prefix: Prefix) -> str:
    """A new identifier, made now."""
    return f"{prefix}_{_encode((_stamp() << _RANDOM_BITS) | int.from_bytes(os.urandom(15), 'big'))}"


def new_short_id(prefix: ShortPrefix) -> str:
    """A new identifier of a source or of one of its logs, made now."""
    value = (_stamp() << _SHORT_RANDOM_BITS) | int.from_bytes(os.urandom(11), "big")
    # 22 digits hold 128 bits: the first five of the 27 are 0.
    return _SHORT_HEADS[prefix] + _encode(value)[-_SHORT_LENGTH:]


def _stamp() -> int:
    milliseconds = time.time_ns() // 1_000_000 - _EPOCH * 1000
    seconds, rest = divmod(milliseconds, 1000)
    return (seconds << 8) | (rest >> 2)


def floor_id(prefix: Prefix, at: datetime) -> str:
    """The smallest identifier that could be made at a time; times out of the format's range are clamped to it."""
    milliseconds = max(0, int((at - datetime.fromtimestamp(_EPOCH, UTC)) / timedelta(milliseconds=1)))
    seconds, rest = divmod(milliseconds, 1000)
    stamp = (seconds << 8) | (rest >> 2)
    return f"{prefix}_{_encode(min(stamp, (1 << 40) - 1) << _RANDOM_BITS)}"


def before_attempts(message_id: str) -> str:
    """Below the id of every attempt of a message: none is made before it is published, so older ones need no look."""
    return floor_id("atmpt", created_at(message_id) - _CLOCK_SKEW)


def is_id(text: str, prefix: Prefix | ShortPrefix) -> bool:
    """Whether a text has the form of an identifier of that kind."""
    head, length = (_SHORT_HEADS[prefix], _SHORT_LENGTH) if prefix in _SHORT_HEADS else (f"{prefix}_", _LENGTH)
    body = text.removeprefix(head)
    return text.startswith(head) and len(body) == length and all(char in _VALUE for char in body)


def created_at(identifier: str) -> datetime:
    """The time at which an identifier was made, to 4 milliseconds. ValueError if it is not an identifier."""
    body = identifier.rpartition("_")[2]
    if len(body) != _LENGTH:
        raise ValueError(f"{identifier!r} is not an identifier: 27 base62 characters must follow the prefix")
    value = 0
    for char in body:
        if char not in _VALUE:
            raise ValueError(f"{identifier!r} is not an identifier: {char!r} is not base62")
        value = value * 62 + _VALUE[char]
    seconds, fraction = divmod(value >> _RANDOM_BITS, 256)
    return datetime.fromtimestamp(_EPOCH + seconds, UTC) + timedelta(milliseconds=fraction * 4)
