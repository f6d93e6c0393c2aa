"""For senders that have no module of their own, and send a JSON Web Token (https://www.rfc-editor.org/rfc/rfc7519).

The token is verified with a secret (HS256 and so on), with a public key, or with the key that it names in a key set
(https://www.rfc-editor.org/rfc/rfc7517). It proves the sender, and not the body.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.receiving import keys, schemes
from app.receiving.contract import CannotSign, Config, Event, Field, Moment, Provider, Rejection, Request, Wanted
from app.receiving.providers import generic
from app.receiving.schemes import PublicKey

_AUTHORIZATION: Final = "authorization"
# A key that is new in the set is known after so many seconds.
_KEY_SET_SECONDS: Final = 300.0
_SAMPLE_SECONDS: Final = 300
_NO_KEY: Final = "set secret, publicKey or jwksUrl: without one of them no token could be verified"
_SMALLEST_RSA: Final = 2048
# By the bytes that a key must have at least (RFC 7518, section 3.2).
_BY_LENGTH: Final = ((32, "HS256"), (48, "HS384"), (64, "HS512"))
_BY_CURVE: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def _verify(request: Request, config: Config, moment: Moment) -> Event | Wanted:
    name = config.options.get("header") or _AUTHORIZATION
    token = schemes.bearer_token(request) if name == _AUTHORIZATION else request.header(name)
    found: Sequence[bytes | PublicKey]
    if address := config.options.get("jwksUrl"):
        document = moment.fetched.get(address)
        if document is None:
            return Wanted(address, _KEY_SET_SECONDS)
        found = [schemes.key_of_set(document, schemes.key_id_of(token))]
    elif text := config.options.get("publicKey"):
        found = [_public_key(text)]
    elif config.secrets:
        found = [secret.encode() for secret in config.secrets]
    else:
        raise Rejection("The source has no secret, publicKey or jwksUrl: set one of them in its config.")
    _check(token, found, config, moment)
    return generic.event_of(request, config)


def _check(token: str, found: Sequence[bytes | PublicKey], config: Config, moment: Moment) -> None:
    """A key is tried with the algorithms of its kind only: a public key must not become an HMAC secret."""
    audience, issuer = config.options.get("audience") or None, config.options.get("issuer") or None
    reason: Rejection | None = None
    for key in found:
        try:
            schemes.check_token(token, [key], _algorithms(key), moment.now, audience=audience, issuer=issuer)
            return
        except Rejection as rejection:
            reason = rejection
    assert reason is not None
    raise reason


def _algorithms(key: bytes | PublicKey) -> list[str]:
    if isinstance(key, bytes):
        return [name for length, name in _BY_LENGTH if len(key) >= length]
    if isinstance(key, rsa.RSAPublicKey):
        return ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] if key.key_size >= _SMALLEST_RSA else []
    if isinstance(key, ec.EllipticCurvePublicKey):
        name = _BY_CURVE.get(key.curve.name)
        return [name] if name else []
    return ["EdDSA"]


def _public_key(text: str) -> PublicKey:
    try:
        return schemes.public_key(text)
    except ValueError:
        raise Rejection("The source's publicKey cannot be read: set it again in its config.") from None


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    name = config.options.get("header") or _AUTHORIZATION
    claims: dict[str, object] = {"iat": int(now), "exp": int(now) + _SAMPLE_SECONDS}
    claims |= {"aud": config.options["audience"]} if config.options.get("audience") else {}
    claims |= {"iss": config.options["issuer"]} if config.options.get("issuer") else {}
    is_asymmetric = config.options.get("jwksUrl") or config.options.get("publicKey")
    if config.secrets and not is_asymmetric:
        token = jwt.encode(claims, config.secrets[0].encode(), algorithm="HS256")
    elif not is_asymmetric and not config.options.get("privateKey"):
        raise CannotSign(_NO_KEY)
    else:
        key = keys.private_key(config)
        token = jwt.encode(claims, key, algorithm=_algorithms(key.public_key())[0])
    headers = (
        ("content-type", "application/json"),
        (name, f"Bearer {token}" if name == _AUTHORIZATION else token),
        *generic.naming_headers(event, body, config),
    )
    return Request("POST", url, headers, body)


def _check_config(config: Config) -> None:
    if not (config.secrets or config.options.get("publicKey") or config.options.get("jwksUrl")):
        raise ValueError(_NO_KEY)


def _check_secret(text: str) -> str:
    if not _algorithms(text.encode()):
        raise ValueError("the secret of a token must have at least 32 bytes (RFC 7518): use a longer one")
    return text


def _check_key(text: str) -> str:
    if not _algorithms(schemes.public_key(text)):
        raise ValueError("give an RSA key of at least 2048 bits, an Ed25519 key, or one on P-256, P-384 or P-521")
    return text


def _check_address(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise ValueError("give the address of the key set: it begins with https://, and names no user")
    return text


PROVIDERS: Final = (
    Provider(
        name="jwt",
        title="Any sender with a JSON Web Token",
        documentation="https://www.rfc-editor.org/rfc/rfc7519",
        header="`Authorization: Bearer`, or `header` of the source",
        algorithm="JWT: HMAC (`secret`), or RSA, ECDSA, Ed25519 (`publicKey`, `jwksUrl`); the body is not covered",
        timestamp="`exp`, `nbf`, `iat` of the token, 1 min beyond",
        dedupe=generic.DEDUPE,
        oracle="joserfc (PyPI)",
        fields=(
            Field(
                "secret", "Of HS256, HS384 or HS512.", "t2vK9xQ4mZ7wLb1NcR8yHs5dGf3jTa6e", False, check=_check_secret
            ),
            generic.field("publicKey", "The sender's public key, as PEM or base64.", "MCowBQYDK2VwAyEA…", _check_key),
            generic.field(
                "jwksUrl",
                "The address of the sender's key set.",
                "https://auth.example.com/.well-known/jwks.json",
                _check_address,
            ),
            generic.field("audience", "What `aud` must be, or hold.", "https://hooks.example.com", str),
            generic.field("issuer", "What `iss` must be.", "https://auth.example.com/", str),
            generic.field("header", "The header that holds the token alone. Left out: `Authorization`.", "x-token"),
            *generic.NAMING,
        ),
        verify=_verify,
        check=_check_config,
        sign=_sign,
        methods=generic.METHODS,
        credentials=frozenset({_AUTHORIZATION}),
        credentials_of=lambda config: frozenset({config.options.get("header") or _AUTHORIZATION}),
        prefix=generic.PREFIX,
        setup="Give the URL to the sender; set one of `secret`, `publicKey` and `jwksUrl`.",
    ),
)
