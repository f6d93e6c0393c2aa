"""Keys that samples are signed with in tests, and what their public halves are published as."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import jwt
import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from tests.receiving.mutations import NOW


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """One for each name."""
    return rsa.generate_private_key(65537, 2048)


def private_pem(name: str) -> str:
    return rsa_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def private_base64(name: str) -> str:
    return base64.b64encode(rsa_key(name).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def public_pem(name: str) -> str:
    return rsa_key(name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@cache
def certificate(name: str, at: float = NOW) -> bytes:
    """Self-signed; valid for a year around a time (Unix, seconds)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example.com")])
    middle = datetime.fromtimestamp(at, UTC)
    builder = x509.CertificateBuilder(subject, subject, rsa_key(name).public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(middle - timedelta(days=183)).not_valid_after(middle + timedelta(days=183))
    return builder.sign(rsa_key(name), hashes.SHA256()).public_bytes(Encoding.PEM)


def key_set(*names: str) -> bytes:
    """The JSON Web Key Set of some, each with its name as its id."""
    keys = [jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True) for name in names]
    return orjson.dumps({"keys": [{**key, "kid": name, "use": "sig"} for name, key in zip(names, keys, strict=True)]})
