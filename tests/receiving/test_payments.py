"""Payments, shops and parcels: what is rejected; and the providers' own packages sign and verify against ours."""

import base64
import hashlib
import time
import warnings
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import urlencode

import Adyen.util  # type: ignore[import-untyped]
import easypost
import joserfc.jwk
import joserfc.jwt
import nacl.signing
import orjson
import pytest
import square.utils.webhooks_helper
import standardwebhooks
import stripe
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from paddle_billing.Notifications import PaddleSignature  # type: ignore[import-untyped]
from paddle_billing.Notifications.Secret import Secret  # type: ignore[import-untyped]

from app.receiving.contract import Answer, Config, Event, Moment, Rejected, Request
from app.receiving.registry import judge
from tests.receiving import signers
from tests.receiving.mutations import NOW, URL, Trial, changed, gaps, sample, table, try_out
from tests.receiving.payments_trials import (
    ADYEN_KEY,
    BRAINTREE,
    PAYPAL_CERTIFICATE,
    PLAID_PEM,
    TELNYX_PUBLIC,
    TELNYX_SEED,
    TRIAL_OF,
    TRIALS,
    WEBHOOK_ID,
    form_of,
    instead,
)

with warnings.catch_warnings():
    # It uses what it deprecates itself.
    warnings.simplefilter("ignore", DeprecationWarning)
    import braintree  # type: ignore[import-untyped]

# Of PayPal's own package (paypal-sdk-rest, spec/webhooks_examples_spec.rb): what is signed for this body.
_PAYPAL_BODY: Final = (
    b'{"id":"WH-0G2756385H040842W-5Y612302CV158622M","create_time":"2015-05-18T15:45:13Z","resource_type":"sale",'
    b'"event_type":"PAYMENT.SALE.COMPLETED","summary":"Payment completed for $ 20.0 USD","resource":{"id":'
    b'"4EU7004268015634R","create_time":"2015-05-18T15:44:02Z","update_time":"2015-05-18T15:44:21Z","amount":{"total":'
    b'"20.00","currency":"USD"},"payment_mode":"INSTANT_TRANSFER","state":"completed","protection_eligibility":'
    b'"ELIGIBLE","protection_eligibility_type":"ITEM_NOT_RECEIVED_ELIGIBLE,UNAUTHORIZED_PAYMENT_ELIGIBLE",'
    b'"parent_payment":"PAY-86C81811X5228590KKVNARQQ","transaction_fee":{"value":"0.88","currency":"USD"},"links":[{"hre'
    b'f":"https://api.sandbox.paypal.com/v1/payments/sale/4EU7004268015634R","rel":"self","method":"GET"},{"href":'
    b'"https://api.sandbox.paypal.com/v1/payments/sale/4EU7004268015634R/refund","rel":"refund","method":"POST"},{"href"'
    b':"https://api.sandbox.paypal.com/v1/payments/payment/PAY-86C81811X5228590KKVNARQQ","rel":"parent_payment",'
    b'"method":"GET"}]},"links":[{"href":"https://api.sandbox.paypal.com/v1/notifications/webhooks-events/'
    b'WH-0G2756385H040842W-5Y612302CV158622M","rel":"self","method":"GET"},{"href":"https://api.sandbox.paypal.com/v1/'
    b'notifications/webhooks-events/WH-0G2756385H040842W-5Y612302CV158622M/resend","rel":"resend","method":"POST"}]}'
)
_PAYPAL_TEXT: Final = b"dfb3be50-fd74-11e4-8bf3-77339302725b|2015-05-18T15:45:13Z|4JH86294D6297924G|2771810304"


@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))
def test_only_what_the_provider_signed_is_accepted(trial: Trial, mutation: str) -> None:
    try_out(trial, mutation)


def test_the_table_leaves_nothing_out_without_a_reason() -> None:
    assert gaps(TRIALS) == []
    assert len(TRIAL_OF) == 17


def _judged(provider: str, headers: dict[str, str], body: bytes, now: float = NOW) -> object:
    trial = TRIAL_OF[provider]
    return judge(trial.rule, Request("POST", URL, tuple(headers.items()), body), trial.config, Moment(now))


def _secret(provider: str) -> str:
    return TRIAL_OF[provider].config.secrets[0]


def test_stripes_package_signs_what_is_accepted_and_accepts_what_is_signed() -> None:
    body, secret = sample("stripe", "invoice.paid"), _secret("stripe")
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(NOW))
    assert isinstance(_judged("stripe", {"stripe-signature": header}, body), Event)
    ours = TRIAL_OF["stripe"].signed(at=time.time())
    theirs = stripe.Webhook.construct_event(ours.body, ours.header("stripe-signature"), secret)
    assert theirs.id == orjson.loads(body)["id"]


