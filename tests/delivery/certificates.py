"""TLS servers that something is the matter with. Certificates are for 127.0.0.1 unless that is what is the matter."""

import ssl
import tempfile
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

_HOST: Final = "127.0.0.1"


def _server(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def good(authority: trustme.CA) -> ssl.SSLContext:
    return _server(authority.issue_cert(_HOST))


def expired(authority: trustme.CA) -> ssl.SSLContext:
    return _server(authority.issue_cert(_HOST, not_after=datetime.now(UTC) - timedelta(days=1)))


def not_yet_valid(authority: trustme.CA) -> ssl.SSLContext:
    return _server(authority.issue_cert(_HOST, not_before=datetime.now(UTC) + timedelta(days=1)))


def for_another_host(authority: trustme.CA) -> ssl.SSLContext:
    return _server(authority.issue_cert("other.example", "127.0.0.2"))


def of_nobody(_authority: trustme.CA) -> ssl.SSLContext:
    return _server(trustme.CA().issue_cert(_HOST))


def self_signed(_authority: trustme.CA) -> ssl.SSLContext:
    return _own(2048)


def small_key(authority: trustme.CA) -> ssl.SSLContext:
    """All right, but for an RSA key of 1,024 bits."""
    return _own(1024, authority=authority)


def old_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS 1.1 at most."""
    context = good(authority)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def megabyte(_authority: trustme.CA) -> ssl.SSLContext:
    """A certificate of more than a megabyte."""
    return _own(2048, padding=1_000_000)


@cache
def _own(bits: int, padding: int = 0, authority: trustme.CA | None = None) -> ssl.SSLContext:
    """A certificate that the authority, or else its own key, has signed, with so many bytes that mean nothing."""
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
    now = datetime.now(UTC)
    issuer = name
    signer: CertificateIssuerPrivateKeyTypes = key
    if authority is not None:
        issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
        loaded = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        signer = loaded
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(_HOST))]), critical=False)
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.9999.1"), bytes(padding)), critical=False)
        .sign(signer, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context


Variant = Callable[[trustme.CA], ssl.SSLContext]
# What is the matter, and what the endpoint's owner reads of it.
BAD: Final[dict[Variant, str]] = {
    expired: "certificate has expired",
    not_yet_valid: "certificate is not yet valid",
    for_another_host: "IP address mismatch",
    of_nobody: "unable to get local issuer certificate",
    self_signed: "self-signed certificate",
    small_key: "key too weak",
    # Whether its reason arrives before the end of the connection is a matter of luck.
    old_tls: "TLS",
    megabyte: "No TLS session",
}
