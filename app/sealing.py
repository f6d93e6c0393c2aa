"""Secrets at rest: AES-256-GCM under the main secret, bound to the row that they belong to.

A sealed value is `1` (version) · 4 bytes (key id) · 12 bytes (nonce) · ciphertext and tag. The row's identity is
authenticated too, so that a sealed value copied to another row does not open.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION: Final = b"\x01"
_KEY_ID: Final = 4
_NONCE: Final = 12


def key_id_of(sealed: bytes) -> bytes:
    """Under which key a value is sealed."""
    return sealed[1 : 1 + _KEY_ID]


class SealBroken(Exception):
    """A sealed value does not open: the main secret changed, or the value belongs to another row."""


class Sealer:
    """Seals with the first of the main secrets, opens with any of them."""

    def __init__(self, main_secrets: Sequence[str]) -> None:
        if not main_secrets or not all(main_secrets):
            raise ValueError("at least one main secret is needed: set POSTRIDER_MAIN_SECRET")
        keys = [hmac.digest(secret.encode(), b"postrider seal v1", "sha256") for secret in main_secrets]
        self._ring = {hashlib.sha256(key).digest()[:_KEY_ID]: AESGCM(key) for key in keys}
        self._current = next(iter(self._ring))

    @property
    def key_id(self) -> bytes:
        """Says under which key a value was sealed now; it tells nothing about the key."""
        return self._current

    @property
    def key_ids(self) -> list[bytes]:
        """Those of all keys, in the order of the main secrets."""
        return list(self._ring)

    def seal(self, plain: bytes, identity: str) -> bytes:
        """Encrypt for the row of that identity (its id)."""
        nonce = os.urandom(_NONCE)
        sealed = self._ring[self._current].encrypt(nonce, plain, identity.encode())
        return _VERSION + self._current + nonce + sealed

    def resealed(self, sealed: bytes, identity: str) -> bytes:
        """The same value under the current key; as it is if it is under that key. SealBroken if it does not open."""
        return sealed if key_id_of(sealed) == self._current else self.seal(self.open(sealed, identity), identity)

    def open(self, sealed: bytes, identity: str) -> bytes:
        """Decrypt what was sealed for that identity. SealBroken if it does not open."""
        key_id, rest = key_id_of(sealed), sealed[1 + _KEY_ID :]
        cipher = self._ring.get(key_id)
        if sealed[:1] != _VERSION or cipher is None:
            raise SealBroken(f"{identity}: sealed under another main secret; add it to POSTRIDER_MAIN_SECRET")
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], identity.encode())
        except (InvalidTag, ValueError):  # ValueError: it is too short to hold a nonce.
            raise SealBroken(f"{identity}: the sealed value was changed, or moved from another row") from None
