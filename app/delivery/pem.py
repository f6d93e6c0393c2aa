"""What may be given as a client certificate with its key, or as an authority: PEM that OpenSSL will take as it is.

Everything is checked when it is saved, because at the time of a delivery nobody is there to correct it. The texts of
the errors are for the endpoint's owner and repeat nothing of what was given.
"""

import re
import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from app.delivery.tls import present

LONGEST_PEM: Final = 32_768
"""Characters of one text."""
MOST_BLOCKS: Final = 16

_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)
_BEGIN: Final = "-----BEGIN "
_LEAST_RSA_BITS: Final = 2048
_MOST_RSA_BITS: Final = 4096
# OpenSSL's names of what is wrong.
_OTHERS_KEY: Final = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
_TOO_SMALL: Final = "EE_KEY_TOO_SMALL"
_HOW_TO_DECRYPT: Final = "openssl pkey -in encrypted.pem -out key.pem"


def checked_identity(text: str, now: datetime) -> str:
    """A client certificate with its private key, the certificate first, then those above it, then the key.

    ValueError, one sentence, if there is no certificate or not exactly one key, if the key is encrypted or belongs to
    no certificate, if the certificate is not valid now, or if its key is too short or too long.
    """
    blocks = _blocks(text)
    certificates = _parsed(blocks)
    keys = [block for kind, block in blocks if kind.endswith("PRIVATE KEY")]
    if len(keys) != 1:
        raise ValueError("there must be exactly one private key beside the certificate: put both into the text, as PEM")
    if "ENCRYPTED" in keys[0]:
        raise ValueError(f"the private key is encrypted: give it without a passphrase ({_HOW_TO_DECRYPT})")
    own, identity = _matching(certificates, keys[0])
    _check_time(own, now)
    _check_key(own)
    return identity


def checked_authorities(text: str, now: datetime) -> str:
    """One or more certificates that receivers are verified with. ValueError, one sentence, if they are none."""
    certificates = _parsed(_blocks(text))
    for certificate in certificates:
        _check_time(certificate, now)
    return "".join(_pem(certificate) for certificate in certificates)


def _blocks(text: str) -> list[tuple[str, str]]:
    """The kind and the whole of each block."""
    if len(text) > LONGEST_PEM or text.count(_BEGIN) > MOST_BLOCKS:
        raise ValueError(f"the PEM must not be longer than {LONGEST_PEM} characters, or have over {MOST_BLOCKS} parts")
    return [(match[1], match[0]) for match in _BLOCK.finditer(text)]


def _parsed(blocks: Sequence[tuple[str, str]]) -> list[x509.Certificate]:
    found = [block for kind, block in blocks if kind == "CERTIFICATE"]
    if not found:
        raise ValueError("there is no certificate: give it as PEM, which begins with -----BEGIN CERTIFICATE-----")
    try:
        certificates = [x509.load_pem_x509_certificate(block.encode()) for block in found]
        for certificate in certificates:
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("a certificate cannot be read: give it as PEM, complete and unchanged") from None
    return certificates


def _check_time(certificate: x509.Certificate, now: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends < now:
        raise ValueError(f"the certificate expired on {ends:%Y-%m-%d}: give one that is valid")
    if begins > now:
        raise ValueError(f"the certificate is not valid before {begins:%Y-%m-%d}: give one that is valid now")


def _matching(certificates: Sequence[x509.Certificate], key: str) -> tuple[x509.Certificate, str]:
    """The certificate of a key, and all of them with the key in the order in which TLS wants them.

    TLS itself says whether it takes them: reading a private key with more care costs a tenth of a second and more.
    """
    refusal = ""
    for own in certificates:
        above = [certificate for certificate in certificates if certificate != own]
        identity = "".join(_pem(certificate) for certificate in [own, *above]) + key + "\n"
        try:
            present(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)
        except ssl.SSLError as error:
            refusal = error.reason or ""
            if refusal == _TOO_SMALL:
                _check_key(own)
        else:
            return own, identity
    if refusal in _OTHERS_KEY:
        raise ValueError("the private key does not belong to the certificate: give the two that were made together")
    raise ValueError("the private key cannot be read: give it as PEM, PKCS #8 or traditional")


def _check_key(certificate: x509.Certificate) -> None:
    """A key that is too long is refused too: the worker signs with it for each new connection."""
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=bits) if _LEAST_RSA_BITS <= bits <= _MOST_RSA_BITS:
            pass
        case ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            pass
        case _:
            raise ValueError(
                f"the certificate's key must be RSA of {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits, ECDSA, or EdDSA"
            )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
