"""What somebody sends who knows a source's URL, or who is a source's owner and wants to harm the others.

Nothing of it may keep the server busy, crash a rule, pass for another event, or make one that is due go away.
"""

import time
from base64 import b64encode
from collections.abc import Callable
from typing import Final

import orjson
import pytest

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Moment, Rejected, Rejection, Request
from app.receiving.providers import braintree
from app.receiving.registry import all_providers, judge
from tests.receiving.mutations import NOW, URL
from tests.receiving.signers import key_set

MEGABYTE: Final = 1_000_000
# Seconds, of this process. Each of these took from one second to hours.
SOON: Final = 0.5
SECRET: Final = Config(("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",))
ITEM: Final = ("8835", "", "AcmeECOM", "ord-1", "1000", "EUR", "AUTHORISATION", "true")
HMAC_KEY: Final = "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056"


def _judged(provider: str, request: Request, config: Config) -> object:
    return judge(all_providers()[provider], request, config, Moment(NOW))


def _posted(body: bytes, *headers: tuple[str, str]) -> Request:
    return Request("POST", URL, headers, body)


def _took(function: Callable[[], object]) -> float:
    before = time.process_time()
    function()
    return time.process_time() - before


def _signed_by(signatures: str, family: str = "svix") -> Request:
    names = ((f"{family}-id", "msg_1"), (f"{family}-timestamp", str(int(NOW))), (f"{family}-signature", signatures))
    return _posted(b" " * MEGABYTE, *names)


LISTED: Final = b"[" + b",".join([b"1"] * 300_000) + b"]"
BUSY: Final = {
    "many signatures": ("svix", _signed_by("v1, " * 5000), SECRET),
    "many signatures of GitLab's": ("gitlab", _signed_by("v1, " * 5000, "webhook"), SECRET),
    "many beginnings of a status": ("docusign", _posted(b"<EnvelopeStatus>" * 60_000), Config()),
    "many beginnings of an object": (
        "salesforce",
        _posted(
            b"http://soap.sforce.com/2005/09/outbound" + b"<sObject " * 110_000,
            ("authorization", "Basic " + b64encode(b"u:p").decode()),
        ),
        Config(("p",), {"username": "u"}),
    ),
    "many events of HubSpot's": ("hubspot", _posted(LISTED), Config()),
    "many notifications of Graph's": ("microsoft-graph", _posted(b'{"value":%b}' % LISTED), SECRET),
    "many items of Adyen's": ("adyen", _posted(b'{"notificationItems":%b}' % LISTED), Config((HMAC_KEY,))),
}


@pytest.mark.parametrize("name", BUSY)
def test_a_long_request_is_judged_soon(name: str) -> None:
    provider, request, config = BUSY[name]
    assert _took(lambda: _judged(provider, request, config)) < SOON


def test_a_notification_of_blanks_is_judged_soon() -> None:
    payload = b64encode(b" " * 300_000)
    signature = schemes.mac(braintree._key("k"), payload, "sha1").hex()
    form = b"bt_payload=%b&bt_signature=p|%b" % (payload.replace(b"=", b"%3D"), signature.encode())
    config = Config(("k",), {"publicKey": "p"})
    assert _took(lambda: _judged("braintree", _posted(form), config)) < SOON
    assert _judged("braintree", _posted(form), config) == Rejected(400, "bt_payload is no notification.")


@pytest.mark.parametrize("signatures", ["v1,", "v1a,", "v2,", ","])
def test_more_signatures_than_any_sender_has_are_refused(signatures: str) -> None:
    verdict = _judged("standard-webhooks", _signed_by(" ".join([signatures] * 21), "webhook"), SECRET)
    assert isinstance(verdict, Rejected)
    assert "more than 20 signatures" in verdict.reason


def test_keys_that_take_long_to_look_at_are_not_looked_at() -> None:
    number = "B" + "A" * 200_000
    private = {"kty": "RSA", "kid": "a", "n": number, "e": "AQAB", "d": number, "p": number, "q": number}
    private |= {"dp": number, "dq": number, "qi": number}
    huge = {"kty": "RSA", "kid": "a", "n": number, "e": "AQAB"}
    listed = [private, {**private, "n": "AQAB"}, huge, {"kty": "oct", "kid": "a", "k": "AAAA"}, {"kty": "oct"}, 1]

    def look_up() -> None:
        for key_id in ("a", None):
            with pytest.raises(Rejection, match="does not list"):
                schemes.key_of_set(orjson.dumps({"keys": listed}), key_id)

    assert _took(look_up) < SOON
    with pytest.raises(ValueError, match="public ones"):
        schemes.check_key_set(orjson.dumps({"keys": listed}).decode())


