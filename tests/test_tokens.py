"""Tokens: whom they stand for, and which are refused."""

import base64
import hmac
import json
import string
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

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


def raw(payload: str | bytes, secret: str = SECRET, algorithm: str = "HS256", **head: Any) -> str:
    """A token of any payload, well signed, with more in its head."""
    payload = payload if isinstance(payload, bytes) else payload.encode()
    return jwt.api_jws.encode(payload, secret, algorithm=algorithm, headers=head or None)


def by_hand(head: dict[str, Any], key: str) -> str:
    """A token with this head, signed with SHA-256 whatever it says."""
    encoded = base64.urlsafe_b64encode(json.dumps({"typ": "JWT"} | head).encode()).rstrip(b"=").decode()
    signing = f"{encoded}.{signed().split('.')[1]}"
    signature = hmac.digest(key.encode(), signing.encode(), "sha256")
    return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def respelled(token: str) -> str:
    """The same token with another last character, whose first bits are the same: lenient decoders do not see it."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


THEIR_KEY = "a key of somebody else, who would like it to be taken for ours: 64 bytes"
THEIR_JWK = {"kty": "oct", "k": base64.urlsafe_b64encode(THEIR_KEY.encode()).decode()}
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ONE_CLAIM_TWICE = json.dumps(claims()).replace("{", f'{{"sub": "{ids.new_id("org")}", ', 1)

BAD_TOKENS = {
    "signed with RSA": jwt.encode(claims(), RSA, algorithm="RS256"),
    **{
        f"{name} in its head": by_hand({"alg": name}, SECRET)
        for name in ("none", "None", "hs256", "HS512", "RS256", "ES256", "")
    },
    "an empty key": by_hand({"alg": "HS256", "kid": "../../../../dev/null"}, ""),
    "a key that its head names": raw(json.dumps(claims()), THEIR_KEY, kid="1' UNION SELECT 'key"),
    "a key that its head brings": raw(json.dumps(claims()), THEIR_KEY, jwk=THEIR_JWK),
    "a key that its head links": raw(json.dumps(claims()), THEIR_KEY, jku="http://127.0.0.1:1/keys"),
    "a head that asks for more": raw(json.dumps(claims()), crit=["exp2"], exp2=1),
    "a token in a token": raw(signed(), cty="JWT"),
    "a claim that is given twice": raw(ONE_CLAIM_TWICE),
    "claims that are a list": raw(json.dumps([claims()])),
    "claims that are null": raw("null"),
    "claims that are no JSON": raw("{"),
    "claims that are not UTF-8": raw(b'{"sub": "\xff"}'),
    "claims that nest deep": raw('{"a":' * 5000 + "1" + "}" * 5000),
    "another spelling of its signature": respelled(signed()),
    "padding": signed() + "=",
    "a space in its signature": signed()[:-3] + " " + signed()[-3:],
    "something after its signature": signed() + "!",
    "a fourth part": signed() + ".e30",
    "a line break": signed() + "\n",
    "its first half": signed()[: len(signed()) // 2],
    "no claims": signed().split(".")[0] + "..",
    "a lookalike of a letter": "е" + signed()[1:],
    "digits of another script": signed().replace("1", "\u0661").replace("J", "\uff2a"),
    "a megabyte": raw(json.dumps(claims(feature_flags=["x" * 1_000_000]))),
    "a megabyte of dots": "." * 1_000_000,
    "scopes that are a text": signed(scopes="read"),
    "scopes that are no texts": signed(scopes=[1]),
    "a session that is no text": signed(sub=APPLICATION, org=ORGANIZATION, session=5),
    "an API token that is short": "sk_abc",
    "an API token in capitals": "SK_" + "a" * 43,
    "another secret": signed(SECRET + "!"),
    "another algorithm": signed(algorithm="HS512"),
    "no signature": unsigned(),
    "a cut signature": signed()[:-5],
    "claims of another": with_other_claims(signed()),
    "another issuer": signed(iss="somebody"),
    "no issuer": signed(iss=None),
    "no expiry": signed(exp=None),
    "an expiry that is no number": signed(exp="soon"),
    "an expiry that is a number's text": signed(exp=str(int(time.time()) + 60)),
    "an expiry that is true": signed(exp=True),
    "an expiry that is a list": signed(exp=[int(time.time()) + 60]),
    "an expiry that is not a number": signed(exp=float("nan")),
    "an endless expiry": signed(exp=float("inf")),
    "an expiry beyond floats": signed(exp=10**400),
    "an expiry of many digits": raw(json.dumps(claims(exp="@")).replace('"@"', "9" * 5000)),
    "an expiry before time": signed(exp=-1),
    "expired": signed(exp=int(time.time()) - 3600),
    "expired a moment ago": signed(exp=int(time.time()) - 2),
    "not valid yet": signed(nbf=int(time.time()) + 3600),
    "valid from no time": signed(nbf="now"),
    "issued in the future": signed(iat=int(time.time()) + 3600),
    "issued at no time": signed(iat={}),
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


def test_why_a_token_is_bad_is_said_of_expired_ones_only(verifier: TokenVerifier) -> None:
    said = set()
    for name, token in BAD_TOKENS.items():
        if "expired" in name or name == "an expiry before time":
            continue
        with pytest.raises(AuthenticationFailed) as refused:
            verifier.verify(token)
        said.add(refused.value.detail)
    assert said == {"Invalid token"}


def test_a_bad_token_costs_little_whatever_it_is_made_of(verifier: TokenVerifier) -> None:
    slowest = 0.0
    for token in BAD_TOKENS.values():
        begun = time.process_time()
        with pytest.raises(AuthenticationFailed):
            verifier.verify(token)
        slowest = max(slowest, time.process_time() - begun)
    assert slowest < 0.05


def test_what_the_head_says_beside_the_algorithm_changes_nothing(verifier: TokenVerifier) -> None:
    token = raw(json.dumps(claims()), kid="1", jku="http://127.0.0.1:1/keys", jwk=THEIR_JWK)
    assert verifier.verify(token).organization_id == ORGANIZATION


def test_every_bit_of_a_signature_counts(verifier: TokenVerifier) -> None:
    head, _, signature = signed().rpartition(".")
    good = base64.urlsafe_b64decode(signature + "=")
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuthenticationFailed):
            verifier.verify(f"{head}.{base64.urlsafe_b64encode(bad).rstrip(b'=').decode()}")


def test_a_token_that_was_good_is_refused_once_it_expires(verifier: TokenVerifier) -> None:
    token = signed(exp=int(time.time()) + 1)
    assert verifier.verify(token).organization_id == ORGANIZATION
    time.sleep(1.1)
    with pytest.raises(AuthenticationFailed, match="expired"):
        verifier.verify(token)
