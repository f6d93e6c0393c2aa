"""Standard Webhooks, and all who send as Svix does: the official packages sign for ours, and verify what ours signs."""

import base64
import time
from datetime import UTC, datetime
from typing import Final

import pytest
import standardwebhooks
import svix
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.receiving.contract import CannotSign, Config, Event, Moment, Rejected, Request
from app.receiving.naming import event_type_of
from app.receiving.providers.standard import PROVIDERS
from app.receiving.registry import all_providers, judge
from tests.receiving.mutations import NOW, URL, Trial, changed, gaps, sample, table, try_out

CONFIG: Final = Config(("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",))
STRANGER: Final = Config(("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",))
SAMPLES: Final = {
    "standard-webhooks": "contact.created",
    "svix": "invoice.paid",
    "clerk": "user.created",
    "resend": "email.delivered",
}
PACKAGES: Final[dict[str, type[standardwebhooks.Webhook] | type[svix.Webhook]]] = {
    "webhook": standardwebhooks.Webhook,
    "svix": svix.Webhook,
}
REFUSALS: Final = (standardwebhooks.WebhookVerificationError, svix.WebhookVerificationError)


def _family(provider: str) -> str:
    return all_providers()[provider].header.strip("`").partition("-")[0]


TRIALS: Final = tuple(
    Trial(
        provider.name,
        SAMPLES.get(provider.name, "invoice.paid"),
        CONFIG,
        STRANGER,
        headers=tuple(f"{_family(provider.name)}-{part}" for part in ("signature", "id", "timestamp")),
        stamp=f"{_family(provider.name)}-timestamp",
        body=None if provider.name in SAMPLES else b'{"type":"invoice.paid"}',
    )
    for provider in PROVIDERS
)
BY_NAME: Final = {trial.provider: trial for trial in TRIALS}


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_sender_signed_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_the_table_leaves_nothing_out() -> None:
    assert gaps(TRIALS) == []


@pytest.mark.parametrize("provider", SAMPLES)
def test_the_official_package_signs_for_ours(provider: str) -> None:
    family, body = _family(provider), sample(provider, SAMPLES[provider])
    moment = datetime.fromtimestamp(NOW, UTC)
    headers = (
        (f"{family}-id", "msg_2Q7xK9vTz4LbN8c"),
        (f"{family}-timestamp", str(int(NOW))),
        (f"{family}-signature", PACKAGES[family](CONFIG.secrets[0]).sign("msg_2Q7xK9vTz4LbN8c", moment, body.decode())),
    )
    verdict = BY_NAME[provider].judged(Request("POST", URL, headers, body))
    assert verdict == Event(SAMPLES[provider], "msg_2Q7xK9vTz4LbN8c")


@pytest.mark.parametrize("provider", SAMPLES)
def test_the_official_package_accepts_what_ours_signs(provider: str) -> None:
    request = BY_NAME[provider].signed(at=time.time())
    package = PACKAGES[_family(provider)](CONFIG.secrets[0])
    package.verify(request.body, dict(request.headers))
    with pytest.raises(REFUSALS, match="No matching signature"):
        package.verify(request.body + b" ", dict(request.headers))


@pytest.mark.parametrize("provider", SAMPLES)
def test_a_sample_has_its_name_and_the_id_of_its_message(provider: str) -> None:
    request = BY_NAME[provider].signed()
    verdict = BY_NAME[provider].judged(request)
    assert verdict == Event(SAMPLES[provider], request.header(f"{_family(provider)}-id"))
    assert event_type_of(all_providers()[provider], verdict) == f"{provider}.{SAMPLES[provider]}"


def test_one_of_several_signatures_is_enough() -> None:
    trial = BY_NAME["svix"]
    request = changed(trial.signed(), "svix-signature", lambda value: f"v1,AAAA v2,{value[3:]} {value}")
    assert trial.judged(request) == Event("invoice.paid", request.header("svix-id"))


def test_a_sender_of_one_family_may_send_the_headers_of_the_other() -> None:
    request = BY_NAME["svix"].signed()
    renamed = tuple((name.replace("svix-", "webhook-"), value) for name, value in request.headers)
    verdict = BY_NAME["svix"].judged(Request("POST", URL, renamed, request.body))
    assert verdict == Event("invoice.paid", request.header("svix-id"))


def test_a_public_key_verifies_and_does_not_sign() -> None:
    private, body = ed25519.Ed25519PrivateKey.generate(), b'{"type":"invoice.paid"}'
    public = base64.b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    config = Config((f"whpk_{public}",))
    signature = base64.b64encode(private.sign(f"msg_1.{int(NOW)}.".encode() + body)).decode()
    headers = (("webhook-id", "msg_1"), ("webhook-timestamp", str(int(NOW))), ("webhook-signature", f"v1a,{signature}"))
    rule = all_providers()["standard-webhooks"]
    assert judge(rule, Request("POST", URL, headers, body), config, Moment(NOW)) == Event("invoice.paid", "msg_1")
    tampered = judge(rule, Request("POST", URL, headers, body + b" "), config, Moment(NOW))
    assert isinstance(tampered, Rejected)
    # A public key is known to everybody: as the key of an HMAC it must prove nothing.
    forged = Config((f"whsec_{public}",))
    assert isinstance(judge(rule, rule.sign("", body, forged, NOW, URL), config, Moment(NOW)), Rejected)
    with pytest.raises(CannotSign, match="public key"):
        rule.sign("invoice.paid", body, config, NOW, URL)


@pytest.mark.parametrize("secret", ["whsec_not base64", "whpk_AAAA", "whsec_="])
def test_a_secret_that_can_never_work_is_refused(secret: str) -> None:
    check = all_providers()["svix"].fields[0].check
    assert check is not None
    with pytest.raises(ValueError, match="copy it as the sender shows it"):
        check(secret)
