"""A request as it is kept with the message that came of it: exactly as it came, but for credentials.

The body of most is the message's payload, and is kept there. What is no JSON object is kept here, and the payload says
the same as JSON, for those who read messages.
"""

from base64 import b64encode
from collections.abc import Collection
from typing import Final
from urllib.parse import quote, unquote_plus

import msgspec
import orjson

from app.receiving.contract import Config, Headers, Provider, Request

HIDDEN: Final = "(not kept)"
"""In place of the value of a header that holds a credential."""
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
# They are about one connection (RFC 9110 §7.6.1), or about the body as it was framed on it, or were added on the way
# here, or say what the provider's client can read of an answer, or tell frameworks to see another request in this one.
OF_THE_WAY: Final = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "expect", "forwarded", "host", "keep-alive"),
        *("proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via"),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"),
        *("cf-connecting-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "x-real-ip"),
        *("x-http-method", "x-http-method-override", "x-method-override", "x-rewrite-url"),
    }
)
# Proxies add these; and the second is what the engine makes of its own.
_OF_THE_WAY_TOO: Final = ("x-forwarded-", "x-original-")
# They are true of the bytes that came, and of no others.
_OF_THE_BYTES: Final = frozenset({"content-digest", "content-encoding", "content-md5", "digest", "repr-digest"})
# The engine says these of its own requests.
_OURS: Final = ("svix-", "webhook-")
_OURS_TOO: Final = frozenset({"accept", "user-agent"})
_ORIGINAL: Final = "x-original-"
_ENCODER: Final = msgspec.msgpack.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)


class Received(msgspec.Struct, frozen=True, array_like=True):
    """A request that was accepted, or rejected. `query` is without its `?`, as it came."""

    method: str
    query: str
    headers: Headers
    # None: it is the message's payload.
    body: bytes | None
    # Whether endpoints get the body as it came, with its type.
    forwards_original: bool = True

    def __repr__(self) -> str:
        """Without what it holds, which is as good as a payload."""
        return f"Received({self.method})"

    @property
    def content_type(self) -> str | None:
        """The first of that name; None if there is none."""
        return next((value for name, value in self.headers if name == "content-type"), None)

    def forwarded(self, *, original: bool) -> list[tuple[str, str]]:
        """The headers that endpoints get, but for the type of the body: all that are about the event.

        `original`: with the body as it came. Headers that Postrider sends itself have `x-original-` before their names.
        """
        found = []
        for name, value in self.headers:
            if name in OF_THE_WAY or name == "content-type" or value == HIDDEN or name.startswith(_OF_THE_WAY_TOO):
                continue
            if not original and name in _OF_THE_BYTES:
                continue
            ours = name.startswith(_OURS) or name in _OURS_TOO
            found.append((f"{_ORIGINAL}{name}" if ours else name, value))
        return found


_DECODER: Final = msgspec.msgpack.Decoder(Received)


def pack(received: Received) -> bytes:
    """As it is stored."""
    return _ENCODER.encode(received)


def unpack(stored: bytes) -> Received:
    """What `pack` wrote."""
    return _DECODER.decode(stored)


def received_of(
    request: Request, provider: Provider, config: Config, body: bytes | None, forwards_original: bool
) -> Received:
    """A request as it is kept; `body`, if it is not the message's payload."""
    said = provider.credentials_of
    places = provider.credentials | (said(config) if said else frozenset())
    query = query_without_credentials(request.url.partition("?")[2], places)
    return Received(request.method, query, without_credentials(request.headers, places), body, forwards_original)


def without_credentials(headers: Headers, more: Collection[str] = ()) -> Headers:
    """The headers, without the values of those that hold credentials; `more` are the provider's."""
    return tuple((name, HIDDEN if name in _CREDENTIALS or name in more else value) for name, value in headers)


def query_without_credentials(query: str, places: Collection[str]) -> str:
    """The query, without the values of the parameters that hold credentials: each `?name` of the places."""
    names = {place[1:] for place in places if place.startswith("?")}
    if not names:
        return query
    parts = [part.partition("=") for part in query.split("&")]
    return "&".join(
        f"{name}={quote(HIDDEN)}" if unquote_plus(name) in names else name + sign + value for name, sign, value in parts
    )


def payload_of(request: Request) -> bytes:
    """The JSON object that stands for the body: the same bytes if it is one.

    Else `contentType` and `body`, which is the JSON value, or the text, or `bodyBase64` of what is no text.
    """
    body = request.body
    if _is_object(body):
        return body
    said = next((value for name, value in request.headers if name == "content-type"), None)
    out: dict[str, object] = {"contentType": said}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return orjson.dumps(out | {"bodyBase64": b64encode(body).decode()})
    out["body"] = orjson.Fragment(body) if _is_json(body) else text
    return orjson.dumps(out)


def _is_object(body: bytes) -> bool:
    if not body.startswith(b"{"):
        return False
    try:
        # The split passes over values without a look at their encoding.
        body.decode()
        _OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _is_json(body: bytes) -> bool:
    try:
        _ANY.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
