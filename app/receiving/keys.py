"""Keys that are not this server's own secrets: those of certificates, and those that samples are signed with."""

from base64 import b64decode
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from app.receiving.contract import CannotSign, Config, Rejection
from app.receiving.schemes import PublicKey, public_key

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# Of nobody: they show the form, and the private halves were thrown away.
EXAMPLE_KEYS: Final = (
    '{"keys": [{"kty": "RSA", "alg": "RS256", "kid": "7d680d8c70d44e947133cbd499ebc1a61c3d5abc", "e": "AQAB", "n": "'
    "ykSeBDxhO7dAVL7MM2EJiM3C3za3nWrbILp0IHAtp3w_ow4xx5hMZ9eVM65UOcthYCnioALO8nv85bU2GN34n-IhFXS-W-teQThb"
    "9kQcqU2qObctxzihaBh8BAGznOvFTFw9BZZfM5o53E64KEo35pUcu3O0pDyflp05J0A5X5BBDLw2v6wSCljeh3FvuzqyX9s9qVz-"
    "Ut-1baU2J6f4c37A1qLGE5mYkl-"
    "r7m_HCBhm5rh6H2fFwXahpfd6s6Fwf3TiCx5B6sn2ppi7aQJKtnuTYyPF1_QlVuzoFFr_CrSfTjBeuyUk-"
    "atbIHLP9vH28CDu1pCAUP2YHqu7wXXmbw"
    '"}]}'
)
EXAMPLE_CERTIFICATE: Final = """\
-----BEGIN CERTIFICATE-----
MIIBHzCBx6ADAgECAgEBMAoGCCqGSM49BAMCMBoxGDAWBgNVBAMMD3Nucy5leGFt
cGxlLmNvbTAeFw0yNjAxMDEwMDAwMDBaFw0yNzAxMDEwMDAwMDBaMBoxGDAWBgNV
BAMMD3Nucy5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABN0u
pRevONZX0YHsQtyzsakMjPaqcSi4rtyy694JbAQTAQZTzxqFSULVsjk3DdYux2+s
ez3ryuW6IqeWe/TD8aUwCgYIKoZIzj0EAwIDRwAwRAIgCTbMO7K75Yc0uqCidMQz
HwR4eHr9pbSfptCOMsfYgYUCIBseH0uvMzzO4PmfG5UoES9hGzluYezaMBo027uB
DvyI
-----END CERTIFICATE-----
"""

# Not among the fields of any provider: no source needs it.
_OPTION: Final = "privateKey"
_NEEDED: Final = (
    "this provider signs with a private key that only it has: give one of your own as privateKey (PEM, or base64 of "
    "its DER form), and its public half to the source"
)


def key_of_certificate(document: bytes, now: float) -> PublicKey:
    """The public key of an X.509 certificate (PEM). Rejection if it cannot be read, or is not valid now."""
    try:
        starts, ends, key = _parsed(document)
    except ValueError:
        raise Rejection("The provider's certificate cannot be read.") from None
    if not starts <= now <= ends:
        raise Rejection("The provider's certificate is not valid now.")
    return key


@lru_cache(maxsize=64)
def _parsed(document: bytes) -> tuple[float, float, PublicKey]:
    try:
        certificate = x509.load_pem_x509_certificate(document)
        key = certificate.public_key()
    except (UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise ValueError("unknown kind of key")
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp(), key


def check_certificate(text: str) -> str:
    """For fields that hold a certificate: ValueError, with what to do, if it is none."""
    try:
        _parsed(text.encode())
    except ValueError:
        raise ValueError("give the certificate as PEM, with its BEGIN and END lines") from None
    return text


def check_public_key(text: str) -> str:
    """For fields that hold a public key: ValueError, with what to do, if it is none."""
    public_key(text)
    return text


def public_key_of(config: Config) -> PublicKey:
    """The source's `publicKey`. Rejection if it has none that can be read."""
    try:
        return public_key(config.option("publicKey"))
    except ValueError as error:
        raise Rejection(f"The source's publicKey cannot be read: {error}.") from None


def private_key(config: Config) -> PrivateKey:
    """The key that samples are signed with. CannotSign if there is none, or it cannot be read."""
    text = config.options.get(_OPTION)
    if not text:
        raise CannotSign(_NEEDED)
    try:
        key = _load(text)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CannotSign(f"privateKey cannot be read: {_NEEDED}") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise CannotSign("privateKey must be RSA, ECDSA, or Ed25519")
    return key


# OpenSSL takes its time to check an RSA key.
@lru_cache(maxsize=16)
def _load(text: str) -> object:
    if text.startswith("-----BEGIN"):
        return load_pem_private_key(text.encode(), password=None)
    raw = b64decode(text, validate=True)
    return ed25519.Ed25519PrivateKey.from_private_bytes(raw) if len(raw) == 32 else load_der_private_key(raw, None)


def rsa_key(config: Config) -> rsa.RSAPrivateKey:
    """The same, for who signs with RSA."""
    key = private_key(config)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CannotSign("this provider signs with RSA: give an RSA key as privateKey")
    return key