def test_squares_package_accepts_what_is_signed() -> None:
    ours = TRIAL_OF["square"].signed()
    verify = square.utils.webhooks_helper.verify_signature
    given = {"signature_header": ours.header("x-square-hmacsha256-signature"), "signature_key": _secret("square")}
    assert verify(request_body=ours.body.decode(), notification_url=URL, **given)
    assert not verify(request_body=ours.body.decode(), notification_url=f"{URL}/", **given)


def test_paddles_package_signs_what_is_accepted_and_accepts_what_is_signed() -> None:
    body, secret = sample("paddle", "transaction.completed"), _secret("paddle")
    digest = PaddleSignature.calculate_hmac(secret, f"{int(NOW)}:".encode() + body).hexdigest()
    assert isinstance(_judged("paddle", {"paddle-signature": f"ts={int(NOW)};h1={digest}"}, body), Event)
    ours = TRIAL_OF["paddle"].signed()
    assert PaddleSignature().verify(ours.header("paddle-signature"), ours.body.decode(), Secret(secret))


def test_adyens_package_signs_what_is_accepted_and_accepts_what_is_signed() -> None:
    document = orjson.loads(sample("adyen", "CHARGEBACK"))
    item = document["notificationItems"][0]["NotificationRequestItem"]
    item["additionalData"]["hmacSignature"] = Adyen.util.generate_notification_sig(item, ADYEN_KEY).decode()
    assert _judged("adyen", {}, orjson.dumps(document)) == Event("CHARGEBACK", "Z58MQH2Q3V5X8N82.CHARGEBACK.true")
    assert Adyen.util.is_valid_hmac_notification(orjson.loads(TRIAL_OF["adyen"].signed().body), ADYEN_KEY)

    body = sample("adyen", "balancePlatform.balanceAccount.updated")
    theirs = Adyen.util.generate_payload_sig(body, ADYEN_KEY).decode()
    assert isinstance(_judged("adyen", {"hmacsignature": theirs}, body), Event)
    ours = TRIAL_OF["adyen"].rule.sign("balancePlatform", body, Config((ADYEN_KEY,)), NOW, URL)
    assert Adyen.util.is_valid_hmac_payload(ours.header("hmacsignature"), ADYEN_KEY, body)


def test_braintrees_package_signs_what_is_accepted_and_accepts_what_is_signed() -> None:
    sandbox, private = braintree.Environment.Sandbox, _secret("braintree")
    gateway = braintree.BraintreeGateway(braintree.Configuration(sandbox, "acme", BRAINTREE["publicKey"], private))
    kind = braintree.WebhookNotification.Kind.SubscriptionWentPastDue
    theirs = gateway.webhook_testing.sample_notification(kind, "acme-team-19")
    verdict = _judged("braintree", {}, urlencode(theirs).encode())
    assert isinstance(verdict, Event)
    assert verdict.name == kind
    ours = form_of(TRIAL_OF["braintree"].signed())
    parsed = gateway.webhook_notification.parse(ours["bt_signature"], ours["bt_payload"])
    assert (parsed.kind, parsed.subscription.id) == ("subscription_charged_successfully", "acme-team-19")

    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    answer = TRIAL_OF["braintree"].judged(Request("GET", f"{URL}?bt_challenge={challenge}", (), b""))
    assert isinstance(answer, Answer)
    assert answer.body.decode() == gateway.webhook_notification.verify(challenge)


def test_paypal_signs_the_text_that_its_own_package_expects() -> None:
    transmission, stamp, webhook_id, _ = _PAYPAL_TEXT.decode().split("|")
    assert webhook_id == WEBHOOK_ID
    then = 1_431_963_913.0
    headers = {
        "paypal-transmission-id": transmission,
        "paypal-transmission-time": stamp,
        "paypal-transmission-sig": base64.b64encode(
            signers.rsa_key("paypal").sign(_PAYPAL_TEXT, PKCS1v15(), SHA256())
        ).decode(),
        "paypal-auth-algo": "SHA256withRSA",
        "paypal-cert-url": PAYPAL_CERTIFICATE,
    }
    request = Request("POST", URL, tuple(headers.items()), _PAYPAL_BODY)
    moment = Moment(then, {PAYPAL_CERTIFICATE: signers.certificate("paypal", then)})
    verdict = judge(TRIAL_OF["paypal"].rule, request, TRIAL_OF["paypal"].config, moment)
    assert verdict == Event("PAYMENT.SALE.COMPLETED", "WH-0G2756385H040842W-5Y612302CV158622M")


