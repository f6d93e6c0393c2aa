"""The ways in which a secret's text is taken for a key: the right one, and those of common mistakes."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.receiving.debugging.findings import Repair

Origin = Literal["given", "endpoint", "former"]
"""`given`: typed by who asks. `endpoint`: the one that the endpoint signs with now. `former`: it did so before."""

_SYMMETRIC: Final = "whsec_"
_PUBLIC: Final = "whpk_"
_PRIVATE: Final = "whsk_"
_AROUND: Final = " \t\r\n\v\f\0\u00a0\u200b\ufeff'\"`“”‘’,;"
_HALF: Final = 32


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A secret that may have signed."""

    text: str = field(repr=False)
    origin: Origin = "given"


@dataclass(frozen=True, slots=True)
class Reading:
    """A key, and the mistakes that were made if it is the right one."""

    key: bytes = field(repr=False)
    repairs: tuple[Repair, ...] = ()


_AROUND_IT: Final = Repair(
    "secret-form",
    "There are spaces, quotes or invisible characters around the secret.",
    "the secret without what is around it",
    "Copy the secret anew, and strip what your configuration reads: often it is the line end of a file.",
)
_NO_PREFIX: Final = Repair(
    "secret-form",
    "The secret lacks its prefix whsec_.",
    "the secret as base64, although whsec_ is not before it",
    "Libraries take it without, but not all: keep the secret whole, as it is shown.",
    "warning",
)
_PADDING: Final = Repair(
    "secret-form",
    "The secret's base64 has lost its padding.",
    "the secret with = at its end",
    "Copy the secret whole, with the = at its end: a double click often leaves them out.",
)
_URLSAFE: Final = Repair(
    "secret-form",
    "The secret is written in base64 for URLs.",
    "the secret with + and / in the place of - and _",
    "Keep the secret as it is shown: libraries read + and / only.",
)
_SPACED: Final = Repair(
    "secret-form",
    "There are spaces or line ends inside the secret.",
    "the secret without blanks (a space may have been a +)",
    "Copy the secret in one piece; in a URL or a form + must be written %2B.",
)
_TWICE: Final = Repair(
    "secret-form",
    "The secret is in base64 once more.",
    "what the secret is when it is decoded from base64 once",
    "Decode it once before you use it. Kubernetes shows secrets so: `kubectl get secret … | base64 -d`.",
)
_AS_TEXT: Final = Repair(
    "secret-form",
    "The secret's text was used as the key.",
    "the secret's letters as the key, whsec_ included",
    "The key is what follows whsec_, decoded from base64: never the letters themselves.",
)
_AS_TEXT_BARE: Final = Repair(
    "secret-form",
    "The secret's text was used as the key.",
    "the letters after whsec_ as the key",
    "The key is what follows whsec_, decoded from base64: decode it.",
)
_HEX: Final = Repair(
    "secret-form",
    "The secret was decoded as hexadecimal.",
    "the secret's bytes read as hexadecimal",
    "The key is what follows whsec_, decoded from base64.",
)
_IS_PRIVATE: Final = Repair(
    "key-kind",
    "This is the private key, which a receiver must not have.",
    "the public half of the private key",
    "Give the receiver the key that begins with whpk_, and rotate this one if anybody else has seen it.",
    "warning",
)
_IS_UNNAMED_PUBLIC: Final = Repair(
    "key-kind",
    "The public key lacks its prefix whpk_.",
    "the key as an Ed25519 public key",
    "Keep the key whole, as it is shown: libraries tell by whpk_ that it is no shared secret.",
    "warning",
)


def bare(text: str) -> tuple[str, tuple[Repair, ...]]:
    """The secret without what does not belong to it."""
    stripped = text.strip(_AROUND)
    return stripped, (() if len(stripped) == len(text) else (_AROUND_IT,))


def kind_of(text: str) -> Literal["symmetric", "public", "private", "unnamed"]:
    """What a secret says that it is."""
    stripped = bare(text)[0]
    for prefix, kind in _KINDS:
        if stripped.startswith(prefix):
            return kind
    return "unnamed"


