"""What a JWT says, once its signature is checked. Whatever is odd about one is a reason to refuse it.

RFC 7519, with the claims of the Svix API; RFC 8725 says what else to be wary of. The algorithm is ours to choose, never
the token's: `none`, other algorithms and keys that a header names (`kid`, `jku`, `jwk`) lead nowhere.
"""

import base64
import binascii
import json
import math
import re
import warnings
from dataclasses import dataclass
from typing import Final, Literal

import jwt
from jwt.warnings import InsecureKeyLengthWarning

Algorithm = Literal["HS256", "HS384", "HS512"]
ISSUER: Final = "svix-server"
_LEEWAY: Final = 10
# Three parts of base64url without padding: the text of a token is the only one that says the same.
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)")
# As much as fits in the headers of a request.
_LONGEST: Final = 65_536

# app/environment.py says it in a line of ours, when a process starts.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


class Refused(Exception):
    """The token is not one of ours, or not to be used yet."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a token stands for and for how long (unix seconds); `others` are the claims that not every token has."""

    subject: str
    issued_at: float
    expires_at: float
    others: dict[str, object]


def checked_claims(token: str, secret: str, algorithm: Algorithm, now: float) -> Claims:
    """The claims of a token that is signed with our secret. Refused if it is not, or is not valid yet.

    Whether it has expired is for the caller to see.
    """
    match = _JWT.fullmatch(token) if len(token) <= _LONGEST else None
    if match is None or not _is_canonical(match[1]):
        raise Refused
    try:
        payload = jwt.api_jws.decode(token, secret, algorithms=[algorithm])
        claims = json.loads(payload, object_pairs_hook=_unique, parse_constant=_refuse)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise Refused from None
    if not isinstance(claims, dict) or claims.pop("iss", None) != ISSUER:
        raise Refused
    subject, expires_at = claims.pop("sub", None), _number(claims.pop("exp", None))
    issued_at, not_before = _number(claims.pop("iat", 0)), _number(claims.pop("nbf", 0))
    if not isinstance(subject, str) or max(issued_at, not_before) > now + _LEEWAY:
        raise Refused
    return Claims(subject, issued_at, expires_at, claims)


def _is_canonical(signature: str) -> bool:
    """Whether no bits are left over: else the same token could be spelled in several ways, and one of them revoked."""
    try:
        decoded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except binascii.Error:
        return False
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == signature


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A claim that is given twice is read differently by different readers."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim is given twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _number(value: object) -> float:
    """RFC 7519's NumericDate."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused
    try:
        number = float(value)
    except OverflowError:
        raise Refused from None
    if not math.isfinite(number):
        raise Refused
    return number
