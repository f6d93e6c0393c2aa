"""What may be an endpoint's URL. Used when a URL is saved and again when it is dialled, so that both read it alike.

The parser is our own and refuses what it does not know: `urlsplit` drops line breaks and tabs, and readers disagree on
user names, backslashes and short forms of addresses, which is how a URL points elsewhere than it seems to.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import quote

import idna

from app.delivery.tls import TlsSettings

LONGEST_URL: Final = 8000
"""Characters; RFC 9110 §4.1 asks that at least this many octets be supported."""

_SHAPE: Final = re.compile(r"(https?)://([^/?]*)((?:/[^?]*)?(?:\?.*)?)", re.IGNORECASE | re.DOTALL)
_PORT: Final = re.compile(r"\d{1,5}", re.ASCII)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMERIC: Final = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
_DOTTED: Final = re.compile(r"(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})", re.ASCII)
_LONGEST_HOST: Final = 253
_LAST_PORT: Final = 65535
_FIRST_FREE_PORT: Final = 1024
# Above that, those of other protocols at which no web browser sends requests (WHATWG Fetch, "bad port"): a request
# there is an attempt to have a mail, chat, telephone or display server take it for a line of its own language.
_FOREIGN_PORTS: Final = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080}
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# What RFC 3986 allows in a path or a query, with the percent sign of what is encoded already, and the few characters
# that the URL standard of the WHATWG leaves alone too.
_KEPT: Final = "!$&'()*+,-./:;=?@[]_~%|"
# Controls, formats (bidi marks, soft hyphens), lone surrogates, and every kind of space.
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart once, with the bytes that every request to it begins with."""

    scheme: Literal["http", "https"]
    host: str
    """Lower case, without brackets or a trailing dot: a name in ASCII (IDNA) or a literal address."""
    port: int
    path_and_query: bytes
    authority: bytes
    """The value of the Host header."""
    tls: TlsSettings | None = None
    """What its TLS differs in, if in anything."""
    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    origin: str = field(init=False)
    """Scheme, host, port and TLS settings: what connections are shared by."""
    head: bytes = field(init=False)
    """Request line, Host and Accept-Encoding."""

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        # A connection that one customer's certificate opened is never used for another's endpoint on the same host.
        identity = "" if self.tls is None else f"#{self.tls.name}"
        object.__setattr__(self, "origin", f"{self.scheme}://{host}:{self.port}{identity}")
        # Bodies are kept as they come and never inflated, so none is asked for in a compressed form.
        line = b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (self.method.encode(), self.path_and_query, self.authority)
        head = line + b"accept-encoding: identity\r\n"
        object.__setattr__(self, "head", head)


def parse_url(text: str) -> Target:
    """The target of an http or https URL. ValueError, one sentence for its owner, if it is not acceptable.

    Addresses are not judged here (that is the guard's, when it dials) but must be in their full form: `127.1`,
    `2130706433`, `0x7f.1` and `0177.0.0.1` are refused as what they are, ambiguous.
    """
    if len(text) > LONGEST_URL:
        raise ValueError(f"the URL must not be longer than {LONGEST_URL} characters")
    if "\\" in text or any(unicodedata.category(char) in _REFUSED_CATEGORIES for char in text):
        raise ValueError("the URL must not contain spaces, control characters, invisible characters or backslashes")
    if "#" in text:
        raise ValueError("the URL must not have a fragment (#…): it would never be sent")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError("the URL must begin with http:// or https://")
    scheme: Literal["http", "https"] = "https" if shape[1].lower() == "https" else "http"
    host, port = _split_authority(shape[2], _DEFAULT_PORTS[scheme])
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}"
    path = shape[3] if shape[3].startswith("/") else "/" + shape[3]
    return Target(scheme, host, port, quote(path, safe=_KEPT).encode("ascii"), authority.encode("ascii"))


def target_of(url: str, tls: TlsSettings | None, *, https_only: bool) -> Target | str:
    """Where a URL leads; a text, the reason, if it is none that messages are sent to."""
    try:
        target = parse_url(url)
    except ValueError as error:
        return str(error)
    if https_only and target.scheme != "https":
        return "Messages are sent to https URLs only (endpoint_https_only, or the environment's enforceHttps): use one."
    return target if tls is None else replace(target, tls=tls)


def _split_authority(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise ValueError("the URL must not contain a user name or password: put credentials in the endpoint's headers")
    if authority.startswith("["):
        literal, bracket, rest = authority[1:].partition("]")
        host = _ipv6(literal) if bracket else ""
        colon, port_text = rest[:1], rest[1:]
        if not host or (rest and colon != ":"):
            raise ValueError("the URL's IPv6 address must be complete, in brackets and without a zone: [2001:db8::1]")
    else:
        name, colon, port_text = authority.partition(":")
        host = _name(name)
    if not colon or not port_text:
        return host, default_port
    if not _PORT.fullmatch(port_text) or not 0 < int(port_text) <= _LAST_PORT:
        raise ValueError(f"the URL's port must be a number from 1 to {_LAST_PORT}")
    port = int(port_text)
    if (port < _FIRST_FREE_PORT and port not in _DEFAULT_PORTS.values()) or port in _FOREIGN_PORTS:
        raise ValueError(f"port {port} belongs to another protocol: use 80, 443, or another from {_FIRST_FREE_PORT}")
    return host, port


def _ipv6(literal: str) -> str:
    """The canonical form, or nothing if it is not an address or has a zone."""
    try:
        return "" if "%" in literal else str(ipaddress.IPv6Address(literal))
    except ValueError:
        return ""


def _name(name: str) -> str:
    """A host name in ASCII, or an IPv4 address in its one unambiguous form."""
    if len(name) > _LONGEST_HOST + 1:  # with a trailing dot; before IDNA, whose cost grows faster than the name
        raise ValueError(f"the URL's host must not be longer than {_LONGEST_HOST} characters")
    ascii_name = name.lower() if name.isascii() else _idna(name)
    host = ascii_name.removesuffix(".")
    labels = host.split(".")
    if len(host) > _LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("the URL's host must be a name of letters, digits and hyphens, at most 63 between two dots")
    if not _NUMERIC.fullmatch(labels[-1]):
        return host
    # A last label that is a number makes the whole an IPv4 address to every resolver, in whatever spelling.
    if ascii_name != host or not name.isascii() or not _DOTTED.fullmatch(host):
        raise ValueError("the URL's IPv4 address must be written as four decimal numbers, as in 192.0.2.1")
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ValueError("the numbers of the URL's IPv4 address must not be above 255") from None


def _idna(name: str) -> str:
    try:
        return idna.encode(name, uts46=True, transitional=False).decode("ascii")
    except (idna.IDNAError, UnicodeError, IndexError):
        raise ValueError("the URL's host is not a valid international name") from None