def test_another_package_signs_plaids_tokens_as_plaid_documents_them() -> None:
    body = sample("plaid", "ITEM.ERROR")
    key = joserfc.jwk.ECKey.import_key(PLAID_PEM)
    for signed, wanted in ((body, Event), (b"{}", Rejected)):
        claims = {"iat": int(NOW) - 10, "request_body_sha256": hashlib.sha256(signed).hexdigest()}
        token = joserfc.jwt.encode({"alg": "ES256", "kid": "sample", "typ": "JWT"}, claims, key)
        request = Request("POST", URL, (("plaid-verification", token),), body)
        assert isinstance(TRIAL_OF["plaid"].judged(request), wanted)


def test_standardwebhooks_signs_and_verifies_as_bigcommerce_does() -> None:
    body, secret = sample("bigcommerce", "store.order.created"), _secret("bigcommerce")
    package = standardwebhooks.Webhook(base64.b64encode(secret.encode()).decode())
    signature = package.sign("msg_1", datetime.fromtimestamp(NOW, UTC), body.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW)), "webhook-signature": signature}
    assert _judged("bigcommerce", headers, body) == Event("store/order/created", "msg_1")
    ours = TRIAL_OF["bigcommerce"].signed(at=time.time())
    assert package.verify(ours.body, dict(ours.headers))["scope"] == "store/order/created"


def test_easyposts_package_accepts_what_is_signed() -> None:
    ours = TRIAL_OF["easypost"].signed(Config(("s\u00e9cret \ufb01ne",)))
    headers = {"X-Hmac-Signature": ours.header("x-hmac-signature")}
    assert (
        easypost.util.validate_webhook(ours.body, headers, "s\u00e9cret \ufb01ne")["description"] == "tracker.updated"
    )


def test_nacl_signs_and_verifies_as_telnyxs_package_does() -> None:
    body, stamp = sample("telnyx", "call.initiated"), str(int(NOW))
    key = nacl.signing.SigningKey(base64.b64decode(TELNYX_SEED))
    theirs = base64.b64encode(key.sign(f"{stamp}|".encode() + body).signature).decode()
    verdict = _judged("telnyx", {"telnyx-signature-ed25519": theirs, "telnyx-timestamp": stamp}, body)
    assert verdict == Event("call.initiated", "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0")
    ours = TRIAL_OF["telnyx"].signed()
    signature = base64.b64decode(ours.header("telnyx-signature-ed25519"))
    nacl.signing.VerifyKey(base64.b64decode(TELNYX_PUBLIC)).verify(f"{stamp}|".encode() + ours.body, signature)


def test_checkbooks_documented_vector_is_accepted() -> None:
    # https://docs.checkbook.io/docs/webhooks
    header = "nonce=1243549809,signature=4ee9758fc0bceb3ca1a2fe397fbd125364cfffdb04296fa118dab9778a4b3ce3"
    body = b'{"status": "PAID", "id": "ed0af5fb335c47dd8eb53199ba50f5c4", "type": "CHECK"}'
    request = Request("POST", URL, (("signature", header),), body)
    config = Config(("335b5728e25b47e88995fce207bff380",))
    assert judge(TRIAL_OF["checkbook"].rule, request, config, Moment(NOW)) == Event("CHECK.PAID")


def test_of_several_signatures_one_must_be_right_and_of_the_current_scheme() -> None:
    for provider, name, scheme, divider in (
        ("stripe", "stripe-signature", "v1=", ","),
        ("paddle", "paddle-signature", "h1=", ";"),
        ("bigcommerce", "webhook-signature", "v1,", " "),
    ):
        trial = TRIAL_OF[provider]
        request = trial.signed()
        other = trial.signed(trial.stranger).header(name)
        wrong = other[other.index(scheme) :]
        more = changed(request, name, partial(instead, f"{request.header(name)}{divider}{wrong}"))
        assert isinstance(trial.judged(more), Event), provider
        older = changed(request, name, partial(instead, request.header(name).replace(scheme, f"v0{scheme[-1]}")))
        assert isinstance(trial.judged(older), Rejected), provider


def test_paypal_signs_by_one_algorithm_only() -> None:
    trial = TRIAL_OF["paypal"]
    for algorithm in ("SHA1withRSA", "none", "sha256withrsa"):
        other = changed(trial.signed(), "paypal-auth-algo", partial(instead, algorithm))
        assert isinstance(trial.judged(other), Rejected)
