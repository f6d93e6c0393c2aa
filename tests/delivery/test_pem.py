"""What may be given as a client certificate or an authority; what may not is refused with what to do."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from app.delivery import pem

NOW = datetime(2026, 11, 21, tzinfo=UTC)
AUTHORITY = trustme.CA()
LEAF = AUTHORITY.issue_cert(common_name="acme")
CERTIFICATE = LEAF.cert_chain_pems[0].bytes().decode()
KEY = LEAF.private_key_pem.bytes().decode()
ABOVE = AUTHORITY.cert_pem.bytes().decode()
EXPIRED = AUTHORITY.issue_cert(common_name="old", not_before=NOW - timedelta(20), not_after=NOW - timedelta(10))
EARLY = AUTHORITY.issue_cert(common_name="new", not_before=NOW + timedelta(10), not_after=NOW + timedelta(20))


def whole(leaf: trustme.LeafCert) -> str:
    return leaf.private_key_and_cert_chain_pem.bytes().decode()


def encrypted(key: str) -> str:
    loaded = load_pem_private_key(key.encode(), None)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


def other_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "text",
    [
        CERTIFICATE + KEY,
        KEY + CERTIFICATE,
        ABOVE + KEY + CERTIFICATE,
        f"Bag Attributes\r\n{KEY}\r\nsubject=/CN=acme\r\n{CERTIFICATE}{ABOVE}".replace("\n", "\r\n"),
    ],
)
def test_an_identity_begins_with_the_keys_certificate_whatever_the_order(text: str) -> None:
    checked = pem.checked_identity(text, NOW)
    assert checked.startswith(CERTIFICATE)
    assert checked.count("BEGIN CERTIFICATE") == text.count("BEGIN CERTIFICATE")
    assert pem.checked_identity(checked, NOW) == checked


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no certificate"),
        (KEY, "there is no certificate"),
        (CERTIFICATE, "exactly one private key"),
        (CERTIFICATE + KEY + KEY, "exactly one private key"),
        (CERTIFICATE + encrypted(KEY), "without a passphrase"),
        (CERTIFICATE + other_key(), "does not belong to the certificate"),
        (CERTIFICATE + KEY.replace("M", "?"), "private key cannot be read"),
        (CERTIFICATE.replace("M", "?") + KEY, "certificate cannot be read"),
        (CERTIFICATE.replace("-----END", "-----and") + KEY, "there is no certificate"),
        (whole(EXPIRED), "expired on 2026-11-11: give one that is valid"),
        (whole(EARLY), "not valid before 2026-12-01"),
        (CERTIFICATE + KEY + " " * pem.LONGEST_PEM, "must not be longer"),
        (ABOVE * (pem.MOST_BLOCKS + 1), "over 16 parts"),
    ],
)
def test_an_identity_that_would_fail_is_refused_with_what_to_do(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        pem.checked_identity(text, NOW)
    assert "BEGIN" not in str(refused.value).replace("-----BEGIN CERTIFICATE-----", "")


def large_key() -> rsa.RSAPrivateKey:
    """One of 4484 bits, of two Mersenne primes, because to look for others takes seconds."""
    p, q, e = 2**2281 - 1, 2**2203 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def self_signed(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "odd")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(1), NOW + timedelta(1))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (builder.sign(key, SHA256()).public_bytes(Encoding.PEM) + private).decode()


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 1024), large_key()], ids=["1024", "4484"])
def test_a_key_that_is_too_weak_or_too_costly_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(ValueError, match="RSA of 2048 to 4096 bits"):
        pem.checked_identity(self_signed(key), NOW)


def test_authorities_are_kept_without_what_is_not_a_certificate() -> None:
    assert pem.checked_authorities(f"# ours\n{ABOVE}{KEY}", NOW) == ABOVE
    assert pem.checked_authorities(ABOVE + CERTIFICATE, NOW) == ABOVE + CERTIFICATE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no certificate"),
        (KEY, "there is no certificate"),
        (ABOVE.replace("M", "?"), "cannot be read"),
        (ABOVE + EXPIRED.cert_chain_pems[0].bytes().decode(), "expired on 2026-11-11"),
    ],
)
def test_authorities_that_would_fail_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        pem.checked_authorities(text, NOW)
