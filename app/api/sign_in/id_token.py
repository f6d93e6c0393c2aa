"""What an ID token says, once it is checked (OpenID Connect Core 1.0, §3.1.3.7), and what that makes its bearer here.

Pure: the keys, the time and what is expected are arguments. The algorithm is one of a list that is ours; keys that a
token's own header names lead nowhere.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import is_normalized

import jwt

from app.db.user.model import Role

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_LEEWAY: Final = 60.0
# Seconds. It was made for us a moment ago.
_OLDEST: Final = 600.0
_LONGEST_SUBJECT: Final = 255
_LONGEST_EMAIL: Final = 254
_LONGEST_NAME: Final = 512
_MOST_KEYS: Final = 100


class UnknownKey(Exception):
    """The token names a key that is none of those that are known: the provider may have new ones."""


class NotBelieved(Exception):
    """The token is not to be believed. The text is the end of a sentence that begins with `the ID token`."""


class NotAdmitted(Exception):
    """The provider knows them, and they may not sign in. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say: who made it, for whom, and for which sign-in; `now` in unix seconds."""

    issuer: str
    client_id: str
    nonce: str
    now: float


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may sign in, as what: `roles` are values of the claim that make somebody one, the strongest role first."""

    role_claim: str
    roles: Sequence[tuple[Role, frozenset[str]]]
    default_role: Role | None
    domains: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom the provider knows somebody, and what that makes them here; the email is in lower case."""

    issuer: str
    subject: str
    email: str
    name: str | None
    role: Role


def believed_claims(token: str, keys: object, expected: Expected) -> dict[str, object]:
    """The claims of a token that is signed with one of the keys (a JWK set) and says what it must.

    NotBelieved, or UnknownKey.
    """
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise NotBelieved("is signed with an algorithm that is not allowed")
        key = jwt.PyJWK(_key(keys, header.get("kid")), algorithm)
        claims = json.loads(jwt.api_jws.decode(token, key, algorithms=[algorithm]))
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise NotBelieved("is not signed by the provider") from None
    if not isinstance(claims, dict):
        raise NotBelieved("holds no claims")
    _check(claims, expected)
    return claims


def _key(keys: object, wanted: object) -> dict[str, object]:
    """The provider's key of that id; the only one it has, for a token that names none."""
    found = keys.get("keys") if isinstance(keys, dict) else None
    usable = [
        key
        for key in (found[:_MOST_KEYS] if isinstance(found, list) else ())
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"
    ]
    named = usable if wanted is None else [key for key in usable if key.get("kid") == wanted]
    if len(named) != 1:
        raise UnknownKey
    return named[0]


def _check(claims: Mapping[str, object], expected: Expected) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp")
    expires_at, issued_at = _time(claims.get("exp")), _time(claims.get("iat"))
    nonce, subject = claims.get("nonce"), claims.get("sub")
    if claims.get("iss") != expected.issuer:
        raise NotBelieved("is from another issuer")
    if expected.client_id not in audiences or not (party is None or party == expected.client_id):
        raise NotBelieved("is for another client")
    if len(audiences) > 1 and party is None:
        raise NotBelieved("does not say for which of several clients it is")
    if expires_at <= expected.now - _LEEWAY or issued_at < expected.now - _OLDEST - _LEEWAY:
        raise NotBelieved("has expired")
    if max(issued_at, _time(claims.get("nbf", 0))) > expected.now + _LEEWAY:
        raise NotBelieved("is not valid yet: the clocks differ")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise NotBelieved("is for another sign-in")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or "\0" in subject:
        raise NotBelieved("does not say who it is")


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise NotBelieved("holds a time that is none")
    return float(value)


def identity_of(claims: Mapping[str, object], issuer: str, rules: Rules) -> Identity:
    """Who signs in, and as what. NotAdmitted for those who may not."""
    email, name = claims.get("email"), claims.get("name")
    if not isinstance(email, str) or not _is_address(email):
        raise NotAdmitted("The provider gave no email address: it must put `email` into the ID token.")
    # Some providers write it as a text.
    if claims.get("email_verified") not in (True, "true"):
        raise NotAdmitted("The provider has not verified this email address: verify it there.")
    email = email.strip().lower()
    if rules.domains and email.rpartition("@")[2] not in rules.domains:
        raise NotAdmitted("Email addresses of this domain may not sign in here.")
    held = _values(claims, rules.role_claim)
    role = next((role for role, values in rules.roles if not values.isdisjoint(held)), rules.default_role)
    if role is None:
        raise NotAdmitted("Nothing that the provider says gives this user a role here: ask an administrator for one.")
    known = isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable()
    return Identity(issuer, str(claims["sub"]), email, str(name) if known else None, role)


def _is_address(email: str) -> bool:
    """Whether it is an email address of which there is but one way to write it, beside upper and lower case.

    A Kelvin sign (U+212A) is a k in lower case: whoever has an address with one is not who has the other.
    """
    return (
        email.count("@") == 1 and len(email) <= _LONGEST_EMAIL and email.isprintable() and is_normalized("NFKC", email)
    )


def _values(claims: Mapping[str, object], path: str) -> frozenset[str]:
    """A claim's text, or those in its list. The claim may be inside of others: `realm_access.roles`."""
    found: object = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return frozenset(value for value in values if isinstance(value, str))
