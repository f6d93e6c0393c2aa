"""What is sent in place of a message's payload, and with which headers: as its publisher said, or as it arrived.

The first is `rawPayload` and `headers` of `transformationsParams`, as app/api/message/transformations_params.py let
them in; the second the request that was received (app/receiving/record.py).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from app.db.pending_delivery.queue import WithParams, WithReceived
from app.delivery.head import header_lines, sendable_lines
from app.receiving.record import Received, unpack

_CONTENT_TYPE: Final = b"content-type"
_MOST_RECEIVERS: Final = 4096


class _Said(msgspec.Struct, frozen=True, rename="camel"):
    """Of `transformationsParams` what is not for transformations alone. None: as all others."""

    raw_payload: str | None = None
    headers: dict[str, str] | None = None

    def __repr__(self) -> str:
        """Without what it holds, which is as good as a payload."""
        return "_Said()"


class Substitute:
    """How a message is sent of which its publisher said so; `params` is all that was said, None if nothing was."""

    def __init__(
        self, raw_payload: str | None = None, headers: Mapping[str, str] | None = None, params: bytes | None = None
    ) -> None:
        self._raw_payload = raw_payload
        self._headers = headers or {}
        self.params = params

    def __repr__(self) -> str:
        """Without what it holds, which is as good as a payload."""
        return "Substitute()"

    def body(self, payload: bytes) -> bytes:
        """What is sent: `rawPayload` as it is, if there is any, in place of the payload."""
        return payload if self._raw_payload is None else self._raw_payload.encode()

    def headers_with(self, lines: bytes) -> bytes:
        """The encoded headers of a receiver, with the message's own. What the receiver has stays, but for the type."""
        if not self._headers:
            return lines
        named = {line.partition(b":")[0].lower(): line for line in lines.split(b"\r\n") if line}
        more = {name: value for name, value in self._headers.items() if name.lower().encode() not in named}
        for name, value in self._headers.items():
            if name.lower().encode() == _CONTENT_TYPE:
                named.pop(_CONTENT_TYPE, None)
                more[name] = value
        return b"".join(line + b"\r\n" for line in named.values()) + header_lines(more)

    def of_another_body(self) -> "Substitute":
        """For a body that code made: what was said of the type was about the other one."""
        return Substitute(
            None, {name: value for name, value in self._headers.items() if name.lower().encode() != _CONTENT_TYPE}
        )


class Forwarded:
    """How a message is sent that arrived at a source: with the headers that are about the event."""

    params: None = None

    def __init__(self, received: Received, *, original: bool | None = None) -> None:
        """`original`: whether the body goes as it came; None: as the source wants it."""
        self._received = received
        self._original = received.forwards_original if original is None else original

    def __repr__(self) -> str:
        """Without what it holds, which is as good as a payload."""
        return "Forwarded()"

    def body(self, payload: bytes) -> bytes:
        """What is sent: the bytes that came, if they are not the payload themselves."""
        return self._received.body if self._original and self._received.body is not None else payload

    def headers_with(self, lines: bytes) -> bytes:
        """The encoded headers of a receiver, with those that came. What the receiver has stays, but for the type."""
        names, untyped = _known(lines)
        came = self._received.forwarded(original=self._original)
        more = [header for header in came if header[0].encode() not in names]
        if self._original and (content_type := self._received.content_type) is not None:
            return untyped + sendable_lines([("content-type", content_type), *more])
        return lines + sendable_lines(more)

    def of_another_body(self) -> "Forwarded":
        """For a body that code made."""
        return Forwarded(self._received, original=False)


@lru_cache(maxsize=_MOST_RECEIVERS)
def _known(lines: bytes) -> tuple[frozenset[bytes], bytes]:
    """The names of encoded headers, and the lines without the type of the body."""
    named = [(line.partition(b":")[0].lower(), line) for line in lines.split(b"\r\n") if line]
    untyped = b"".join(line + b"\r\n" for name, line in named if name != _CONTENT_TYPE)
    return frozenset(name for name, _ in named), untyped


_DECODER: Final = msgspec.json.Decoder(_Said)


How = Substitute | Forwarded


def how_of(payload: WithParams | WithReceived) -> How:
    """How a message is sent whose payload is not all there is to say."""
    if isinstance(payload, WithReceived):
        return Forwarded(unpack(payload.received))
    said = _DECODER.decode(payload.params)
    return Substitute(said.raw_payload, said.headers, payload.params)
