"""The headers of every response, whoever writes it: what a browser that gets one must not do with it.

Strict-Transport-Security is not among them: connections come from a proxy, which alone knows whether there is TLS.
"""

from collections.abc import Iterable
from typing import Final

from starlette.types import Message

Header = tuple[bytes, bytes]

ALWAYS: Final[tuple[Header, ...]] = (
    # It is what its content type says (Fetch §3.6).
    (b"x-content-type-options", b"nosniff"),
    # It is one tenant's, and may be anything a moment later (RFC 9111 §5.2.2.5).
    (b"cache-control", b"no-store"),
    # Opened as a page it runs, loads and frames nothing, whatever is in it.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    # Paths hold ids.
    (b"referrer-policy", b"no-referrer"),
)
LINES: Final = b"".join(b"%b: %b\r\n" % header for header in ALWAYS)
"""The same, for those who write responses byte for byte."""


def secured(start: Message, *more: Header) -> Message:
    """The start of a response with these headers and `more`; what it brings itself of them stays as it is."""
    brought: Iterable[Header] = start.get("headers", ())
    names = {name.lower() for name, _ in brought}
    return {**start, "headers": [*brought, *(header for header in ALWAYS if header[0] not in names), *more]}
