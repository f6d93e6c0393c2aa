"""The few ways in which providers prove who they are. Comparisons take the same time wherever texts differ."""

import base64
import binascii
import hmac
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

import jwt
import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from app.receiving.contract import Rejection, Request

Digest = Literal["md5", "sha1", "sha256", "sha384", "sha512"]
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Claims = Mapping[str, object]

WRONG: Final = "The signature was made with none of this source's secrets, or of another body."
_UNTRUE: Final = "The token's signature is not right, or not of this source's key."
_HASHES: Final[dict[Digest, Callable[[], hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_NUMBER: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?", re.ASCII)
# Clocks of those who issue tokens, and ours.
_LEEWAY: Final = 60.0
_KEY_TYPES: Final = ("RSA", "EC", "OKP")
# Keys of one set that have the same id.
_MOST_ALIKE: Final = 10
# Base64 of 16,384 bits: OpenSSL verifies with no longer key.
_LONGEST_MEMBER: Final = 2731


def mac(secret: str | bytes, content: bytes, digest: Digest = "sha256") -> bytes:
    """The HMAC (RFC 2104) of some bytes."""
    return hmac.digest(secret.encode() if isinstance(secret, str) else secret, content, digest)


def same(given: str | bytes, expected: str | bytes) -> bool:
    """Whether two texts are the same; how long that takes says nothing about where they differ."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass") if isinstance(given, str) else given,
        expected.encode("utf-8", "surrogatepass") if isinstance(expected, str) else expected,
    )


def any_same(given: Iterable[str | bytes], expected: Sequence[str | bytes]) -> bool:
    """Whether any of the given texts is one of those expected; all are compared."""
    found = False
    for each in given:
        for other in expected:
            found |= same(each, other)
    return found


def check_mac(given: bytes, secrets: Iterable[str | bytes], content: bytes, digest: Digest = "sha256") -> None:
    """Rejection if the HMAC of the content under none of the secrets is the given one. All are tried."""
    if not any_same([given], [mac(secret, content, digest) for secret in secrets]):
        raise Rejection(WRONG)


def check_hex(given: str, secrets: Iterable[str | bytes], content: bytes, digest: Digest = "sha256") -> None:
    """Rejection if a text is not the HMAC of the content, in hexadecimal, under one of the secrets."""
    check_mac(from_hex(given), secrets, content, digest)


def after(prefix: str, text: str, what: str) -> str:
    """What follows a prefix. Rejection if a text (`what` names it) does not begin with it."""
    if not text.startswith(prefix):
        raise Rejection(f"{what} must begin with {prefix}")
    return text.removeprefix(prefix)


def check_text(given: str, secrets: Iterable[str], what: str) -> None:
    """Rejection if a text that was sent (`what` names it) is none of the secrets."""
    if not any_same([given.encode("latin-1", "replace")], [secret.encode() for secret in secrets]):
        raise Rejection(f"{what} is none of this source's secrets.")


def from_hex(text: str, what: str = "The signature") -> bytes:
    """Rejection if a text is not hexadecimal (either case, no blanks)."""
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        raise Rejection(f"{what} is not hexadecimal.") from None


def from_base64(text: str, what: str = "The signature") -> bytes:
    """Rejection if a text is not base64 with padding (RFC 4648, section 4)."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise Rejection(f"{what} is not base64.") from None


def seconds(text: str, what: str = "The timestamp") -> float:
    """A number of seconds in decimal digits. Rejection for anything else, such as `inf`."""
    if not _NUMBER.fullmatch(text):
        raise Rejection(f"{what} is not a number of seconds.")
    return float(text)


def instant(text: str, what: str = "The timestamp") -> float:
    """A time as RFC 3339 writes it, with its offset; in Unix seconds. Rejection for anything else."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.timestamp()
    except (ValueError, OverflowError):
        pass
    raise Rejection(f"{what} is not a time with an offset, as RFC 3339 writes it.")


def sample_id(event: str, body: bytes) -> str:
    """For samples of providers whose events have a UUID: the same for the same event and body."""
    return str(uuid.UUID(bytes=mac(event, body)[:16], version=4))


def basic_credentials(request: Request) -> tuple[bytes, bytes]:
    """User and password of basic authentication (RFC 7617). Rejection if there are none."""
    scheme, _, encoded = request.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        raise Rejection("The header authorization does not say Basic.")
    user, separator, password = from_base64(encoded.strip(), "What follows Basic").partition(b":")
    if not separator:
        raise Rejection("The header authorization has no user and password, joined by a colon.")
    return user, password


def bearer_token(request: Request) -> str:
    """The token after `Bearer` (RFC 6750). Rejection if there is none."""
    scheme, _, token = request.header("authorization").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Rejection("The header authorization does not say Bearer, and a token.")
    return token.strip()


@lru_cache(maxsize=1024)
def public_key(text: str) -> PublicKey:
    """A public key: PEM, or base64 or hex of its DER form, or of the 32 bytes of an Ed25519 key.

    ValueError, with what to do, for anything else.
    """
    try:
        key = _load(text.strip())
    except (ValueError, binascii.Error, TypeError, UnsupportedAlgorithm):
        raise ValueError("give the public key as PEM, or as base64 (of DER, or of 32 bytes for Ed25519)") from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise ValueError("the public key must be RSA, ECDSA, or Ed25519")
    return key


def _load(text: str) -> object:
    if text.startswith("-----BEGIN"):
        return load_pem_public_key(text.encode())
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    raw = base64.b64decode(text, validate=True)
    return ed25519.Ed25519PublicKey.from_public_bytes(raw) if len(raw) == 32 else load_der_public_key(raw)


def check_signature(key: PublicKey, signature: bytes, content: bytes, digest: Digest = "sha256") -> None:
    """Rejection if a signature is not the key's: Ed25519, ECDSA (DER), or RSA PKCS #1 v1.5."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, content)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(_HASHES[digest]()))
        else:
            key.verify(signature, content, padding.PKCS1v15(), _HASHES[digest]())
    except InvalidSignature:
        raise Rejection("The signature is not of this source's public key, or of another body.") from None


def key_id_of(token: str) -> str | None:
    """The `kid` of a JWT (RFC 7515), unverified. Rejection if it is not a JWT."""
    try:
        found = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError:
        raise Rejection("The token is not a JWT.") from None
    return found if isinstance(found, str) else None


def key_of_set(document: bytes, key_id: str | None) -> PublicKey:
    """The key with that id of a JSON Web Key Set (RFC 7517); of a set of one key, that one.

    Rejection if there is none.
    """
    try:
        listed = _listed(document)
    except ValueError:
        raise Rejection("The provider's set of keys cannot be read.") from None
    meant = [entry for entry in listed if key_id is None or entry.get("kid") == key_id][:_MOST_ALIKE]
    keys = [key for key in map(_public_key_of, meant) if key is not None]
    if not keys or (key_id is None and len(listed) != 1):
        raise Rejection("The token is signed with a key that the provider does not list.")
    return keys[0]


def _listed(document: str | bytes) -> list[dict[str, object]]:
    """The entries of a JSON Web Key Set. ValueError if it is none."""
    found = orjson.loads(document)
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list) or not listed:
        raise ValueError("there is no list of keys")
    return [entry for entry in listed if isinstance(entry, dict)]


def _public_key_of(entry: dict[str, object]) -> PublicKey | None:
    """None for what is no public key. To look at a private one, or a huge one, could take hours."""
    if entry.get("kty") not in _KEY_TYPES or "d" in entry:
        return None
    members = {name: value for name, value in entry.items() if isinstance(value, str) and len(value) <= _LONGEST_MEMBER}
    try:
        key = jwt.PyJWK(members).key
    except (jwt.PyJWTError, LookupError, TypeError, ValueError):
        return None
    return key if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) else None


def check_key_set(text: str) -> str:
    """For fields that hold a JSON Web Key Set: ValueError, with what to do, if it is none."""
    try:
        usable = any(_public_key_of(entry) is not None for entry in _listed(text))
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("give the set of keys as JSON, with its `keys`: public ones")
    return text


def check_token(
    token: str,
    keys: Iterable[str | bytes | PublicKey],
    algorithms: Iterable[str],
    now: float,
    *,
    audience: str | None = None,
    issuer: str | None = None,
    leeway: float = _LEEWAY,
) -> Claims:
    """The claims of a JWT (RFC 7519) that one of the keys signed, and whose times allow it now.

    Rejection if not. `algorithms` must be those of the kind of key: a public key is no HMAC secret.
    """
    claims: Claims | None = None
    for key in keys:
        try:
            # Times are judged below, by the clock that the rule was given.
            claims = jwt.decode(
                token,
                key,
                algorithms=list(algorithms),
                audience=audience,
                issuer=issuer,
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": audience is not None,
                    "require": ["aud"] if audience is not None else [],
                },
            )
            break
        except jwt.InvalidAudienceError:
            raise Rejection("The token is for another audience than this source's.") from None
        except jwt.InvalidIssuerError:
            raise Rejection("The token was issued by somebody else than this source's provider.") from None
        except (jwt.PyJWTError, TypeError):
            # The latter for a key of another kind than the algorithm's.
            continue
    if claims is None:
        raise Rejection(_UNTRUE)
    if not _moment(claims, "exp", now + 1) > now - leeway:
        raise Rejection("The token has expired.")
    if not max(_moment(claims, "nbf", now), _moment(claims, "iat", now)) <= now + leeway:
        raise Rejection("The token is not valid yet.")
    return claims


def _moment(claims: Claims, name: str, otherwise: float) -> float:
    value = claims.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejection(f"The token's {name} is not a time.")
    return value
