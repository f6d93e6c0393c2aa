"""API tokens: who calls, by what was sent with the request.

JWTs have the claims of the Svix API, so that tokens of a Svix server with the same secret keep working: that of an
organization has `sub: "org_…"`, that of an application portal `sub: "app_…"` and `org: "org_…"`. Tokens that begin with
`sk_` are random texts, of which the database keeps a hash.
"""

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Final

import jwt
from cachetools import LRUCache

from app import clock, ids
from app.claims import ISSUER, Algorithm, Claims, Refused, checked_claims
from app.errors import AuthenticationFailed
from app.principal import Principal, Revocation, StoredToken

__all__ = [
    "ISSUER",
    "Algorithm",
    "Principal",
    "Revocation",
    "StoredToken",
    "TokenVerifier",
    "issue",
    "issue_portal",
    "issue_session",
]

FOUR_WEEKS: Final = 28 * 86400
_TEN_YEARS: Final = 10 * 365 * 86400
_API_TOKEN: Final = re.compile(r"sk_[A-Za-z0-9_-]{43}")
_EXPIRED: Final = "Invalid token: it has expired or was revoked. Make a new one."


def issue(secret: str, algorithm: Algorithm, organization_id: str = ids.DEFAULT_ORGANIZATION_ID) -> str:
    """A token that lets its bearer act for an organization, for ten years. ValueError if that is not its id."""
    if not ids.is_id(organization_id, "org"):
        raise ValueError(f"{organization_id!r} is not an organization's id: org_ and 27 base62 characters")
    issued = int(clock.unix())
    claims = {"iat": issued, "nbf": issued, "exp": issued + _TEN_YEARS, "iss": ISSUER, "sub": organization_id}
    return jwt.encode(claims, secret, algorithm=algorithm)


def issue_session(
    secret: str,
    algorithm: Algorithm,
    organization_id: str,
    session_id: str,
    allowed: Sequence[str] | None,
    *,
    seconds: int,
) -> str:
    """A token that acts for an organization for so many seconds, with these scopes (None: all), as who signed in.

    `session_id` is a user's id, or another name by which all such tokens can be revoked together.
    """
    issued = int(clock.unix())
    claims: dict[str, object] = {
        "iat": issued,
        "nbf": issued,
        "exp": issued + seconds,
        "iss": ISSUER,
        "sub": organization_id,
        "jti": ids.new_id("key"),
        "session": session_id,
    }
    if allowed is not None:
        claims["scopes"] = list(allowed)
    return jwt.encode(claims, secret, algorithm=algorithm)


def issue_portal(
    secret: str,
    algorithm: Algorithm,
    organization_id: str,
    application_id: str,
    feature_flags: Iterable[str] = (),
    *,
    seconds: int = FOUR_WEEKS,
    allowed: Sequence[str] | None = None,
    session_id: str | None = None,
) -> str:
    """A token that lets its bearer act for one application of an organization: for so many seconds, with these scopes.

    The time in its id says, more finely than `iat`, whether it was there when an application's tokens were revoked.
    """
    issued = int(clock.unix())
    claims: dict[str, object] = {
        "iat": issued,
        "nbf": issued,
        "exp": issued + seconds,
        "iss": ISSUER,
        "sub": application_id,
        "org": organization_id,
        "jti": ids.new_id("key"),
        "feature_flags": sorted(set(feature_flags)),
    }
    if allowed is not None:
        claims["scopes"] = list(allowed)
    if session_id is not None:
        claims["session"] = session_id
    return jwt.encode(claims, secret, algorithm=algorithm)


def new_api_token() -> str:
    """A text of 256 random bits, without a dot: the SDKs take what follows one for a region."""
    return f"sk_{secrets.token_urlsafe(32)}"


def fingerprint(token: str) -> str:
    """SHA-256 in hexadecimal of a token: of a JWT's head and claims, which only one signature fits."""
    signed = token if _API_TOKEN.fullmatch(token) else token.rpartition(".")[0]
    return hashlib.sha256(signed.encode("utf-8", "surrogatepass")).hexdigest()


class UnknownToken(AuthenticationFailed):
    """A token that only the database can know."""