_KINDS: Final[tuple[tuple[str, Literal["symmetric", "public", "private"]], ...]] = (
    (_SYMMETRIC, "symmetric"),
    (_PUBLIC, "public"),
    (_PRIVATE, "private"),
)


def right_reading(text: str) -> Reading | None:
    """The key, as the standard says; None if the secret is not in its form."""
    encoded = text.removeprefix(_SYMMETRIC)
    decoded = _strict(encoded)
    if not decoded or kind_of(text) in {"public", "private"}:
        return None
    return Reading(decoded, () if text.startswith(_SYMMETRIC) else (_NO_PREFIX,))


def odd_readings(text: str) -> Iterator[Reading]:
    """The keys of mistakes, the likeliest first. One may come twice."""
    stripped, around = bare(text)
    yield from _readings(stripped, around)
    inner = _strict(stripped)
    if inner and inner.isascii() and inner.strip().startswith(_SYMMETRIC.encode()):
        yield from _readings(inner.decode().strip(), (*around, _TWICE))
    decoded = _strict(stripped.removeprefix(_SYMMETRIC))
    again = _strict(decoded.decode()) if decoded and decoded.isascii() else b""
    if again:
        yield Reading(again, (*around, _TWICE))
    if around:
        yield Reading(text.encode("utf-8", "surrogatepass"), (_AS_TEXT,))


def _readings(text: str, before: tuple[Repair, ...]) -> Iterator[Reading]:
    encoded = text
    while encoded.startswith(_SYMMETRIC):
        encoded = encoded.removeprefix(_SYMMETRIC)
    named = before if text.startswith(_SYMMETRIC) else (*before, _NO_PREFIX)
    for respelled, repairs in _respelled(encoded):
        decoded = _strict(respelled)
        if decoded:
            yield Reading(decoded, (*named, *repairs))
    yield Reading(text.encode("utf-8", "surrogatepass"), (*before, _AS_TEXT))
    if encoded != text:
        yield Reading(encoded.encode("utf-8", "surrogatepass"), (*before, _AS_TEXT_BARE))
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", encoded):
        yield Reading(bytes.fromhex(encoded), (*before, _HEX))


def _respelled(encoded: str) -> Iterator[tuple[str, tuple[Repair, ...]]]:
    """The base64 as it may have been written."""
    yield encoded, ()
    steps: tuple[tuple[Repair | None, Callable[[str], str]], ...] = (
        (None, lambda text: text),
        (_URLSAFE, lambda text: text.replace("-", "+").replace("_", "/")),
        (_SPACED, lambda text: re.sub(r"[\r\n\t]", "", text).replace(" ", "+")),
        (_SPACED, lambda text: "".join(text.split())),
    )
    for repair, step in steps:
        changed = step(encoded)
        respelling = (repair,) if repair is not None and changed != encoded else ()
        padded = changed.rstrip("=") + "=" * (-len(changed.rstrip("=")) % 4)
        yield padded, (*respelling, *((_PADDING,) if padded != changed else ()))


def public_keys(text: str) -> Iterator[tuple[Ed25519PublicKey, tuple[Repair, ...]]]:
    """The Ed25519 keys that a text may stand for."""
    stripped, around = bare(text)
    prefix = next((each for each in (_PUBLIC, _PRIVATE, _SYMMETRIC) if stripped.startswith(each)), "")
    for respelled, repairs in _respelled(stripped.removeprefix(prefix)):
        decoded = _strict(respelled)
        if len(decoded) == 2 * _HALF or (prefix == _PRIVATE and len(decoded) == _HALF):
            private = Ed25519PrivateKey.from_private_bytes(decoded[:_HALF])
            yield private.public_key(), (*around, *repairs, _IS_PRIVATE)
        elif len(decoded) == _HALF:
            named = () if prefix == _PUBLIC else (_IS_UNNAMED_PUBLIC,)
            yield Ed25519PublicKey.from_public_bytes(decoded), (*around, *repairs, *named)


def _strict(text: str) -> bytes:
    """Base64 with padding, decoded; nothing if it is none."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return b""
