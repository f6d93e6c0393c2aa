"""Amazon SNS and Google Pub/Sub: who signs with a key whose public half is fetched."""

import asyncio
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import google.auth.crypt
import google.auth.jwt
import google.auth.transport
import jwt
import orjson
import pytest
from google.oauth2 import id_token

from app.receiving.contract import Answer, CannotSign, Config, Event, Rejected, Request, Wanted
from app.receiving.keys import check_certificate
from app.receiving.naming import event_type_of
from tests.receiving.mutations import NOW, URL, Change, Trial, gaps, sample, table, try_out
from tests.receiving.signers import certificate, key_set, private_base64, private_pem

JAVASCRIPT: Final = Path(__file__).parents[1] / "sdk" / "javascript"
TOPIC: Final = "arn:aws:sns:eu-central-1:123456789012:orders"
CERTIFICATE: Final = orjson.loads(sample("aws-sns", "Notification"))["SigningCertURL"]
SUBSCRIBE: Final = orjson.loads(sample("aws-sns", "SubscriptionConfirmation"))["SubscribeURL"]
GOOGLE: Final = "https://www.googleapis.com/oauth2/v3/certs"
ACCOUNT: Final = {"audience": "https://hooks.example.com/orders", "serviceAccount": "push@acme-prod.example.com"}


def _with(**members: object) -> Change:
    """Other members of a message; None: without it."""

    def change(request: Request) -> Request:
        body = {name: value for name, value in (orjson.loads(request.body) | members).items() if value is not None}
        return Request(request.method, request.url, request.headers, orjson.dumps(body))

    return change


def _twice(request: Request) -> Request:
    body = b'{"Message":"another",' + request.body[1:]
    return Request(request.method, request.url, request.headers, body)


def _in_hex(request: Request) -> Request:
    return _with(Signature=orjson.loads(request.body)["Signature"].encode().hex())(request)


def _later(request: Request) -> Request:
    """The token with another time, under the same signature."""
    header, _, signature = request.header("authorization").split(".")
    claims = jwt.decode(request.header("authorization").removeprefix("Bearer "), options={"verify_signature": False})
    other = jwt.encode(claims | {"exp": claims["exp"] + 1}, "x" * 32, "HS256").split(".")[1]
    headers = (("authorization", f"{header}.{other}.{signature}"),)
    return Request(request.method, request.url, headers, request.body)


_ONE_KEY: Final = {"old secret while rotating": "the key is the provider's, which publishes the next one beside it"}

TRIALS: Final = (
    Trial(
        "aws-sns",
        "Notification",
        Config((), {"topicArn": TOPIC, "privateKey": private_pem("amazon")}),
        Config((), {"topicArn": TOPIC, "privateKey": private_pem("stranger")}),
        headers=(),
        tolerance=3900.0,
        fetched={CERTIFICATE: certificate("amazon")},
        own={
            "tampered body": _with(Message="another"),
            "tampered timestamp": _with(Timestamp="2026-11-18T09:46:41.000Z"),
            "missing header": _with(Signature=None),
            "duplicated header": _twice,
            "wrong encoding": _in_hex,
        },
        exempt=_ONE_KEY,
    ),
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
        exempt=_ONE_KEY | {"tampered body": "Google does not sign the body"},
    ),
)
SNS, PUBSUB = TRIALS


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_provider_sent_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_no_mutation_is_left_out_without_a_reason() -> None:
    assert gaps(TRIALS) == []


