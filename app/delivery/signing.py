"""Signatures of Standard Webhooks 1.0, as Svix sends them: HMAC-SHA256 (`v1`) and ed25519 (`v1a`).

What is signed is `{message id}.{unix seconds}.{body}`, the body's bytes as they are sent.
"""

import hashlib
import os
from base64 import b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SigningKind = Literal["hmac256", "ed25519"]

_HMAC_PREFIX: Final = "whsec_"
_PRIVATE_PREFIX: Final = "whsk_"
_PUBLIC_PREFIX: Final = "whpk_"
_HMAC_SHORTEST: Final = 24
_HMAC_LONGEST: Final = 75
_SEED: Final = 32
_BLOCK: Final = 64
_INNER: Final = bytes(value ^ 0x36 for value in range(256))
_OUTER: Final = bytes(value ^ 0x5C for value in range(256))


class SigningKey:
    """One signing secret of an endpoint, ready to sign. Its `repr` does not show it."""

    __slots__ = ("_inner", "_outer", "_private", "kind", "public_text", "text")

    kind: SigningKind
    text: str
    """The secret as it is stored and shown to its owner: `whsec_…`, or `whsk_…` with the 64-byte private key."""
    public_text: str
    """What a receiver verifies with: the same `whsec_…`, or `whpk_…` with the 32-byte public key."""

    def __init__(self, kind: SigningKind, secret: bytes) -> None:
        """For HMAC the secret is the key; for ed25519 it is the 32-byte seed."""
        self.kind = kind
        if kind == "hmac256":
            # The two halves of HMAC (RFC 2104) are hashed once per key: signing then costs half of `hmac.digest`.
            padded = (secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()).ljust(_BLOCK, b"\0")
            self._inner = hashlib.sha256(padded.translate(_INNER))
            self._outer = hashlib.sha256(padded.translate(_OUTER))
            self.text = self.public_text = _HMAC_PREFIX + b64encode(secret).decode()
        else:
            self._private = Ed25519PrivateKey.from_private_bytes(secret)
            public = self._private.public_key().public_bytes_raw()
            self.text = _PRIVATE_PREFIX + b64encode(secret + public).decode()
            self.public_text = _PUBLIC_PREFIX + b64encode(public).decode()

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """The key of a text: `whsec_` (may be left out) and 24 to 75 bytes, or `whsk_` and 64 bytes, in base64.

        ValueError says what is wrong without repeating the secret.
        """
        if text.startswith(_PUBLIC_PREFIX):
            raise ValueError("a whpk_ key is public and cannot sign: give the whsk_ key")
        kind: SigningKind = "ed25519" if text.startswith(_PRIVATE_PREFIX) else "hmac256"
        encoded = text.removeprefix(_PRIVATE_PREFIX if kind == "ed25519" else _HMAC_PREFIX)
        try:
            secret = a2b_base64(encoded, strict_mode=True)
        except (NotBase64, ValueError):
            raise ValueError("the signing secret must be base64 with padding, after whsec_ or whsk_") from None
        if kind == "hmac256":
            if not _HMAC_SHORTEST <= len(secret) <= _HMAC_LONGEST:
                raise ValueError(
                    f"the signing secret must have from {_HMAC_SHORTEST} to {_HMAC_LONGEST} bytes, not {len(secret)}"
                )
            return cls(kind, secret)
        if len(secret) != 2 * _SEED:
            raise ValueError(f"an ed25519 private key must have 64 bytes (seed and public key), not {len(secret)}")
        key = cls(kind, secret[:_SEED])
        if key.text != text:
            raise ValueError("the two halves of the ed25519 private key do not belong together: generate a new one")
        return key

    @classmethod
    def generate(cls, kind: SigningKind) -> "SigningKey":
        """A new random key: 24 bytes for HMAC, as Svix makes them, or an ed25519 pair."""
        return cls(kind, os.urandom(_HMAC_SHORTEST if kind == "hmac256" else _SEED))

    def sign(self, content: bytes) -> str:
        """The signature with its version: `v1,…` or `v1a,…`."""
        if self.kind == "hmac256":
            inner = self._inner.copy()
            inner.update(content)
            outer = self._outer.copy()
            outer.update(inner.digest())
            return "v1," + b2a_base64(outer.digest(), newline=False).decode()
        return "v1a," + b2a_base64(self._private.sign(content), newline=False).decode()

    def __repr__(self) -> str:
        return f"<SigningKey {self.kind}>"


def sign(message_id: str, timestamp: int, body: bytes, keys: Sequence[SigningKey]) -> str:
    """The value of the signature header: one signature for each live key, in their order, separated by spaces.

    `timestamp` is the attempt's time in unix seconds; it is sent beside the signature.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    if len(keys) == 1:
        return keys[0].sign(content)
    return " ".join([key.sign(content) for key in keys])


def headers(message_id: str, timestamp: int, signature: str, *, whitelabel: bool) -> list[bytes]:
    """The header lines, each with its line end, that carry a signature: `webhook-*`, and `svix-*` unless whitelabel.

    Both families are sent because receivers that were built for Svix read the second one.
    """
    lines = f"webhook-id: {message_id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n"
    if not whitelabel:
        lines += f"svix-id: {message_id}\r\nsvix-timestamp: {timestamp}\r\nsvix-signature: {signature}\r\n"
    return lines.encode("ascii").splitlines(keepends=True)
