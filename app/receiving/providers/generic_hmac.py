"""For senders that have no module of their own, and sign with an HMAC (https://www.rfc-editor.org/rfc/rfc2104).

The source's owner says which header holds the signature, how it is made and written, and of what.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, within
from app.receiving.providers import generic
from app.receiving.schemes import Digest

_HEADER: Final = "x-signature"
_DIGESTS: Final[dict[str, Digest]] = {"sha256": "sha256", "sha1": "sha1", "sha384": "sha384", "sha512": "sha512"}
_ENCODINGS: Final = ("hex", "base64", "base64url")
_KEYS: Final = ("text", "hex", "base64")
_PLACE: Final = re.compile(r"\{([a-z]+)\}")
_PLACES: Final = frozenset({"body", "id", "method", "timestamp", "url"})
_LONGEST_CONTENT: Final = 1000
# Beyond, a number is one of milliseconds: as seconds it would be in the year 5138.
_SECONDS_END: Final = 1e11


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    options = config.options
    name = options.get("header") or _HEADER
    signature = schemes.after(options.get("prefix", ""), request.header(name), f"The header {name}")
    if header := options.get("timestampHeader"):
        tolerance = schemes.seconds(options.get("tolerance") or "300", "The tolerance")
        within(_time(request.header(header)), moment.now, tolerance)
    keys = [_key(secret, config) for secret in config.secrets]
    schemes.check_mac(_decoded(signature, config), keys, _signed(request, config), _digest(config))
    return generic.event_of(request, config)


def _digest(config: Config) -> Digest:
    return _DIGESTS[config.options.get("digest") or "sha256"]


def _time(text: str) -> float:
    """Unix seconds or milliseconds, or RFC 3339."""
    if not text[:5].isdecimal():
        return schemes.instant(text)
    number = schemes.seconds(text)
    return number if number < _SECONDS_END else number / 1000


def _key(secret: str, config: Config) -> bytes:
    match config.options.get("secretEncoding"):
        case "hex":
            return schemes.from_hex(secret, "The source's secret")
        case "base64":
            return schemes.from_base64(secret, "The source's secret")
        case _:
            return secret.encode()


def _decoded(signature: str, config: Config) -> bytes:
    match config.options.get("encoding"):
        case "base64":
            return schemes.from_base64(signature)
        case "base64url":
            if "+" in signature or "/" in signature:
                raise Rejection("The signature is not base64url.")
            padded = signature + "=" * (-len(signature) % 4)
            return schemes.from_base64(padded.replace("-", "+").replace("_", "/"))
        case _:
            return schemes.from_hex(signature)


def _signed(request: Request, config: Config) -> bytes:
    """What was signed, of the template's pieces."""
    stamped = config.options.get("timestampHeader")
    template = config.options.get("content") or ("{timestamp}.{body}" if stamped else "{body}")
    pieces = _PLACE.split(template)
    # Texts, and names between them.
    return b"".join(
        _place(piece, request, config) if index % 2 else piece.encode() for index, piece in enumerate(pieces)
    )


def _place(name: str, request: Request, config: Config) -> bytes:
    match name:
        case "body":
            return request.body
        case "timestamp":
            return request.header(config.option("timestampHeader")).encode("latin-1", "replace")
        case "id":
            return request.header(config.option("idHeader")).encode("latin-1", "replace")
        case "method":
            return request.method.encode("latin-1", "replace")
        case _:
            return request.url.encode("utf-8", "replace")


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    options = config.options
    headers = [("content-type", "application/json"), *generic.naming_headers(event, body, config)]
    if header := options.get("timestampHeader"):
        headers.append((header, str(int(now))))
    content = _signed(Request("POST", url, tuple(headers), body), config)
    signature = schemes.mac(_key(config.secrets[0], config), content, _digest(config))
    headers.append((options.get("header") or _HEADER, options.get("prefix", "") + _encoded(signature, config)))
    return Request("POST", url, tuple(headers), body)


