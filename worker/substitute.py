"""What is sent in place of a message's payload, and with which headers, if its publisher said so.

That is `rawPayload` and `headers` of `transformationsParams`, as app/api/message/transformations_params.py let them in.
"""

from typing import Final

import msgspec

from app.delivery.head import header_lines

_CONTENT_TYPE: Final = b"content-type"


class Substitute(msgspec.Struct, frozen=True, rename="camel"):
    """What a publisher said about how a message is sent. None: as all others."""

    raw_payload: str | None = None
    headers: dict[str, str] | None = None

    def __repr__(self) -> str:
        """Without what it holds, which is as good as a payload."""
        return "Substitute()"

    def body(self, payload: bytes) -> bytes:
        """What is sent: `rawPayload` as it is, if there is any, in place of the payload."""
        return payload if self.raw_payload is None else self.raw_payload.encode()

    def headers_with(self, lines: bytes) -> bytes:
        """The encoded headers of a receiver, with the message's own. What the receiver has stays, but for the type."""
        if not self.headers:
            return lines
        named = {line.partition(b":")[0].lower(): line for line in lines.split(b"\r\n") if line}
        more = {name: value for name, value in self.headers.items() if name.lower().encode() not in named}
        for name, value in self.headers.items():
            if name.lower().encode() == _CONTENT_TYPE:
                named.pop(_CONTENT_TYPE, None)
                more[name] = value
        return b"".join(line + b"\r\n" for line in named.values()) + header_lines(more)


_DECODER: Final = msgspec.json.Decoder(Substitute)


def parse_substitute(params: bytes) -> Substitute:
    """Reads `transformationsParams`, of which most is for transformations."""
    return _DECODER.decode(params)
