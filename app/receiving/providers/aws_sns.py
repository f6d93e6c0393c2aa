"""Amazon SNS: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html (signatures),
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (formats), and
https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html (at most 3,600 s for HTTP).

The body is JSON with an RSA signature (version 1: SHA-1, 2: SHA-256) of some of its members, each as its name and its
value on lines of their own. The certificate's address is in the body too, so it is only asked for at Amazon's own host.
Whoever has an account of Amazon's can have topics: the topic must be the source's. A subscription is confirmed by a GET
of its `SubscribeURL`.
"""

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Final

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from app.receiving import schemes
from app.receiving.contract import (
    Answer,
    CannotSign,
    Config,
    Event,
    Field,
    Moment,
    Provider,
    Rejection,
    Request,
    Verdict,
    Wanted,
    within,
)
from app.receiving.keys import EXAMPLE_CERTIFICATE, check_certificate, key_of_certificate, rsa_key

_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Final = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_DIGESTS: Final[dict[str, schemes.Digest]] = {"1": "sha1", "2": "sha256"}
# A region begins with letters: `sns.s3-us-west-2.amazonaws.com` would be a bucket that anybody may have.
_HOST: Final = r"https://sns\.[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE: Final = re.compile(_HOST + r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")
_SUBSCRIBE: Final = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[\w.~%&=:+-]{1,2000}", re.ASCII)
_TOPIC: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]{1,30}:[0-9]{12}:[\w.-]{1,256}", re.ASCII)
# Tries go on for an hour and carry the time of the first; the rest is for clocks that differ.
_TOLERANCE: Final = 3600.0 + 300.0
_DAY: Final = 86400.0


def _verify(request: Request, config: Config, moment: Moment) -> Verdict:
    if (request.find("x-amz-sns-rawdelivery") or "").lower() == "true":
        raise Rejection("Raw message delivery is not signed: turn it off for the subscription.", 400)
    texts = _members(request)
    kind = texts.get("Type", "")
    digest = _DIGESTS.get(texts.get("SignatureVersion", ""))
    if kind not in _SIGNED or digest is None:
        raise Rejection("The body is no message of SNS: its Type or SignatureVersion is not known.", 400)
    content = _content(kind, texts)
    if not schemes.same(texts["TopicArn"], config.option("topicArn")):
        raise Rejection("The message is of another topic than this source's.")
    within(schemes.instant(texts["Timestamp"]), moment.now, _TOLERANCE)
    signature = schemes.from_base64(texts.get("Signature", ""))
    document = config.options.get("certificate", "").encode()
    if not document:
        address = texts.get("SigningCertURL", "")
        if not _CERTIFICATE.fullmatch(address):
            raise Rejection("SigningCertURL is not an address of Amazon SNS.")
        if address not in moment.fetched:
            return Wanted(address, _DAY)
        document = moment.fetched[address]
    schemes.check_signature(key_of_certificate(document, moment.now), signature, content, digest)
    if kind != "SubscriptionConfirmation":
        return Event(kind, texts["MessageId"])
    subscribe = texts["SubscribeURL"]
    if not _SUBSCRIBE.fullmatch(subscribe):
        raise Rejection("SubscribeURL is not an address of Amazon SNS.")
    return Answer(200) if subscribe in moment.fetched else Wanted(subscribe, 0)


def _members(request: Request) -> dict[str, str]:
    """The texts of the body. Rejection if a member is there twice: the endpoint might read the other one."""
    body = request.json
    if not isinstance(body, dict):
        raise Rejection("The body is no JSON object.", 400)
    try:
        json.loads(request.body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Rejection("The body is JSON with a member that is there twice, or in too many others.", 400) from None
    return {name: value for name, value in body.items() if isinstance(value, str)}


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("twice")


def _content(kind: str, texts: dict[str, str]) -> bytes:
    missing = [name for name in _SIGNED[kind] if name != "Subject" and name not in texts]
    if missing:
        raise Rejection(f"The message has no {missing[0]}.", 400)
    # Lines are all that divides them: what a publisher wrote must not pass for an id.
    if any("\n" in texts.get(name, "") for name in _SIGNED[kind] if name != "Message"):
        raise Rejection("A member of the message holds a line break.", 400)
    content = "".join(f"{name}\n{texts[name]}\n" for name in _SIGNED[kind] if name in texts)
    # A JSON text may hold half of a surrogate pair.
    return content.encode("utf-8", "surrogatepass")


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    message = orjson.loads(body)
    if not isinstance(message, dict) or message.get("Type") not in _SIGNED:
        raise CannotSign("the body must be a message as SNS sends it, with Type")
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    topic = config.options.get("topicArn", message.get("TopicArn", ""))
    message |= {"Timestamp": stamp, "SignatureVersion": "2", "TopicArn": topic}
    texts = {name: value for name, value in message.items() if isinstance(value, str)}
    content = _content(message["Type"], texts)
    message["Signature"] = b64encode(rsa_key(config).sign(content, padding.PKCS1v15(), hashes.SHA256())).decode()
    headers = (
        ("user-agent", "Amazon Simple Notification Service Agent"),
        ("content-type", "text/plain; charset=UTF-8"),
        ("x-amz-sns-message-type", message["Type"]),
        ("x-amz-sns-message-id", texts["MessageId"]),
        ("x-amz-sns-topic-arn", topic),
    )
    return Request("POST", url, headers, orjson.dumps(message))


def _check_topic(text: str) -> str:
    if not _TOPIC.fullmatch(text):
        raise ValueError("give the topic's ARN, such as arn:aws:sns:eu-central-1:123456789012:orders")
    return text


PROVIDERS: Final = (
    Provider(
        name="aws-sns",
        title="Amazon SNS",
        documentation="https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
        header="`Signature` of the body",
        algorithm="RSA PKCS #1 v1.5 with SHA-1 (version 1) or SHA-256 (2) of members of the body, base64",
        timestamp="`Timestamp` of the body, 65 min: tries go on for an hour",
        dedupe="`MessageId` of the body",
        oracle="sns-validator (npm)",
        fields=(
            Field(
                "topicArn",
                "The ARN of the topic.",
                "arn:aws:sns:eu-central-1:123456789012:orders",
                True,
                False,
                check=_check_topic,
            ),
            Field(
                "certificate",
                "SNS's signing certificate (PEM), for installations that may not fetch it. It expires.",
                EXAMPLE_CERTIFICATE,
                required=False,
                secret=False,
                check=check_certificate,
            ),
        ),
        verify=_verify,
        sign=_sign,
        handshake="`SubscriptionConfirmation`: visits its `SubscribeURL`, if the signature and the topic are right",
        setup="Create an HTTPS subscription of the topic with the source's URL, without raw message delivery; it is "
        "confirmed by itself. `SignatureVersion` 2 of the topic is the stronger one.",
    ),
)