def _encoded(signature: bytes, config: Config) -> str:
    match config.options.get("encoding"):
        case "base64":
            return b64encode(signature).decode()
        case "base64url":
            return urlsafe_b64encode(signature).decode().rstrip("=")
        case _:
            return signature.hex()


def _check_content(text: str) -> str:
    places = _PLACE.findall(text)
    if not _PLACES.issuperset(places) or "body" not in places:
        raise ValueError("give a text with {body}, and {timestamp}, {id}, {method} or {url} where they are signed")
    # What is signed must not become many times as long as what came.
    if len(places) != len(set(places)) or len(text) > _LONGEST_CONTENT:
        raise ValueError(f"give a text of at most {_LONGEST_CONTENT} characters, with each place in it once")
    return text


def _check_config(config: Config) -> None:
    places = _PLACE.findall(config.options.get("content", ""))
    for place, name in (("timestamp", "timestampHeader"), ("id", "idHeader")):
        if place in places and not config.options.get(name):
            raise ValueError(f"content has {{{place}}} in it: say in {name} which header that is")
    for secret in config.secrets:
        try:
            _key(secret, config)
        except Rejection:
            written = config.options.get("secretEncoding")
            text = f"a secret is not {written}, as secretEncoding says: give it so, or set another secretEncoding"
            raise ValueError(text) from None


def _check_tolerance(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 86_400):
        raise ValueError("the tolerance is a number of seconds, from 1 to 86400")
    return text


def _check_prefix(text: str) -> str:
    if not text.isascii() or not text.isprintable() or len(text) > 64:
        raise ValueError("the prefix is at most 64 printable ASCII characters")
    return text


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"give one of {', '.join(words)}")
        return text

    return check


PROVIDERS: Final = (
    Provider(
        name="hmac",
        title="Any sender with an HMAC",
        documentation="https://www.rfc-editor.org/rfc/rfc2104",
        header="`header` of the source (`X-Signature`)",
        algorithm="HMAC with `digest` (SHA-256) of `content` (the body), in `encoding` (hex), after `prefix`",
        timestamp="`timestampHeader` of the source, `tolerance` (5 min)",
        dedupe=generic.DEDUPE,
        oracle="standardwebhooks (PyPI), whose rule it can be told; RFC 4231",
        fields=(
            Field("secret", "The key.", "s3cr3t-5d41402abc4b2a76b9719d911017c592"),
            generic.field("header", "The header that holds the signature. Left out: `X-Signature`.", "x-signature"),
            generic.field(
                "digest", "`sha256` (left out), `sha1`, `sha384` or `sha512`.", "sha256", _one_of(tuple(_DIGESTS))
            ),
            generic.field(
                "encoding", "Of the signature: `hex` (left out), `base64` or `base64url`.", "hex", _one_of(_ENCODINGS)
            ),
            generic.field("prefix", "What stands before the signature in its header.", "sha256=", _check_prefix),
            generic.field(
                "secretEncoding", "How the key is written: `text` (left out), `hex`, `base64`.", "text", _one_of(_KEYS)
            ),
            generic.field(
                "timestampHeader", "The header with the time: Unix seconds or milliseconds, or RFC 3339.", "x-timestamp"
            ),
            generic.field(
                "content",
                "What is signed: a text with `{body}`, and `{timestamp}`, `{id}` (of `idHeader`), `{method}`, `{url}`. "
                "Left out: `{timestamp}.{body}` if there is a `timestampHeader`, else `{body}`. "
                "An id that is not in it is not signed: whoever has seen a request can send it again under another.",
                "{timestamp}.{body}",
                _check_content,
            ),
            Field(
                "tolerance",
                "How far the time may be from this server's clock, in seconds. Left out: 300.",
                "300",
                required=False,
                secret=False,
                kind="integer",
                check=_check_tolerance,
            ),
            *generic.NAMING,
        ),
        verify=_verify,
        check=_check_config,
        sign=_sign,
        signs_url=True,
        methods=generic.METHODS,
        prefix=generic.PREFIX,
        setup="Give the URL and the key to the sender, and say in the source's config how it signs.",
    ),
)
