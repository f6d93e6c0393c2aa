"""Tokens that end before they expire: what a process knows of revocations, and of API tokens."""

import hashlib
import time
from functools import partial
from math import inf

import pytest

from app import tokens
from app.errors import AuthenticationFailed
from app.tokens import Revocation, StoredToken, TokenVerifier, fingerprint, new_api_token
from tests.test_tokens import APPLICATION, ORGANIZATION, SECRET, signed


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(SECRET, "HS256")


def revoked(verifier: TokenVerifier, subject: str, issued_until: float = inf, seconds_left: float = 0.0) -> None:
    verifier.learn([], [Revocation(subject, issued_until, seconds_left)], everything=False)


def refused(verifier: TokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except AuthenticationFailed:
        return True
    return False


@pytest.mark.parametrize("known", [True, False], ids=["used before", "never used"])
def test_a_revoked_token_is_refused_and_another_of_the_same_bearer_is_not(verifier: TokenVerifier, known: bool) -> None:
    token, other = signed(), signed(iat=int(time.time()) - 1)
    if known:
        assert not refused(verifier, token)
        assert not refused(verifier, other)
    revoked(verifier, f"jwt:{fingerprint(token)}")
    assert refused(verifier, token)
    assert not refused(verifier, other)


def test_a_revocation_ends_what_was_issued_before_it(verifier: TokenVerifier) -> None:
    before = tokens.issue_portal(SECRET, "HS256", ORGANIZATION, APPLICATION)
    time.sleep(0.01)
    revoked(verifier, APPLICATION, issued_until=time.time())
    time.sleep(0.01)
    after = tokens.issue_portal(SECRET, "HS256", ORGANIZATION, APPLICATION)
    assert (refused(verifier, before), refused(verifier, after)) == (True, False)


def test_a_token_that_does_not_say_when_it_was_issued_is_older_than_any_revocation(verifier: TokenVerifier) -> None:
    token = signed(sub=APPLICATION, org=ORGANIZATION, iat=None)
    assert not refused(verifier, token)
    revoked(verifier, APPLICATION, issued_until=time.time())
    assert refused(verifier, token)


def test_a_revocation_of_a_session_leaves_the_others(verifier: TokenVerifier) -> None:
    issue = partial(tokens.issue_portal, SECRET, "HS256", ORGANIZATION, APPLICATION)
    one, other, none = issue(session_id="one"), issue(session_id="other"), issue()
    revoked(verifier, f"{APPLICATION}/one", issued_until=time.time() + 1)
    assert [refused(verifier, token) for token in (one, other, none)] == [True, False, False]


def test_a_revocation_can_leave_a_while_and_a_later_one_may_end_it(verifier: TokenVerifier) -> None:
    token = tokens.issue_portal(SECRET, "HS256", ORGANIZATION, APPLICATION)
    revoked(verifier, APPLICATION, issued_until=time.time() + 1, seconds_left=60)
    assert 50 < verifier.verify(token).expires_at - time.time() <= 60
    revoked(verifier, APPLICATION, issued_until=time.time() + 2, seconds_left=3600)
    assert verifier.verify(token).expires_at - time.time() <= 60
    revoked(verifier, APPLICATION, issued_until=time.time() + 3)
    assert refused(verifier, token)


def test_revocations_that_are_not_there_any_more_are_forgotten(verifier: TokenVerifier) -> None:
    revoked(verifier, "jwt:a")
    verifier.learn([], [Revocation("jwt:b", inf, 0.0)], everything=True)
    assert set(verifier._revoked) == {"jwt:b"}


async def test_an_api_token_is_looked_up_once_and_follows_what_is_learned() -> None:
    text, asked = new_api_token(), []

    async def find(wanted: str) -> StoredToken | None:
        asked.append(wanted)
        return StoredToken("key_1", ORGANIZATION, wanted, None, None) if wanted == fingerprint(text) else None

    verifier = TokenVerifier(SECRET, "HS256", find)
    for _ in range(3):
        assert (await verifier.find_principal(text)).token_id == "key_1"
    assert asked == [hashlib.sha256(text.encode()).hexdigest()]
    assert verifier.verify(text).may_publish
    verifier.learn(
        [StoredToken("key_1", ORGANIZATION, fingerprint(text), frozenset({"read"}), 9.0)], [], everything=False
    )
    assert verifier.verify(text).scopes == frozenset({"read"})
    assert not verifier.verify(text).may_publish
    verifier.learn([StoredToken("key_1", ORGANIZATION, fingerprint(text), None, 0.0)], [], everything=False)
    assert refused(verifier, text)
    with pytest.raises(AuthenticationFailed, match=r"^Invalid token$"):
        await verifier.find_principal(new_api_token())


def test_a_token_is_not_in_what_a_principal_prints(verifier: TokenVerifier) -> None:
    token = signed()
    shown = repr(verifier.verify(token))
    assert token not in shown
    assert fingerprint(token) not in shown


async def test_an_api_token_of_an_application_reaches_no_further_and_follows_only_its_own_end() -> None:
    text = new_api_token()

    async def find(wanted: str) -> StoredToken:
        scopes = frozenset({"publish.own"})
        return StoredToken("key_1", ORGANIZATION, wanted, scopes, None, APPLICATION, "poll_1")

    verifier = TokenVerifier(SECRET, "HS256", find)
    bearer = await verifier.find_principal(text)
    assert (bearer.application_id, bearer.poller_id) == (APPLICATION, "poll_1")
    # The shortcut does not look at applications.
    assert (bearer.may_publish, bearer.may_publish_somewhere) == (False, True)
    # Portals of the application end, it does not.
    revoked(verifier, APPLICATION, issued_until=time.time() + 60)
    assert not refused(verifier, text)
    ended = StoredToken("key_1", ORGANIZATION, fingerprint(text), None, 0.0, APPLICATION)
    verifier.learn([ended], [], everything=False)
    assert refused(verifier, text)


@pytest.mark.parametrize(
    ("scopes", "somewhere"), [(None, False), (["publish"], False), (["v1.*"], False), (["publish.own"], True)]
)
def test_a_portal_does_not_publish_unless_it_was_made_for_that(
    verifier: TokenVerifier, scopes: list[str] | None, somewhere: bool
) -> None:
    bearer = verifier.verify(tokens.issue_portal(SECRET, "HS256", ORGANIZATION, APPLICATION, allowed=scopes))
    assert (bearer.may_publish, bearer.may_publish_somewhere) == (False, somewhere)