def test_a_usable_key_is_found_among_others() -> None:
    usable = orjson.loads(key_set("a"))["keys"]
    found = schemes.key_of_set(orjson.dumps({"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}, *usable]}), "a")
    assert found == schemes.key_of_set(key_set("a"), None)


def test_a_key_of_another_kind_is_no_crash() -> None:
    keys = '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
    schemes.check_key_set(keys)
    token = ".".join(b64encode(part).decode().rstrip("=") for part in (b'{"alg":"RS256","kid":"a"}', b"{}", b"xyz"))
    config = Config((), {"audience": "a", "serviceAccount": "s", "keys": keys})
    verdict = _judged("google-pubsub", _posted(b"{}", ("authorization", f"Bearer {token}")), config)
    assert isinstance(verdict, Rejected)


def test_what_is_signed_cannot_be_made_longer_than_what_came() -> None:
    check = next(field.check for field in all_providers()["hmac"].fields if field.name == "content")
    assert check is not None
    assert check("{timestamp}:{id}.{method}{url}{body}") == "{timestamp}:{id}.{method}{url}{body}"
    for text in ("{body}{body}", "{body}" + "x" * 1000):
        with pytest.raises(ValueError, match="at most 1000 characters, with each place in it once"):
            check(text)


def test_a_number_that_is_too_long_for_an_index_is_a_name() -> None:
    config = Config((), {"idPath": "1" * 5000})
    assert _judged("generic-webhook", _posted(b'{"%b":"x"}' % (b"1" * 5000)), config) == Event(None, "x")


@pytest.mark.parametrize("provider", ["standard-webhooks", "gitlab"])
def test_an_empty_key_is_no_secret(provider: str) -> None:
    check = all_providers()[provider].fields[0].check
    assert check is not None
    with pytest.raises(ValueError, match="copy it"):
        check("whsec_")


def _of_sns(**members: str) -> Request:
    message = {"Type": "Notification", "SignatureVersion": "2", "Message": "m", "MessageId": "1", "TopicArn": "t"}
    return _posted(orjson.dumps(message | {"Timestamp": "2026-11-18T10:00:00Z"} | members))


def test_half_a_surrogate_pair_in_an_unverified_body_is_no_crash() -> None:
    config = Config((), {"topicArn": "t"})
    request = _posted(_of_sns(Message="@").body.replace(b"@", rb"\ud800"))
    assert isinstance(_judged("aws-sns", request, config), Rejected)


@pytest.mark.parametrize("name", ["MessageId", "Subject", "Timestamp", "TopicArn"])
def test_lines_of_a_publisher_do_not_pass_for_members(name: str) -> None:
    verdict = _judged("aws-sns", _of_sns(**{name: "a\nSubject\nb"}), Config((), {"topicArn": "t"}))
    assert verdict == Rejected(400, "A member of the message holds a line break.")


@pytest.mark.parametrize("found", [b'"\\ud800"', b"[" * 400 + b"]" * 400, b"1e400"])
@pytest.mark.parametrize("form", [b"[%b]", b"%b", b"%b\n%b"], ids=["array", "object", "lines"])
def test_what_a_user_is_called_does_not_keep_a_batch_of_auth0s_away(form: bytes, found: bytes) -> None:
    entry = b'{"log_id":"1","data":{"type":"s","user_name":' + found + b"}}"
    body = form.replace(b"%b", entry)
    verdict = _judged("auth0", _posted(body, ("authorization", "k")), Config(("k",)))
    assert verdict == Event("s", ",".join(["1"] * form.count(b"%b")))


def test_the_signed_id_of_gitlab_is_the_one_that_counts() -> None:
    """Who has a copy must not make another event of it by another `Idempotency-Key`, which is not signed."""
    rule, body = all_providers()["gitlab"], b'{"object_kind":"push"}'
    request = rule.sign("push", body, SECRET, NOW, URL)
    headers = tuple((name, "another" if name == "idempotency-key" else value) for name, value in request.headers)
    copy = Request("POST", URL, headers, body)
    assert _judged("gitlab", copy, SECRET) == Event("push", request.header("webhook-id"))


def test_the_signature_of_an_item_of_adyens_is_not_that_of_a_body() -> None:
    line = ":".join(ITEM).encode()
    signature = b64encode(schemes.mac(bytes.fromhex(HMAC_KEY), line)).decode()
    verdict = _judged("adyen", _posted(line, ("hmacsignature", signature)), Config((HMAC_KEY,)))
    assert verdict == Rejected(400, "The body is not JSON.")


def test_the_signature_of_a_body_of_adyens_is_not_that_of_an_item() -> None:
    body = b'{"a":"b","c":"d","e":{"f":"g","h":{"i":"j","k":{"l":"m"}}}}'
    signature = b64encode(schemes.mac(bytes.fromhex(HMAC_KEY), body)).decode()
    parts = body.decode().split(":", 7)
    names = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
    item: dict[str, object] = dict(zip(names, parts[:4], strict=True))
    item |= {"amount": {"value": parts[4], "currency": parts[5]}, "eventCode": parts[6], "success": parts[7]}
    item["additionalData"] = {"hmacSignature": signature}
    forged = orjson.dumps({"notificationItems": [{"NotificationRequestItem": item}]})
    verdict = _judged("adyen", _posted(forged), Config((HMAC_KEY,)))
    assert verdict == Rejected(400, "An item is none of Adyen's.")


def test_the_nonce_of_checkbook_cannot_be_a_part_of_the_body() -> None:
    body = b'{"type":"CHECK","status":"PAID"}'
    rule, config = all_providers()["checkbook"], Config(("335b5728e25b47e88995",))
    request = rule.sign("CHECK.PAID", body, config, NOW, URL)
    assert _judged("checkbook", request, config) == Event("CHECK.PAID")
    signature = request.header("signature").partition("signature=")[2]
    for cut in (-1, 1):
        # What is signed is the same text, divided elsewhere.
        text = body + str(int(NOW)).encode()
        at = len(body) + cut
        header = f"nonce={text[at:].decode()},signature={signature}"
        assert isinstance(_judged("checkbook", _posted(text[:at], ("signature", header)), config), Rejected)


def test_a_challenge_of_slacks_with_half_a_surrogate_pair_is_answered() -> None:
    config = Config(("s",))
    body = b'{"type":"url_verification","challenge":"\\ud800"}'
    request = all_providers()["slack"].sign("url_verification", body, config, NOW, URL)
    assert _judged("slack", request, config) == Answer(200, b"?", "text/plain")
