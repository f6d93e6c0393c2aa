"""Google Pub/Sub: a token in the header, signed with one of the keys that Google publishes."""

import time
from dataclasses import replace
from typing import Any, Final

import google.auth.crypt
import google.auth.jwt
import google.auth.transport
import jwt
import orjson
import pytest
from google.oauth2 import id_token

from app.receiving.contract import CannotSign, Config, Event, Rejected, Request, Wanted
from app.receiving.naming import event_type_of
from tests.receiving.mutations import NOW, URL, Trial, gaps, sample, table, try_out
from tests.receiving.signers import certificate, key_set, private_base64, private_pem

GOOGLE: Final = "https://www.googleapis.com/oauth2/v3/certs"
ACCOUNT: Final = {"audience": "https://hooks.example.com/orders", "serviceAccount": "push@acme-prod.example.com"}


def _later(request: Request) -> Request:
    """The token with another time, under the same signature."""
    header, _, signature = request.header("authorization").split(".")
    claims = jwt.decode(request.header("authorization").removeprefix("Bearer "), options={"verify_signature": False})
    other = jwt.encode(claims | {"exp": claims["exp"] + 1}, "x" * 32, "HS256").split(".")[1]
    headers = (("authorization", f"{header}.{other}.{signature}"),)
    return Request(request.method, request.url, headers, request.body)


TRIALS: Final = (
    Trial(
        "google-pubsub",
        "OBJECT_FINALIZE",
        Config((), {**ACCOUNT, "privateKey": private_pem("google")}),
        Config((), {**ACCOUNT, "privateKey": private_pem("stranger")}),
        headers=("authorization",),
        # A token lives for an hour, and clocks may differ by a minute.
        tolerance=3660.0,
        fetched={GOOGLE: key_set("google")},
        own={"tampered timestamp": _later},
        exempt={
            "tampered body": "Google does not sign the body",
            "old secret while rotating": "the key is Google's, which publishes the next one beside it",
        },
    ),
)
[PUBSUB] = TRIALS


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_provider_sent_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_no_mutation_is_left_out_without_a_reason() -> None:
    assert gaps(TRIALS) == []


@pytest.mark.parametrize(
    ("event", "delivery_id"),
    [("OBJECT_FINALIZE", "13277594181624112"), ("com.acme.order.shipped", "13277594181624999")],
)
def test_a_sample_is_known_by_its_event_and_its_id(event: str, delivery_id: str) -> None:
    verdict = PUBSUB.judged(replace(PUBSUB, event=event).signed())
    assert isinstance(verdict, Event)
    assert event_type_of(PUBSUB.rule, verdict) == f"google-pubsub.{event}"
    assert verdict.delivery_id == delivery_id


def test_without_a_private_key_a_sample_cannot_be_signed_and_what_is_needed_is_said() -> None:
    options = {name: value for name, value in PUBSUB.config.options.items() if name != "privateKey"}
    for key in (None, "", "-----BEGIN", "bm8ga2V5", "not base64"):
        with pytest.raises(CannotSign, match="privateKey"):
            PUBSUB.signed(Config((), options if key is None else {**options, "privateKey": key}))
    encoded = {**options, "privateKey": private_base64("google")}
    assert isinstance(PUBSUB.judged(PUBSUB.signed(Config((), encoded))), Event)


def google_s(claims: dict[str, object], key: str = "google") -> Request:
    """What Google's own package signs."""
    signer = google.auth.crypt.RSASigner.from_string(private_pem(key), key)  # type: ignore[no-untyped-call]
    token = google.auth.jwt.encode(signer, {**_CLAIMS, **claims}).decode()  # type: ignore[no-untyped-call]
    return Request("POST", URL, (("authorization", f"Bearer {token}"),), sample("google-pubsub", "OBJECT_FINALIZE"))


_CLAIMS: Final[dict[str, object]] = {
    "aud": ACCOUNT["audience"],
    "email": ACCOUNT["serviceAccount"],
    "email_verified": True,
    "iss": "https://accounts.google.com",
    "iat": NOW,
    "exp": NOW + 3600,
}


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({}, True),
        ({"iss": "accounts.google.com"}, True),
        ({"iss": "https://accounts.example.com"}, False),
        ({"aud": "https://hooks.example.com/another"}, False),
        ({"email": "another@acme-prod.example.com"}, False),
        ({"email_verified": False}, False),
        ({"email_verified": "true"}, False),
        ({"exp": NOW - 61}, False),
        ({"iat": NOW + 61}, False),
        ({"exp": "soon"}, False),
    ],
)
def test_tokens_of_google_s_package_are_accepted_if_they_are_for_the_source(
    claims: dict[str, object], accepted: bool
) -> None:
    verdict = PUBSUB.judged(google_s(claims))
    assert isinstance(verdict, Event if accepted else Rejected), verdict


class Transport(google.auth.transport.Request):
    """Google's certificates, as they are published: the package asks for them itself."""

    status = 200
    data = orjson.dumps({"google": certificate("google").decode()})

    def __call__(self, *_: Any, **__: Any) -> "Transport":
        return self


def test_google_s_package_accepts_what_is_signed_here() -> None:
    token = PUBSUB.signed(at=time.time()).header("authorization").removeprefix("Bearer ")
    claims = id_token.verify_token(token, Transport(), ACCOUNT["audience"])
    assert claims["email"] == ACCOUNT["serviceAccount"]


def test_asks_for_google_s_keys_and_finds_the_one_that_signed() -> None:
    assert replace(PUBSUB, fetched={}).judged(google_s({})) == Wanted(GOOGLE)
    both = replace(PUBSUB, fetched={GOOGLE: key_set("next", "google")})
    assert isinstance(both.judged(google_s({})), Event)
    assert isinstance(both.judged(google_s({}, "next")), Event)
    assert isinstance(both.judged(google_s({}, "stranger")), Rejected)
    pinned = Config((), {**ACCOUNT, "keys": key_set("google").decode()})
    assert isinstance(replace(PUBSUB, fetched={}).judged(google_s({}), pinned), Event)


def test_a_public_key_is_no_hmac_secret() -> None:
    forged = jwt.encode(_CLAIMS, "x" * 32, "HS256", {"kid": "google"})
    none = jwt.encode(_CLAIMS, "", "none", {"kid": "google"})
    for token in (forged, none):
        assert isinstance(PUBSUB.judged(Request("POST", URL, (("authorization", f"Bearer {token}"),), b"{}")), Rejected)


def test_without_its_wrapper_a_message_has_its_id_in_a_header() -> None:
    wrapped = google_s({})
    headers = (*wrapped.headers, ("x-goog-pubsub-message-id", "42"))
    assert PUBSUB.judged(Request("POST", URL, headers, b"anything")) == Event(None, "42")
