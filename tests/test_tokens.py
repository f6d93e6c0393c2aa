"""Tokens: whom they stand for, and which are refused."""

import base64
import json
import time
from typing import Any

import jwt
import pytest

from app import ids, tokens
from app.errors import AuthenticationFailed
from app.tokens import Algorithm, TokenVerifier

SECRET = "a secret of these tests, long enough for HS512, which wants 64 bytes of it"
ORGANIZATION, APPLICATION = ids.new_id("org"), ids.new_id("app")


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token of an organization, some of them changed; None takes one away."""
    now = int(time.time())
    good = {"iat": now, "nbf": now, "exp": now + 60, "iss": "svix-server", "sub": ORGANIZATION}
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(SECRET, "HS256")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_an_issued_token_stands_for_its_organization_for_ten_years(algorithm: Algorithm) -> None:
    token = tokens.issue(SECRET, algorithm, ORGANIZATION)
    principal = TokenVerifier(SECRET, algorithm).verify(token)
    assert (principal.organization_id, principal.application_id) == (ORGANIZATION, None)
    read = jwt.decode(token, SECRET, algorithms=[algorithm])
    assert set(read) == {"iat", "nbf", "exp", "iss", "sub"}
    assert (read["iss"], read["exp"] - read["iat"]) == ("svix-server", 10 * 365 * 86400)


def test_a_portals_token_stands_for_one_application_with_its_flags_for_four_weeks(verifier: TokenVerifier) -> None:
    token = tokens.issue_portal(SECRET, "HS256", ORGANIZATION, APPLICATION, ["beta", "beta", "alpha"])
    principal = verifier.verify(token)
    assert (principal.organization_id, principal.application_id) == (ORGANIZATION, APPLICATION)
    assert principal.feature_flags == {"alpha", "beta"}
    assert 0 <= time.time() + 28 * 86400 - principal.expires_at < 5


@pytest.mark.parametrize("flags", ["beta", {"beta": 1}, [1, None], 5])
def test_flags_that_are_no_list_of_texts_unlock_nothing(verifier: TokenVerifier, flags: object) -> None:
    principal = verifier.verify(signed(sub=APPLICATION, org=ORGANIZATION, feature_flags=flags))
    assert principal.feature_flags == frozenset()


def test_a_token_is_issued_to_organizations_only() -> None:
    with pytest.raises(ValueError, match="is not an organization's id"):
        tokens.issue(SECRET, "HS256", APPLICATION)


def unsigned(**changes: Any) -> str:
    """A token whose header says that it needs no signature."""
    parts = ({"alg": "none", "typ": "JWT"}, claims(**changes))
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return f"{encoded[0]}.{encoded[1]}."


def with_other_claims(token: str) -> str:
    """The same signature over another organization."""
    head, _, signature = token.split(".")
    return f"{head}.{signed(sub=ids.new_id('org')).split('.')[1]}.{signature}"


BAD_TOKENS = {
    "another secret": signed(SECRET + "!"),
    "another algorithm": signed(algorithm="HS512"),
    "no signature": unsigned(),
    "a cut signature": signed()[:-5],
    "claims of another": with_other_claims(signed()),
    "another issuer": signed(iss="somebody"),
    "no issuer": signed(iss=None),
    "no expiry": signed(exp=None),
    "an expiry that is no number": signed(exp="soon"),
    "expired": signed(exp=int(time.time()) - 3600),
    "expired a moment ago": signed(exp=int(time.time()) - 2),
    "not valid yet": signed(nbf=int(time.time()) + 3600),
    "no subject": signed(sub=None),
    "a subject that is no id": signed(sub="acme"),
    "a subject of another kind": signed(sub=ids.new_id("ep")),
    "a portal's without an organization": signed(sub=APPLICATION),
    "a portal's with a bad organization": signed(sub=APPLICATION, org="acme"),
    "a portal's whose organization is no text": signed(sub=APPLICATION, org=[ORGANIZATION]),
    "nothing": "",
    "no token": "abc",
    "not ASCII": "é.é.é",
    "a NUL": "a\0.b.c",
    "half a surrogate pair": "a\ud800.b.c",
    "nested deep": "A" * 100_000,
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_bad_token_is_refused_each_time(verifier: TokenVerifier, token: str) -> None:
    for _ in range(2):
        with pytest.raises(AuthenticationFailed, match="Invalid token"):
            verifier.verify(token)


def test_a_token_that_was_good_is_refused_once_it_expires(verifier: TokenVerifier) -> None:
    token = signed(exp=int(time.time()) + 1)
    assert verifier.verify(token).organization_id == ORGANIZATION
    time.sleep(1.1)
    with pytest.raises(AuthenticationFailed, match="expired"):
        verifier.verify(token)
