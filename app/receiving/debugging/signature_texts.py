"""The signatures of a header, and the ways in which they may be written by mistake."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote

from app.receiving.debugging.findings import Repair

Version = Literal["v1", "v1a"]
MOST_SIGNATURES: Final = 20

_VERSIONED: Final = re.compile(r"(?P<version>v[0-9]{1,2}a?)(?P<divider>[,=:])(?P<encoded>.*)", re.DOTALL)
_NO_VERSION: Final = Repair(
    "signature-form",
    "The signature lacks its version v1,",
    "what the header holds, had it v1, before it",
    "Send (or compare) the version too: libraries pass over what does not begin with v1,",
)
_OTHER_VERSION: Final = Repair(
    "signature-form",
    "The signature's version is not v1.",
    "what the header holds, had it v1, before it",
    "Write v1, before the base64 of HMAC-SHA256, v1a, before that of Ed25519.",
)
_HEX: Final = Repair(
    "signature-form",
    "The signature is hexadecimal, not base64.",
    "what the header holds, read as hexadecimal",
    "Encode the 32 bytes of the HMAC in base64: digest(), not hexdigest().",
)
_HEX_IN_BASE64: Final = Repair(
    "signature-form",
    "The signature is base64 of hexadecimal digits.",
    "the hexadecimal digits inside the base64",
    "Encode the bytes of the HMAC themselves in base64: digest(), not hexdigest().",
)
_URLSAFE: Final = Repair(
    "signature-form",
    "The signature is in base64 for URLs, or has lost its padding.",
    "what the header holds with +, / and = as in plain base64",
    "Write plain base64 (RFC 4648, section 4), with + and / and padding.",
)
_ESCAPED: Final = Repair(
    "signature-form",
    "The signature is escaped as in a URL.",
    "what the header holds with %2B and the like decoded",
    "Pass headers on as they are.",
)
_DIVIDED: Final = Repair(
    "signature-form",
    "The signatures are divided by something else than a space, or are quoted.",
    "one of the signatures that the header holds",
    "Several signatures are divided by one space: `v1,… v1,…`.",
)


@dataclass(frozen=True, slots=True)
class Given:
    """One signature as its bytes, where it stands in its header (from 1), and what is wrong with how it is written."""

    version: Version
    value: bytes = field(repr=False)
    place: int
    repairs: tuple[Repair, ...] = ()


def read_signatures(text: str) -> tuple[list[Given], int]:
    """All readings of a header's value, and how many signatures it holds."""
    parts = text.split()[:MOST_SIGNATURES]
    found = [given for place, part in enumerate(parts, 1) for given in _readings(part, place)]
    if not found or re.search(r"[;\"']|,v1", text):
        pieces = re.findall(r"v1a?,[A-Za-z0-9+/=_-]+", text)[:MOST_SIGNATURES]
        odd = [given for place, piece in enumerate(pieces, 1) for given in _readings(piece, place)]
        found += [Given(given.version, given.value, given.place, (_DIVIDED, *given.repairs)) for given in odd]
        return found, max(len(parts), len(pieces))
    return found, len(parts)


def _readings(part: str, place: int) -> Iterator[Given]:
    decoded = unquote(part)
    before: tuple[Repair, ...] = () if decoded == part else (_ESCAPED,)
    match = _VERSIONED.fullmatch(decoded)
    version: Version = "v1"
    encoded = decoded
    if match is None:
        encoded = re.sub(r"^sha256=", "", decoded)
        before = (*before, _NO_VERSION)
    else:
        encoded = match["encoded"]
        version = "v1a" if match["version"] == "v1a" else "v1"
        if match["version"] not in {"v1", "v1a"} or match["divider"] != ",":
            before = (*before, _OTHER_VERSION)
    for value, repairs in _decoded(encoded):
        yield Given(version, value, place, (*before, *repairs))


def _decoded(encoded: str) -> Iterator[tuple[bytes, tuple[Repair, ...]]]:
    if re.fullmatch(r"(?:[0-9a-fA-F]{2}){20,64}", encoded):
        yield bytes.fromhex(encoded), (_HEX,)
    plain = encoded.replace("-", "+").replace("_", "/").rstrip("=")
    padded = plain + "=" * (-len(plain) % 4)
    try:
        value = base64.b64decode(padded.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return
    repairs = () if len(padded) == len(encoded) and not re.search(r"[-_]", encoded) else (_URLSAFE,)
    yield value, repairs
    if re.fullmatch(rb"(?:[0-9a-fA-F]{2}){20,64}", value):
        yield bytes.fromhex(value.decode()), (*repairs, _HEX_IN_BASE64)