@pytest.mark.parametrize(
    ("trial", "event", "event_type", "delivery_id"),
    [
        (SNS, "Notification", "aws-sns.Notification", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"),
        (PUBSUB, "OBJECT_FINALIZE", "google-pubsub.OBJECT_FINALIZE", "13277594181624112"),
        (PUBSUB, "com.acme.order.shipped", "google-pubsub.com.acme.order.shipped", "13277594181624999"),
    ],
)
def test_a_sample_is_known_by_its_event_and_its_id(trial: Trial, event: str, event_type: str, delivery_id: str) -> None:
    verdict = replace(trial, event=event).judged(replace(trial, event=event).signed())
    assert isinstance(verdict, Event)
    assert event_type_of(trial.rule, verdict) == event_type
    assert verdict.delivery_id == delivery_id


def test_aws_sns_a_message_just_within_the_hour_of_retries_is_accepted() -> None:
    assert isinstance(SNS.judged(SNS.signed(at=NOW - 3600)), Event)


def test_aws_sns_a_subscription_is_confirmed_once_the_message_is_known_to_be_amazon_s() -> None:
    confirmation = replace(SNS, event="SubscriptionConfirmation")
    signed = confirmation.signed()
    assert replace(confirmation, fetched={}).judged(signed) == Wanted(CERTIFICATE, 86400)
    assert confirmation.judged(signed) == Wanted(SUBSCRIBE, 0)
    visited = replace(confirmation, fetched={**SNS.fetched, SUBSCRIBE: b"<ConfirmSubscriptionResponse/>"})
    assert visited.judged(signed) == Answer(200)
    assert isinstance(visited.judged(_with(Token="another")(signed)), Rejected)


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=1",
        "https://sns.eu-central-1.amazonaws.com.example.com/?Action=ConfirmSubscription&Token=1",
        "https://sns.eu-central-1.amazonaws.com@example.com/?Action=ConfirmSubscription&Token=1",
        "https://sns.eu-central-1.amazonaws.com/?Action=DeleteTopic&Token=1",
        "https://127.0.0.1/?Action=ConfirmSubscription&Token=1",
    ],
)
def test_aws_sns_no_other_address_is_visited_though_it_is_signed(address: str) -> None:
    confirmation = replace(SNS, event="SubscriptionConfirmation")
    body = _with(SubscribeURL=address)(Request("POST", URL, (), sample("aws-sns", "SubscriptionConfirmation"))).body
    assert isinstance(confirmation.judged(replace(confirmation, body=body).signed()), Rejected)


@pytest.mark.parametrize(
    "address",
    [
        "",
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.example.com"),
        CERTIFICATE.replace("sns.", "sns.example.com/sns."),
        CERTIFICATE.replace("https://", "https://user@"),
        # A bucket of anybody's, by the old name of its host.
        CERTIFICATE.replace("eu-central-1", "s3-us-west-2"),
        CERTIFICATE.replace("eu-central-1", "s3"),
        CERTIFICATE.replace(".com/", ".com:8443/"),
        CERTIFICATE.replace("SimpleNotificationService", "../SimpleNotificationService"),
        CERTIFICATE + "?a",
        CERTIFICATE + "\n",
    ],
)
def test_aws_sns_no_certificate_is_asked_for_elsewhere(address: str) -> None:
    asked = replace(SNS, fetched={}).judged(_with(SigningCertURL=address)(SNS.signed()))
    assert isinstance(asked, Rejected)


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-4", "us-gov-west-1", "us-isob-east-1"])
def test_aws_sns_every_region_has_a_certificate(region: str) -> None:
    address = CERTIFICATE.replace("eu-central-1", region)
    asked = replace(SNS, fetched={}).judged(_with(SigningCertURL=address)(SNS.signed()))
    assert asked == Wanted(address, 86400)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (_with(SignatureVersion="3"), 400),
        (_with(Type="Another"), 400),
        (_with(MessageId=None), 400),
        (_with(MessageId=1), 400),
        (_with(TopicArn=TOPIC + "2"), 401),
        (_with(SignatureVersion="1"), 401),
    ],
)
def test_aws_sns_what_is_not_a_message_of_the_topic_is_rejected(change: Change, status: int) -> None:
    verdict = SNS.judged(change(SNS.signed()))
    assert isinstance(verdict, Rejected)
    assert verdict.status == status


def test_aws_sns_raw_delivery_is_rejected_with_what_to_do() -> None:
    verdict = SNS.judged(Request("POST", URL, (("x-amz-sns-rawdelivery", "true"),), b"hello"))
    assert isinstance(verdict, Rejected)
    assert "turn it off" in verdict.reason


@pytest.mark.parametrize(
    "document", [b"", b"<html>", certificate("amazon", NOW + 400 * 86400), certificate("amazon", NOW - 400 * 86400)]
)
def test_aws_sns_a_certificate_that_is_none_or_not_valid_now_proves_nothing(document: bytes) -> None:
    assert isinstance(replace(SNS, fetched={CERTIFICATE: document}).judged(SNS.signed()), Rejected)


