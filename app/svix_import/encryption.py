"""How a Svix server keeps signing secrets: a marker byte, then the key, encrypted if the server has a main secret.

The marker is 1 for HMAC and 2 for ed25519, with the highest bit set where the key is encrypted. The cipher is
XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), the 24 bytes of the nonce before the ciphertext.
"""

import hmac
import struct
from base64 import b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

_NONCE: Final = 24
_WORD: Final = 0xFFFFFFFF
# RFC 8439 §2.3: "expand 32-byte k".
_CONSTANTS: Final = struct.unpack("<4I", b"expand 32-byte k")

_ENCRYPTED: Final = 0x80
_PREFIXES: Final = {1: "whsec_", 2: "whsk_"}
# Keys of the first servers have neither a marker nor an encryption.
_LEGACY_LENGTH: Final = 24


class KeyUnreadable(Exception):
    """A signing key cannot be read. The text says why, without the key."""


class MainSecretNeeded(KeyUnreadable):
    """The key is encrypted, and the main secret is not given, or another one."""


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The key that 16 bytes of nonce make of a 32-byte key (draft-irtf-cfrg-xchacha-03 §2.2).

    It is a block of ChaCha20 without its last step, the addition of what the block began with: which is undone here.
    """
    block = Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(bytes(64))
    words = struct.unpack("<16I", block)
    added = (*_CONSTANTS, *struct.unpack("<4I", nonce))
    return struct.pack("<8I", *(word - add & _WORD for word, add in zip(words[:4] + words[12:], added, strict=True)))


def open_xchacha20(key: bytes, nonce: bytes, ciphertext: bytes, associated: bytes = b"") -> bytes:
    """What was encrypted with a 32-byte key and a 24-byte nonce. InvalidTag if it was not, or was changed since."""
    cipher = ChaCha20Poly1305(hchacha20(key, nonce[:16]))
    return cipher.decrypt(b"\0\0\0\0" + nonce[16:], ciphertext, associated)


class Keyring:
    """Reads the signing keys of one Svix server."""

    def __init__(self, main_secret: str | None) -> None:
        """The server's `SVIX_MAIN_SECRET`; None if it never had one."""
        self._key = hmac.digest(main_secret.encode(), b"main", "sha256") if main_secret else None

    def text_of(self, stored: bytes) -> str:
        """A key as SDKs know it, `whsec_…` or `whsk_…`. KeyUnreadable if it cannot be read."""
        if len(stored) < _LEGACY_LENGTH:
            raise KeyUnreadable("its signing key is too short to be one")
        if len(stored) == _LEGACY_LENGTH:
            return f"whsec_{b64encode(stored).decode()}"
        marker, key = stored[0], stored[1:]
        if is_encrypted(stored):
            key = self._opened(key)
        prefix = _PREFIXES.get(marker & ~_ENCRYPTED)
        if prefix is None:
            raise KeyUnreadable("its signing key is of a kind that is not known")
        return prefix + b64encode(key).decode()

    def text_of_old(self, stored: str) -> str:
        """The same of an earlier key, which the database has as a text. KeyUnreadable if it cannot be read."""
        try:
            if stored.startswith("whsec_"):
                a2b_base64(stored.removeprefix("whsec_"))
                return stored
            return self.text_of(a2b_base64(stored))
        except (NotBase64, ValueError):
            raise KeyUnreadable("an earlier signing key is not base64") from None

    def _opened(self, sealed: bytes) -> bytes:
        if self._key is None:
            raise MainSecretNeeded("its signing key is encrypted, and no main secret is given")
        try:
            return open_xchacha20(self._key, sealed[:_NONCE], sealed[_NONCE:])
        except (InvalidTag, ValueError, struct.error):
            raise MainSecretNeeded("its signing key does not open with this main secret") from None


def is_encrypted(stored: bytes) -> bool:
    """Whether a signing key can be read only with the server's main secret."""
    return len(stored) > _LEGACY_LENGTH and bool(stored[0] & _ENCRYPTED)