class TokenVerifier:
    """Checks tokens; remembers those that were good, because checking one costs as much as the rest of a request.

    `find` knows API tokens by their fingerprint. What changes is told to `learn`, so that a check stays a look-up: what
    is revoked is remembered as expired.
    """

    def __init__(
        self,
        secret: str,
        algorithm: Algorithm,
        find: Callable[[str], Awaitable[StoredToken | None]] | None = None,
    ) -> None:
        self._secret = secret
        self._algorithm = algorithm
        self._find = find
        self._known: LRUCache[str, Principal] = LRUCache(maxsize=10_000)
        # By subject: when those end that were issued until a time.
        self._revoked: dict[str, dict[float, float]] = {}

    def verify(self, token: str) -> Principal:
        """The principal of a token. AuthenticationFailed if it is forged, foreign, expired, revoked, or not valid yet.

        UnknownToken for an API token that `find_principal` must be asked about.
        """
        principal = self._known.get(token)
        if principal is None:
            principal = self._decode(token)
            self._known[token] = principal
        if principal.expires_at <= clock.unix():
            raise AuthenticationFailed(_EXPIRED)
        return principal

    async def find_principal(self, token: str) -> Principal:
        """As `verify`, for all tokens. Raises what `find` raises, too."""
        try:
            return self.verify(token)
        except UnknownToken:
            stored = None if self._find is None else await self._find(fingerprint(token))
        if stored is None:
            raise AuthenticationFailed("Invalid token")
        self._known[token] = self._limited(_principal_of(stored))
        return self.verify(token)

    def learn(self, stored: Iterable[StoredToken], revocations: Iterable[Revocation], *, everything: bool) -> None:
        """Take in API tokens that changed, and JWTs that were revoked; with `everything` no others are.

        To be told again does no harm: an API token may have been looked up just before it changed.
        """
        changed = {token.fingerprint: token for token in stored}
        before, now = self._revoked, clock.unix()
        revoked = {} if everything else before
        news = set()
        for revocation in revocations:
            if revocation.issued_until not in before.get(revocation.subject, {}):
                news.add(revocation.subject)
            ends_at = now + revocation.seconds_left if revocation.seconds_left > 0 else 0.0
            revoked.setdefault(revocation.subject, {})[revocation.issued_until] = ends_at
        self._revoked = revoked
        if not changed and not news:
            return
        for text, principal in list(self._known.items()):
            if principal.fingerprint in changed:
                self._known[text] = self._limited(_principal_of(changed[principal.fingerprint]))
            elif not news.isdisjoint(_subjects(principal)):
                self._known[text] = self._limited(principal)

    def _decode(self, token: str) -> Principal:
        if _API_TOKEN.fullmatch(token):
            raise UnknownToken("Invalid token")
        try:
            claims = checked_claims(token, self._secret, self._algorithm, clock.unix())
            return self._limited(_bearer(claims, fingerprint(token)))
        except Refused:
            raise AuthenticationFailed("Invalid token") from None

    def _limited(self, principal: Principal) -> Principal:
        """The principal, ending when it was revoked."""
        ends = [
            ends_at
            for subject in _subjects(principal)
            for issued_until, ends_at in self._revoked.get(subject, {}).items()
            if principal.issued_at <= issued_until
        ]
        return replace(principal, expires_at=min(ends)) if min(ends, default=inf) < principal.expires_at else principal


def _subjects(principal: Principal) -> tuple[str, ...]:
    """Under which names a token can be revoked; an API token only together with all others of its organization."""
    if principal.kind == "api_token":
        return (principal.organization_id,)
    own = f"jwt:{principal.fingerprint}"
    if principal.application_id is None:
        return own, principal.organization_id, f"{principal.organization_id}/{principal.session_id}"
    return (
        own,
        principal.organization_id,
        principal.application_id,
        f"{principal.application_id}/{principal.session_id}",
    )


def _principal_of(stored: StoredToken) -> Principal:
    if stored.seconds_left is None:
        expires_at = inf
    else:
        expires_at = clock.unix() + stored.seconds_left if stored.seconds_left > 0 else 0.0
    return Principal(
        stored.organization_id,
        stored.application_id,
        expires_at,
        scopes=stored.scopes,
        kind="api_token",
        token_id=stored.id,
        fingerprint=stored.fingerprint,
        poller_id=stored.poller_id,
    )


def _bearer(claims: Claims, signed: str) -> Principal:
    """Whom a JWT stands for. Refused if that is nobody, or if what it may do cannot be understood."""
    name = claims.others.get("jti")
    has_id = isinstance(name, str) and ids.is_id(name, "key")
    token_id = name if has_id and isinstance(name, str) else f"jwt_{signed[:16]}"
    issued_at = ids.created_at(token_id).timestamp() if has_id else claims.issued_at
    allowed, session = claims.others.get("scopes"), claims.others.get("session")
    if not (session is None or isinstance(session, str)):
        raise Refused
    if ids.is_id(claims.subject, "org"):
        organization_id, application_id = claims.subject, None
    else:
        named = claims.others.get("org")
        if not (isinstance(named, str) and ids.is_id(named, "org") and ids.is_id(claims.subject, "app")):
            raise Refused
        organization_id, application_id = named, claims.subject
    return Principal(
        organization_id,
        application_id,
        claims.expires_at,
        _texts(claims.others.get("feature_flags")) or frozenset(),
        _scopes(allowed),
        token_id=token_id,
        fingerprint=signed,
        issued_at=issued_at,
        session_id=session,
    )


def _texts(claim: object) -> frozenset[str]:
    """The flags in a token; anything that is not a list of texts unlocks nothing."""
    return frozenset(item for item in claim if isinstance(item, str)) if isinstance(claim, list) else frozenset()


def _scopes(claim: object) -> frozenset[str] | None:
    if claim is None:
        return None
    if not isinstance(claim, list) or not all(isinstance(scope, str) for scope in claim):
        raise Refused
    return frozenset(claim)