def test_aws_sns_a_pinned_certificate_spares_asking() -> None:
    pinned = Config((), {"topicArn": TOPIC, "certificate": check_certificate(certificate("amazon").decode())})
    assert isinstance(replace(SNS, fetched={}).judged(SNS.signed(), pinned), Event)
    with pytest.raises(ValueError, match="PEM"):
        check_certificate("-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize("trial", TRIALS)
def test_without_a_private_key_a_sample_cannot_be_signed_and_what_is_needed_is_said(trial: Trial) -> None:
    options = {name: value for name, value in trial.config.options.items() if name != "privateKey"}
    for key in (None, "", "-----BEGIN", "bm8ga2V5", "not base64"):
        with pytest.raises(CannotSign, match="privateKey"):
            trial.signed(Config((), options if key is None else {**options, "privateKey": key}))
    encoded = {**options, "privateKey": private_base64("amazon" if trial is SNS else "google")}
    assert isinstance(trial.judged(trial.signed(Config((), encoded))), Event)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine")
@pytest.mark.skipif((JAVASCRIPT / ".not-installed").exists(), reason="npm reaches no packages here")
async def test_aws_sns_amazon_s_own_validator_agrees() -> None:
    signed = SNS.signed()
    confirmation = replace(SNS, event="SubscriptionConfirmation").signed()
    body = _with(Subject=None)(Request("POST", URL, (), sample("aws-sns", "Notification"))).body
    others = [_with(Message="another")(signed), _with(SignatureVersion="1")(signed)]
    requests = [signed, confirmation, replace(SNS, body=body).signed(), *others]
    messages = [orjson.loads(each.body) for each in requests]
    question = {"certificate": certificate("amazon").decode(), "messages": messages}
    node = await asyncio.create_subprocess_exec(
        *("node", "sns_validator.mjs"),
        cwd=JAVASCRIPT,
        env={"PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        output, errors = await node.communicate(orjson.dumps(question))
    assert node.returncode == 0, errors.decode()
    theirs = [line == "valid" for line in output.decode().splitlines()]
    assert theirs == [True, True, True, False, False]
    visited = replace(SNS, fetched={**SNS.fetched, SUBSCRIBE: b""})
    assert [not isinstance(visited.judged(each), Rejected) for each in requests] == theirs


# --- Google ---


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
def test_google_pubsub_tokens_of_google_s_package_are_accepted_if_they_are_for_the_source(
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


def test_google_pubsub_google_s_package_accepts_what_is_signed_here() -> None:
    token = PUBSUB.signed(at=time.time()).header("authorization").removeprefix("Bearer ")
    claims = id_token.verify_token(token, Transport(), ACCOUNT["audience"])
    assert claims["email"] == ACCOUNT["serviceAccount"]


def test_google_pubsub_asks_for_google_s_keys_and_finds_the_one_that_signed() -> None:
    assert replace(PUBSUB, fetched={}).judged(google_s({})) == Wanted(GOOGLE)
    both = replace(PUBSUB, fetched={GOOGLE: key_set("next", "google")})
    assert isinstance(both.judged(google_s({})), Event)
    assert isinstance(both.judged(google_s({}, "next")), Event)
    assert isinstance(both.judged(google_s({}, "stranger")), Rejected)
    pinned = Config((), {**ACCOUNT, "keys": key_set("google").decode()})
    assert isinstance(replace(PUBSUB, fetched={}).judged(google_s({}), pinned), Event)


def test_google_pubsub_a_public_key_is_no_hmac_secret() -> None:
    forged = jwt.encode(_CLAIMS, "x" * 32, "HS256", {"kid": "google"})
    none = jwt.encode(_CLAIMS, "", "none", {"kid": "google"})
    for token in (forged, none):
        assert isinstance(PUBSUB.judged(Request("POST", URL, (("authorization", f"Bearer {token}"),), b"{}")), Rejected)


def test_google_pubsub_without_its_wrapper_a_message_has_its_id_in_a_header() -> None:
    wrapped = google_s({})
    headers = (*wrapped.headers, ("x-goog-pubsub-message-id", "42"))
    assert PUBSUB.judged(Request("POST", URL, headers, b"anything")) == Event(None, "42")
