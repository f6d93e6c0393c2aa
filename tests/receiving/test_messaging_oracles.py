"""The providers' own packages sign and verify against ours; where there is none, vectors and a second reading do."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import orjson
import pytest
from discord_interactions import verify_key  # type: ignore[import-untyped]
from hubspot.utils.signature import Signature  # type: ignore[import-untyped]
from nacl.signing import SigningKey
from sendgrid.helpers.eventwebhook import EventWebhook  # type: ignore[import-untyped]
from slack_sdk.signature import SignatureVerifier
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from app.receiving.contract import Config, Event, Moment, Rejected, Request
from app.receiving.keys import private_key
from app.receiving.registry import all_providers, judge
from tests.receiving.messaging_trials import SECRET, TRIALS, trial_of
from tests.receiving.mutations import NOW, URL

KEY: Final = SECRET.secrets[0]
BODY: Final = '{"event":"ping","name":"Zoë"}'
FORM: Final = "CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212&Empty="


def verdict_on(provider: str, headers: Mapping[str, str], body: str | bytes, config: Config, url: str = URL) -> object:
    """Ours, on what a package has signed."""
    content = body.encode() if isinstance(body, str) else body
    request = Request("POST", url, tuple(headers.items()), content)
    return judge(all_providers()[provider], request, config, Moment(NOW))


def signed(provider: str, body: str, config: Config, at: float = NOW) -> Request:
    return all_providers()[provider].sign("ping", body.encode(), config, at, URL)


def test_slack_sdk_signs_as_we_verify_and_verifies_what_we_sign() -> None:
    verifier = SignatureVerifier(KEY)
    signature = verifier.generate_signature(timestamp=str(int(NOW)), body=BODY)
    assert signature is not None
    headers = {"x-slack-signature": signature, "x-slack-request-timestamp": str(int(NOW))}
    assert isinstance(verdict_on("slack", headers, BODY, SECRET), Event)
    ours = signed("slack", BODY, SECRET, time.time())
    assert verifier.is_valid_request(BODY, dict(ours.headers))
    assert not verifier.is_valid_request(BODY + " ", dict(ours.headers))


def test_the_vector_of_slacks_documentation_is_accepted() -> None:
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = (("x-slack-request-timestamp", "1531420618"), ("x-slack-signature", signature))
    rule, config = all_providers()["slack"], Config(("8f742231b10e8888abcd99yyyzzz85a5",))
    found = judge(rule, Request("POST", URL, headers, body.encode()), config, Moment(1531420618))
    assert found == Event("command", "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")


@pytest.mark.parametrize("digest", ["HMAC_SHA1", "HMAC_SHA256"])
@pytest.mark.parametrize(
    "url", [f"{URL}?foo=1&bar=2", "https://hooks.example.com:443/in/x?a", "https://h.example:8443"]
)
def test_twilios_package_signs_forms_as_we_verify_them(url: str, digest: str) -> None:
    validator = RequestValidator(KEY)
    params = dict(parse_qsl(FORM, keep_blank_values=True))
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-webhooks-signature-settings": f"key=webhooks_sharedkey_1,algorithm={digest}",
        "x-twilio-signature": validator.compute_signature(url, params, digest),
    }
    assert isinstance(verdict_on("twilio", headers, FORM, SECRET, url), Event)
    # Twilio signs the URL with its port, or without: the source's address may be the other one.
    other = url.replace(":443", "").replace(":8443", "")
    assert isinstance(verdict_on("twilio", headers, FORM, SECRET, other), Event) == (":8443" not in url)
    assert isinstance(verdict_on("twilio", headers, FORM.replace("1234&", "1235&"), SECRET, url), Rejected)


def test_the_vector_of_twilios_documentation_is_accepted() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = FORM.removesuffix("&Empty=")
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-twilio-signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ=",
    }
    assert isinstance(verdict_on("twilio", headers, form, Config(("12345",)), url), Event)


def test_twilios_package_verifies_what_we_sign() -> None:
    validator = RequestValidator(KEY)
    form = signed("twilio", FORM, SECRET)
    params = dict(parse_qsl(FORM, keep_blank_values=True))
    assert validator.validate(form.url, params, form.header("x-twilio-signature"))
    events = signed("twilio", BODY, SECRET)
    assert validator.validate(events.url, BODY, events.header("x-twilio-signature"))
    assert not validator.validate(events.url, BODY + " ", events.header("x-twilio-signature"))


def test_sendgrids_package_verifies_what_we_sign() -> None:
    config = trial_of("sendgrid").config
    webhook = EventWebhook(config.options["publicKey"])
    request = signed("sendgrid", BODY, config)
    given = [request.header(f"x-twilio-email-event-webhook-{name}") for name in ("signature", "timestamp")]
    assert webhook.verify_signature(BODY, *given)
    assert not webhook.verify_signature(BODY + " ", *given)


def test_the_vector_of_sendgrids_packages_is_accepted() -> None:
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpig"
        "lSI8eNEc6wEA3F+g=="
    )
    body = (
        '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
        '"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
        '"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
        '"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
    )
    signature = "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    headers = (
        ("x-twilio-email-event-webhook-signature", signature),
        ("x-twilio-email-event-webhook-timestamp", "1600112502"),
    )
    request = Request("POST", URL, headers, body.encode())
    found = judge(all_providers()["sendgrid"], request, Config((), {"publicKey": key}), Moment(1600112502))
    assert found == Event("dropped", "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA")


def test_discords_package_verifies_what_we_sign_and_pynacl_signs_what_we_verify() -> None:
    config = trial_of("discord").config
    public = private_key(config).public_key().public_bytes_raw().hex()  # type: ignore[union-attr]
    request = signed("discord", BODY, config)
    given = [request.header(f"x-signature-{name}") for name in ("ed25519", "timestamp")]
    assert verify_key(BODY.encode(), *given, public)
    assert not verify_key(BODY.encode() + b" ", *given, public)
    theirs = SigningKey.generate()
    signature = theirs.sign(f"{int(NOW)}{BODY}".encode()).signature.hex()
    headers = {"x-signature-ed25519": signature, "x-signature-timestamp": str(int(NOW))}
    source = Config((), {"publicKey": bytes(theirs.verify_key).hex()})
    assert isinstance(verdict_on("discord", headers, BODY, source), Event)


def test_lines_package_verifies_what_we_sign() -> None:
    # Here, because it takes more than a second to import: not for each of the processes that run tests.
    from linebot.v3.webhook import SignatureValidator  # type: ignore[import-untyped]

    request = signed("line", BODY, SECRET)
    assert SignatureValidator(KEY).validate(BODY, request.header("x-line-signature"))
    assert not SignatureValidator(KEY).validate(BODY + " ", request.header("x-line-signature"))


def test_hubspots_package_signs_as_we_verify_and_verifies_what_we_sign() -> None:
    stamp = str(int(NOW * 1000))
    signature = Signature.get_signature(KEY, BODY, "v3", URL, "POST", stamp)
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp}
    assert isinstance(verdict_on("hubspot", headers, BODY, SECRET), Event)
    ours = signed("hubspot", BODY, SECRET, time.time())
    given, stamp = (ours.header(name) for name in headers)
    assert Signature.is_valid(given, KEY, BODY, URL, "POST", "v3", stamp)
    assert not Signature.is_valid(given, KEY, BODY + " ", URL, "POST", "v3", stamp)


def test_mailguns_package_verifies_what_we_sign_and_refuses_what_we_refuse() -> None:
    # Here, as it brings a client of its whole API with it.
    from mailgun.security import SecurityGuard

    now, rule = time.time(), all_providers()["mailgun"]
    for secret, at in ((KEY, now), ("another", now), (KEY, now - 9 * 3600)):
        request = signed("mailgun", BODY, Config((secret,)), at)
        told = orjson.loads(request.body)["signature"]
        theirs = SecurityGuard.verify_webhook(KEY, told["token"], told["timestamp"], told["signature"])
        assert theirs == (secret == KEY and at == now)
        assert isinstance(judge(rule, request, SECRET, Moment(now)), Event) == theirs
        tampered = SecurityGuard.verify_webhook(KEY, told["token"][::-1], told["timestamp"], told["signature"])
        assert not tampered


def _hex(content: str) -> str:
    return hmac.new(KEY.encode(), content.encode(), hashlib.sha256).hexdigest()


def _base64(content: str) -> str:
    return base64.b64encode(hmac.new(KEY.encode(), content.encode(), hashlib.sha256).digest()).decode()


# Who has neither a package nor vectors: the documentation, read once more.
AS_DOCUMENTED: Final[dict[str, Callable[[str], dict[str, str]]]] = {
    "meta": lambda _: {"x-hub-signature-256": f"sha256={_hex(BODY)}"},
    "twitter": lambda _: {"x-twitter-webhooks-signature": f"sha256={_base64(BODY)}"},
    "telegram": lambda _: {"x-telegram-bot-api-secret-token": KEY},
    "typeform": lambda _: {"typeform-signature": f"sha256={_base64(BODY)}"},
    "calendly": lambda stamp: {"calendly-webhook-signature": f"t={stamp},v1={_hex(f'{stamp}.{BODY}')}"},
    "openclaw": lambda _: {"authorization": f"Bearer {KEY}"},
    "vapi": lambda _: {"x-vapi-signature": _hex(BODY)},
    "veriff": lambda _: {"x-hmac-signature": _hex(BODY)},
}


@pytest.mark.parametrize("provider", AS_DOCUMENTED)
def test_a_request_is_signed_as_the_documentation_says(provider: str) -> None:
    ours = signed(provider, BODY, SECRET)
    expected = AS_DOCUMENTED[provider](str(int(NOW)))
    assert {name: value for name, value in ours.headers if name in expected} == expected


def test_each_provider_without_an_oracle_says_so_and_is_read_twice() -> None:
    ours = {trial.provider: trial.rule.oracle for trial in TRIALS}
    # Postmark's password stands in a header, which is tried by its own test.
    assert {name for name, oracle in ours.items() if oracle.startswith("none")} - {"postmark"} == set(AS_DOCUMENTED)
