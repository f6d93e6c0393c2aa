"""TLS towards receivers: whom we trust, as whom we present ourselves, and what may be given for either.

Contexts are costly (the system's authorities are read into each: 30 ms and nearly a megabyte), so that endpoints which
set nothing share one, and those that do share by what they set.
"""

import asyncio
import hashlib
import os
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import IO, Final

from cachetools import LRUCache

from app.delivery.outcome import UnreachableReason

MOST_CONTEXTS: Final = 128
"""Contexts of endpoints that set something, kept for the next connection; about a megabyte each."""

_REFUSED_CERTIFICATE: Final = (
    "The receiver did not accept the endpoint's client certificate: set one that it trusts and that has not expired."
)
_ALERTS: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "The receiver requires a client certificate (mTLS): set one for the endpoint.",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "The receiver ended the TLS handshake: it requires a client certificate (mTLS), or shares no cipher with us."
    ),
    **dict.fromkeys(
        (
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
            "SSLV3_ALERT_CERTIFICATE_REVOKED",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "TLSV1_ALERT_ACCESS_DENIED",
            "TLSV1_ALERT_DECRYPT_ERROR",
            "TLSV1_ALERT_UNKNOWN_CA",
        ),
        _REFUSED_CERTIFICATE,
    ),
}


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What one endpoint's TLS differs in, as it was checked by `app.delivery.pem`. Equal if the texts are."""

    identity: str | None = field(repr=False, compare=False)
    """The client certificate, those above it, and its private key, in PEM."""
    authorities: str | None = field(repr=False, compare=False)
    """Certificates that are trusted in addition to the system's, in PEM."""
    name: str = field(init=False)
    """Differs when anything else does, and tells nothing of it: connections are shared by it."""

    def __post_init__(self) -> None:
        parts = [hashlib.sha256((text or "").encode()).digest() for text in (self.identity, self.authorities)]
        object.__setattr__(self, "name", hashlib.sha256(b"".join(parts)).hexdigest())


class Contexts:
    """The TLS contexts of one event loop."""

    def __init__(self, *, verify: bool = True, authorities: str | None = None, base: ssl.SSLContext | None = None):
        """`authorities` in PEM are trusted for all endpoints; `base` is used for endpoints that set nothing."""
        self._verify = verify
        self._authorities = authorities
        self.base = base or tls_context(verify=verify, authorities=(authorities,))
        self._made: LRUCache[str, asyncio.Future[ssl.SSLContext]] = LRUCache(maxsize=MOST_CONTEXTS)

    async def of(self, settings: TlsSettings | None) -> ssl.SSLContext:
        """The context for an endpoint. ValueError, OSError or ssl.SSLError if its settings cannot be used."""
        if settings is None:
            return self.base
        making = self._made.get(settings.name)
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = asyncio.ensure_future(asyncio.to_thread(self._make, settings))
            self._made[settings.name] = making
        # One who runs out of time does not take along what the others wait for.
        return await asyncio.shield(making)

    def _make(self, settings: TlsSettings) -> ssl.SSLContext:
        return tls_context(
            verify=self._verify,
            authorities=(self._authorities, settings.authorities),
            identity=settings.identity,
        )


def tls_context(*, verify: bool, authorities: Sequence[str | None] = (), identity: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer; certificate and host name are verified unless told otherwise.

    Trusts the system's authorities and the given ones (PEM). Presents the identity (PEM) to receivers that ask for one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _trust(context, authorities)
    if identity is not None:
        present(context, identity)
    return context


def _trust(context: ssl.SSLContext, authorities: Sequence[str | None]) -> None:
    system = ssl.get_default_verify_paths()
    try:
        # What `load_default_certs` reads, but without holding up the other threads meanwhile.
        context.load_verify_locations(system.cafile, system.capath)
    except (TypeError, OSError):  # There is neither, or the file is empty.
        context.load_default_certs()
    for text in authorities:
        if text:
            context.load_verify_locations(cadata=text)
            # Whoever names a certificate trusts it, also if it is one between the root and the receiver's.
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN


def present(context: ssl.SSLContext, identity: str) -> None:
    """Have the context show an identity: in PEM, its certificate first, those above it, and its private key.

    ValueError, OSError or ssl.SSLError if it cannot be used.
    """
    # The standard library reads keys from files only. In memory, where there are such files; else for a moment.
    with _private_file() as file:
        file.write(identity.encode())
        file.flush()
        path = f"/proc/self/fd/{file.fileno()}" if sys.platform == "linux" else file.name
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(path, password="")


def _private_file() -> IO[bytes]:
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("client certificate"), "wb")
    return NamedTemporaryFile(prefix="postrider-", suffix=".pem")


def alert(error: ssl.SSLError) -> str | None:
    """What a receiver's alert means to the endpoint's owner; None if it is about nothing that they set."""
    return _ALERTS.get(error.reason or "")


def unanswered(error: Exception | None) -> tuple[UnreachableReason, str]:
    """Why a connection ended before a byte of an answer. In TLS 1.3 a client certificate is refused only then."""
    if isinstance(error, ssl.SSLError) and (text := alert(error)) is not None:
        return "tls", text
    return "reset", "The receiver closed the connection without answering."
