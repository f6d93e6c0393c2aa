"""API tokens: JWTs with the claims of the Svix API, so that tokens of a Svix server with the same secret keep working.

An organization's token has `sub: "org_…"`; an application portal's has `sub: "app_…"` and `org: "org_…"`.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import jwt
from cachetools import LRUCache
from jwt.warnings import InsecureKeyLengthWarning

from app import clock, ids
from app.errors import AuthenticationFailed

Algorithm = Literal["HS256", "HS384", "HS512"]
ISSUER: Final = "svix-server"
_TEN_YEARS: Final = 10 * 365 * 86400
_FOUR_WEEKS: Final = 28 * 86400

# app/environment.py says it in a line of ours, when a process starts.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: an organization, or (with `application_id`) one of its applications only.

    An application sees of the event types that have feature flags those that share one with `feature_flags`.
    """

    organization_id: str
    application_id: str | None
    expires_at: float
    feature_flags: frozenset[str] = frozenset()


def issue(secret: str, algorithm: Algorithm, organization_id: str = ids.DEFAULT_ORGANIZATION_ID) -> str:
    """A token that lets its bearer act for an organization, for ten years. ValueError if that is not its id."""
    if not ids.is_id(organization_id, "org"):
        raise ValueError(f"{organization_id!r} is not an organization's id: org_ and 27 base62 characters")
    issued = int(clock.unix())
    claims = {"iat": issued, "nbf": issued, "exp": issued + _TEN_YEARS, "iss": ISSUER, "sub": organization_id}
    return jwt.encode(claims, secret, algorithm=algorithm)


def issue_portal(
    secret: str, algorithm: Algorithm, organization_id: str, application_id: str, feature_flags: Iterable[str] = ()
) -> str:
    """A token that lets its bearer act for one application of an organization, for 28 days."""
    issued = int(clock.unix())
    claims = {
        "iat": issued,
        "nbf": issued,
        "exp": issued + _FOUR_WEEKS,
        "iss": ISSUER,
        "sub": application_id,
        "org": organization_id,
        "feature_flags": sorted(set(feature_flags)),
    }
    return jwt.encode(claims, secret, algorithm=algorithm)


class TokenVerifier:
    """Checks tokens; remembers those that were good, because checking one costs as much as the rest of a request."""

    def __init__(self, secret: str, algorithm: Algorithm) -> None:
        self._secret = secret
        self._algorithm = algorithm
        self._known: LRUCache[str, Principal] = LRUCache(maxsize=10_000)

    def verify(self, token: str) -> Principal:
        """The principal of a token. AuthenticationFailed if it is forged, foreign, expired, or not yet valid."""
        principal = self._known.get(token)
        if principal is None:
            principal = self._decode(token)
            self._known[token] = principal
        if principal.expires_at <= clock.unix():
            raise AuthenticationFailed("Invalid token: it has expired. Make a new one.")
        return principal

    def _decode(self, token: str) -> Principal:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[self._algorithm],
                issuer=ISSUER,
                leeway=10,
                options={"require": ["exp", "sub", "iss"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise AuthenticationFailed("Invalid token: it has expired. Make a new one.") from None
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise AuthenticationFailed("Invalid token") from None
        subject, expires_at = claims["sub"], float(claims["exp"])
        if ids.is_id(subject, "org"):
            return Principal(subject, None, expires_at)
        organization_id = claims.get("org")
        if isinstance(organization_id, str) and ids.is_id(organization_id, "org") and ids.is_id(subject, "app"):
            return Principal(organization_id, subject, expires_at, _feature_flags(claims.get("feature_flags")))
        raise AuthenticationFailed("Invalid token")


def _feature_flags(claim: object) -> frozenset[str]:
    """The flags in a token; anything that is not a list of texts unlocks nothing."""
    return frozenset(flag for flag in claim if isinstance(flag, str)) if isinstance(claim, list) else frozenset()
