"""Amazon SNS: a signature in the body, by a certificate that is fetched from the address that the body names."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson
import pytest

from app.receiving.contract import Answer, CannotSign, Config, Event, Rejected, Request, Wanted
from app.receiving.keys import check_certificate
from app.receiving.naming import event_type_of
from tests.receiving.mutations import NOW, URL, Change, Trial, gaps, sample, table, try_out
from tests.receiving.signers import certificate, private_base64, private_pem

JAVASCRIPT: Final = Path(__file__).parents[1] / "sdk" / "javascript"
TOPIC: Final = "arn:aws:sns:eu-central-1:123456789012:orders"
CERTIFICATE: Final = orjson.loads(sample("aws-sns", "Notification"))["SigningCertURL"]
SUBSCRIBE: Final = orjson.loads(sample("aws-sns", "SubscriptionConfirmation"))["SubscribeURL"]


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
        exempt={"old secret while rotating": "a new certificate has a new address, which the message names"},
    ),
)
[SNS] = TRIALS


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_provider_sent_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_no_mutation_is_left_out_without_a_reason() -> None:
    assert gaps(TRIALS) == []


def test_the_sample_is_known_by_its_event_and_its_id() -> None:
    verdict = SNS.judged(SNS.signed())
    assert isinstance(verdict, Event)
    assert event_type_of(SNS.rule, verdict) == "aws-sns.Notification"
    assert verdict.delivery_id == "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"


def test_a_message_just_within_the_hour_of_retries_is_accepted() -> None:
    assert isinstance(SNS.judged(SNS.signed(at=NOW - 3600)), Event)


def test_a_subscription_is_confirmed_once_the_message_is_known_to_be_amazon_s() -> None:
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
def test_no_other_address_is_visited_though_it_is_signed(address: str) -> None:
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
def test_no_certificate_is_asked_for_elsewhere(address: str) -> None:
    asked = replace(SNS, fetched={}).judged(_with(SigningCertURL=address)(SNS.signed()))
    assert isinstance(asked, Rejected)


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-4", "us-gov-west-1", "us-isob-east-1"])
def test_every_region_has_a_certificate(region: str) -> None:
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
def test_what_is_not_a_message_of_the_topic_is_rejected(change: Change, status: int) -> None:
    verdict = SNS.judged(change(SNS.signed()))
    assert isinstance(verdict, Rejected)
    assert verdict.status == status


def test_raw_delivery_is_rejected_with_what_to_do() -> None:
    verdict = SNS.judged(Request("POST", URL, (("x-amz-sns-rawdelivery", "true"),), b"hello"))
    assert isinstance(verdict, Rejected)
    assert "turn it off" in verdict.reason


@pytest.mark.parametrize(
    "document", [b"", b"<html>", certificate("amazon", NOW + 400 * 86400), certificate("amazon", NOW - 400 * 86400)]
)
def test_a_certificate_that_is_none_or_not_valid_now_proves_nothing(document: bytes) -> None:
    assert isinstance(replace(SNS, fetched={CERTIFICATE: document}).judged(SNS.signed()), Rejected)


def test_a_pinned_certificate_spares_asking() -> None:
    pinned = Config((), {"topicArn": TOPIC, "certificate": check_certificate(certificate("amazon").decode())})
    assert isinstance(replace(SNS, fetched={}).judged(SNS.signed(), pinned), Event)
    with pytest.raises(ValueError, match="PEM"):
        check_certificate("-----BEGIN CERTIFICATE-----")


def test_without_a_private_key_a_sample_cannot_be_signed_and_what_is_needed_is_said() -> None:
    options = {name: value for name, value in SNS.config.options.items() if name != "privateKey"}
    for key in (None, "", "-----BEGIN", "bm8ga2V5", "not base64"):
        with pytest.raises(CannotSign, match="privateKey"):
            SNS.signed(Config((), options if key is None else {**options, "privateKey": key}))
    encoded = {**options, "privateKey": private_base64("amazon")}
    assert isinstance(SNS.judged(SNS.signed(Config((), encoded))), Event)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine")
@pytest.mark.skipif((JAVASCRIPT / ".not-installed").exists(), reason="npm reaches no packages here")
async def test_amazon_s_own_validator_agrees() -> None:
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
