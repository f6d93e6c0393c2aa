"""The search for the repairs with which a signature becomes right; bounded, whatever the request is."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.receiving.debugging.bodies import other_bodies
from app.receiving.debugging.contents import Around, other_contents, right_content
from app.receiving.debugging.findings import Repair
from app.receiving.debugging.key_readings import KnownSecret, odd_readings, public_keys, right_reading
from app.receiving.debugging.signature_texts import Given

Digest = Literal["sha1", "sha256", "sha384", "sha512"]

# In bytes that HMAC-SHA256 digests in that time; each try costs something besides. About 30 ms for a body of 20 kB.
_BUDGET: Final = 40_000_000
_TRY: Final = 5_000
_ED25519_TRY: Final = 150_000
# Large bodies get so many tries, nevertheless.
_LEAST_TRIES: Final = 160
_CROSSED_CONTENTS: Final = 4
_DIGESTS: Final[dict[int, Digest]] = {
    hashlib.new(name).digest_size: name for name in ("sha1", "sha256", "sha384", "sha512")
}


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed, as far as the request tells."""

    ids: list[str]
    stamps: list[str]
    body: bytes = field(repr=False)
    line_ends_known: bool


@dataclass(frozen=True, slots=True)
class Match:
    """Which secret made which signature, and the mistakes that had to be undone to see it."""

    secret: KnownSecret = field(repr=False)
    given: Given
    repairs: tuple[Repair, ...]


@dataclass(frozen=True, slots=True)
class _Key:
    secret: KnownSecret = field(repr=False)
    key: bytes | Ed25519PublicKey = field(repr=False)
    repairs: tuple[Repair, ...] = ()


_Body = tuple[bytes, tuple[Repair, ...]]
_Content = tuple[Around, tuple[Repair, ...]]


class Search:
    """One search over the signatures of a header."""

    def __init__(self, given: Sequence[Given], signed: Signed) -> None:
        self._symmetric = [each for each in given if each.version == "v1" and len(each.value) in _DIGESTS]
        self._asymmetric = [each for each in given if each.version == "v1a"]
        self._digests: list[Digest] = list(dict.fromkeys(_DIGESTS[len(each.value)] for each in self._symmetric))
        self._signed = signed
        self._spent = 0
        self.tries = 0
        """How many repairs, and combinations of them, were tried."""

    def find(self, secrets: Sequence[KnownSecret]) -> Match | None:
        """The match of the fewest and likeliest repairs; None if there is none within the bounds."""
        for key, body, content in self._combinations(secrets):
            if self._spent > _BUDGET and self.tries >= _LEAST_TRIES:
                return None
            made = content[0][0] + body[0] + content[0][1]
            for given, repairs in self._given_of(key, made):
                return Match(key.secret, given, (*given.repairs, *key.repairs, *body[1], *content[1], *repairs))
        return None

    def _combinations(self, secrets: Sequence[KnownSecret]) -> Iterator[tuple[_Key, _Body, _Content]]:
        signed = self._signed
        body: _Body = (signed.body, ())
        whole = bool(signed.ids and signed.stamps)
        contents: list[_Content] = [(right_content(signed.ids[0], signed.stamps[0]), ())] if whole else []
        right, odd = self._keys(secrets)
        yield from _product(right, [body], contents)
        yield from _product(odd, [body], contents)
        bodies: list[_Body] = []
        for changed, repair in _first_of_each(signed.body, signed.line_ends_known):
            bodies.append((changed, (repair,)))
            yield from _product(right, bodies[-1:], contents)
        others: list[_Content] = [(around, (repair,)) for around, repair in other_contents(signed.ids, signed.stamps)]
        yield from _product(right, [body], others)
        yield from _product(odd, [body], others)
        yield from _product(odd, bodies, contents)
        yield from _product(right, bodies, others[:_CROSSED_CONTENTS] if whole else others)

    def _keys(self, secrets: Sequence[KnownSecret]) -> tuple[list[_Key], list[_Key]]:
        """The keys as the standard reads the secrets, and those of mistakes."""
        right: list[_Key] = []
        odd: list[_Key] = []
        for secret in secrets:
            if self._symmetric:
                reading = right_reading(secret.text)
                if reading is not None:
                    right.append(_Key(secret, reading.key, reading.repairs))
                known = {reading.key} if reading is not None else set()
                for each in odd_readings(secret.text):
                    if each.key not in known:
                        known.add(each.key)
                        odd.append(_Key(secret, each.key, each.repairs))
            if self._asymmetric:
                right += [_Key(secret, public, repairs) for public, repairs in public_keys(secret.text)]
        return right, odd

    def _given_of(self, key: _Key, content: bytes) -> Iterator[tuple[Given, tuple[Repair, ...]]]:
        """The signatures that the key made of the content; the digest may be a mistake, too."""
        self.tries += 1
        if isinstance(key.key, Ed25519PublicKey):
            for given in self._asymmetric:
                self._spent += _ED25519_TRY + 3 * len(content)
                if _is_signed(key.key, given.value, content):
                    yield given, ()
            return
        for digest in self._digests:
            self._spent += _TRY + len(content)
            made = hmac.digest(key.key, content, digest)
            found = [given for given in self._symmetric if hmac.compare_digest(given.value, made)]
            # As it was written with the fewest mistakes.
            for given in sorted(found, key=lambda each: len(each.repairs)):
                yield given, () if digest == "sha256" else (_other_digest(digest),)


def _product(
    keys: Sequence[_Key], bodies: Iterable[_Body], contents: Sequence[_Content]
) -> Iterator[tuple[_Key, _Body, _Content]]:
    return ((key, body, content) for body in bodies for content in contents for key in keys)


def _first_of_each(body: bytes, line_ends_known: bool) -> Iterator[tuple[bytes, Repair]]:
    seen = {body}
    for changed, repair in other_bodies(body, line_ends_known=line_ends_known):
        if changed not in seen:
            seen.add(changed)
            yield changed, repair


def _is_signed(key: Ed25519PublicKey, value: bytes, content: bytes) -> bool:
    try:
        key.verify(value, content)
    except InvalidSignature:
        return False
    return True


def _other_digest(digest: Digest) -> Repair:
    name = f"SHA-{digest.removeprefix('sha')}"
    return Repair(
        "signature-form",
        f"The HMAC was made with {name}.",
        f"HMAC-{name}",
        "Make it with SHA-256: v1 is HMAC-SHA256 and nothing else.",
    )
