"""Payments, shops and parcels: handshakes, names and ids of events, and what one provider alone does."""

import base64
from functools import partial
from urllib.parse import urlencode

import orjson
import pytest

from app.receiving.contract import Answer, CannotSign, Config, Event, Moment, Rejected, Request, Wanted
from app.receiving.naming import event_id_of, event_type_of
from app.receiving.registry import judge
from app.receiving.schemes import same
from tests.receiving import signers
from tests.receiving.mutations import NOW, SAMPLES, URL, changed, sample
from tests.receiving.payments_trials import (
    BRAINTREE,
    PAYPAL_CERTIFICATE,
    PLAID,
    PLAID_KEYS,
    PLAID_SECRET,
    TRIAL_OF,
    WEBHOOK_ID,
    form_of,
    instead,
    plaid_answers,
    with_body,
)

EVENTS = {
    ("stripe", "invoice.paid"): ("stripe.invoice.paid", "evt_1QNbVwLkdIwHu7ixAcmePaid"),
    ("stripe", "checkout.session.completed"): ("stripe.checkout.session.completed", "evt_1QNc0ALkdIwHu7ixCheckout"),
    ("square", "payment.updated"): ("square.payment.updated", "6a8f5f28-54a1-4eb0-a98a-3111513fd4fc"),
    ("square", "customer.created"): ("square.customer.created", "d7f1a2f3-0f73-4f4a-9c31-0b9c1b3d7a77"),
    ("paypal", "PAYMENT.CAPTURE.COMPLETED"): (
        "paypal.PAYMENT.CAPTURE.COMPLETED",
        "WH-58D329510W468432D-8HN650336L201105X",
    ),
    ("paypal", "BILLING.SUBSCRIPTION.CANCELLED"): (
        "paypal.BILLING.SUBSCRIPTION.CANCELLED",
        "WH-55TG7562XN2588878-8YH955435R661687G",
    ),
    ("paddle", "subscription.activated"): ("paddle.subscription.activated", "evt_01jd0acme7s2k1c9m3w5y8z4qa"),
    ("paddle", "transaction.completed"): ("paddle.transaction.completed", "evt_01jd0acmf2j5l8q1w4e7r9t3yb"),
    ("adyen", "AUTHORISATION"): ("adyen.AUTHORISATION", "KHQC5N7G84BLNK43.AUTHORISATION.true"),
    ("adyen", "CHARGEBACK"): ("adyen.CHARGEBACK", "Z58MQH2Q3V5X8N82.CHARGEBACK.true"),
    ("adyen", "balancePlatform.balanceAccount.updated"): ("adyen.balancePlatform.balanceAccount.updated", None),
    ("braintree", "subscription_charged_successfully"): (
        "braintree.subscription_charged_successfully",
        "SHA-256 of the sample",
    ),
    ("braintree", "dispute_opened"): ("braintree.dispute_opened", "SHA-256 of the sample"),
    ("plaid", "TRANSACTIONS.SYNC_UPDATES_AVAILABLE"): ("plaid.TRANSACTIONS.SYNC_UPDATES_AVAILABLE", None),
    ("plaid", "ITEM.ERROR"): ("plaid.ITEM.ERROR", None),
    ("shopify", "orders.create"): ("shopify.orders_create", "x-shopify-webhook-id"),
    ("shopify", "products.update"): ("shopify.products_update", "x-shopify-webhook-id"),
    ("woocommerce", "order.created"): ("woocommerce.order.created", "x-wc-webhook-delivery-id"),
    ("woocommerce", "product.updated"): ("woocommerce.product.updated", "x-wc-webhook-delivery-id"),
    ("bigcommerce", "store.order.created"): ("bigcommerce.store_order_created", "webhook-id"),
    ("bigcommerce", "store.product.inventory.updated"): ("bigcommerce.store_product_inventory_updated", "webhook-id"),
    ("airwallex", "payment_intent.succeeded"): (
        "airwallex.payment_intent.succeeded",
        "evt_acme_2026111820264000_8321220011893766",
    ),
    ("checkbook", "CHECK.PAID"): ("checkbook.CHECK.PAID", None),
    ("checkbook", "INVOICE.MAILED"): ("checkbook.INVOICE.MAILED", None),
    ("orum-io", "external_account_created"): (
        "orum-io.external_account_created",
        "2d5f1de3-3973-4297-bb32-be24f559ef81",
    ),
    ("orum-io", "person_verified"): ("orum-io.person_verified", "8b1e2f6c-7d15-4b0c-9a51-30a8c7f0b6d2"),
    ("rutter", "CONNECTION.INITIAL_UPDATE"): ("rutter.CONNECTION.INITIAL_UPDATE", None),
    ("rutter", "ORDER.ORDER_CREATED"): ("rutter.ORDER.ORDER_CREATED", None),
    ("vgs", "cmp_au_card.updated"): ("vgs.cmp_au_card.updated", "6f1ed002-ab55-4958-9014-ebf0951522d9"),
    ("easypost", "tracker.updated"): ("easypost.tracker.updated", "evt_acme14a2c4f711ef9b0d"),
    ("easypost", "refund.successful"): ("easypost.refund.successful", "evt_acme2b7d5e8811efa4c1"),
    ("telnyx", "message.received"): ("telnyx.message.received", "b301ed3f-1490-491f-995f-6e64e69674d4"),
    ("telnyx", "call.initiated"): ("telnyx.call.initiated", "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0"),
}


def _signed(provider: str, event: str) -> Request:
    trial = TRIAL_OF[provider]
    return trial.rule.sign(event, sample(provider, event), trial.config, NOW, URL)


@pytest.mark.parametrize(("provider", "event"), EVENTS, ids=" ".join)
def test_each_sample_has_its_name_and_id(provider: str, event: str) -> None:
    request = _signed(provider, event)
    verdict = TRIAL_OF[provider].judged(request)
    assert isinstance(verdict, Event)
    name, delivery = EVENTS[provider, event]
    assert event_type_of(TRIAL_OF[provider].rule, verdict) == name
    if provider == "braintree":
        assert verdict.delivery_id is not None
        assert len(verdict.delivery_id) == 64
    elif delivery in dict(request.headers):
        assert verdict.delivery_id is not None
        assert verdict.delivery_id.startswith(request.header(delivery))
    else:
        assert verdict.delivery_id == delivery


def test_the_table_of_events_is_that_of_the_samples() -> None:
    mine = {path.stem for path in SAMPLES.iterdir() if path.name.partition(".")[0] in TRIAL_OF}
    assert {f"{provider}.{event}" for provider, event in EVENTS} == mine


def test_braintree_learns_the_answer_to_its_challenge_and_no_other_get_is_answered() -> None:
    trial = TRIAL_OF["braintree"]
    answer = trial.judged(Request("GET", f"{URL}?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53", (), b""))
    assert isinstance(answer, Answer)
    assert answer.body.decode().partition("|")[0] == BRAINTREE["publicKey"]
    for query in (
        "",
        "?bt_challenge=",
        "?bt_challenge=XYZ",
        f"?bt_challenge={'a' * 33}",
        "?bt_challenge=a&bt_challenge=b",
    ):
        refused = trial.judged(Request("GET", URL + query, (), b""))
        assert isinstance(refused, Rejected)
        assert refused.status == 400


def test_braintrees_answer_to_a_challenge_does_not_pass_for_a_signature() -> None:
    trial = TRIAL_OF["braintree"]
    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    answer = trial.judged(Request("GET", f"{URL}?bt_challenge={challenge}", (), b""))
    assert isinstance(answer, Answer)
    body = urlencode({"bt_signature": answer.body.decode(), "bt_payload": challenge}).encode()
    refused = trial.judged(Request("POST", URL, (), body))
    assert isinstance(refused, Rejected)
    assert refused.reason == "bt_payload is no notification."


def test_woocommerces_ping_is_answered_and_nothing_else_passes_unsigned() -> None:
    trial = TRIAL_OF["woocommerce"]
    assert trial.judged(Request("POST", URL, (), b"webhook_id=7")) == Answer(200)
    for body in (b"webhook_id=7&more=1", b"webhook_id=", b"{}"):
        assert isinstance(trial.judged(Request("POST", URL, (), body)), Rejected)


def test_two_deliveries_of_woocommerce_in_one_second_are_two_events() -> None:
    first, second = _signed("woocommerce", "order.created"), _signed("woocommerce", "product.updated")
    assert first.header("x-wc-webhook-delivery-id") == second.header("x-wc-webhook-delivery-id")
    verdicts = [TRIAL_OF["woocommerce"].judged(request) for request in (first, second, first)]
    ids = [verdict.delivery_id for verdict in verdicts if isinstance(verdict, Event)]
    assert ids[0] != ids[1]
    assert ids[0] == ids[2]


def test_a_request_of_shopify_that_is_repeated_has_the_same_id() -> None:
    request = _signed("shopify", "orders.create")
    assert TRIAL_OF["shopify"].judged(request) == TRIAL_OF["shopify"].judged(request)


def test_paypals_certificate_is_fetched_from_paypal_only() -> None:
    trial = TRIAL_OF["paypal"]
    request = trial.signed()
    assert judge(trial.rule, request, trial.config, Moment(NOW)) == Wanted(PAYPAL_CERTIFICATE)
    for address in (
        PAYPAL_CERTIFICATE.replace("https", "http"),
        PAYPAL_CERTIFICATE.replace("paypal.com", "paypal.com.example.com"),
        PAYPAL_CERTIFICATE.replace("api.", "api@example.com/."),
        PAYPAL_CERTIFICATE.replace("/certs/", "/certs/../../"),
        f"{PAYPAL_CERTIFICATE}?x=https://example.com",
        f"{PAYPAL_CERTIFICATE}\n",
    ):
        elsewhere = changed(request, "paypal-cert-url", partial(instead, address))
        refused = judge(trial.rule, elsewhere, trial.config, Moment(NOW))
        assert isinstance(refused, Rejected)
        assert "paypal-cert-url" in refused.reason


def test_a_pinned_certificate_of_paypal_is_enough_and_one_that_has_ended_is_not() -> None:
    trial = TRIAL_OF["paypal"]
    for at, wanted in ((NOW, Event), (NOW - 400 * 86400, Rejected)):
        pinned = signers.certificate("paypal", at).decode()
        config = Config(options={"webhookId": WEBHOOK_ID, "certificate": pinned})
        assert isinstance(judge(trial.rule, trial.signed(), config, Moment(NOW)), wanted)


def test_paypals_events_of_another_webhook_are_rejected() -> None:
    trial = TRIAL_OF["paypal"]
    other = Config(options={"webhookId": "8PT597110X687430L"})
    assert isinstance(judge(trial.rule, trial.signed(), other, Moment(NOW, trial.fetched)), Rejected)


def test_plaid_is_asked_for_the_key_of_the_token_with_the_credentials() -> None:
    trial = TRIAL_OF["plaid"]
    wanted = judge(trial.rule, trial.signed(), trial.config, Moment(NOW))
    assert isinstance(wanted, Wanted)
    assert wanted.url == PLAID_KEYS
    told = {"client_id": PLAID["clientId"], "secret": PLAID_SECRET, "key_id": "sample"}
    assert orjson.loads(wanted.post or b"") == told
    assert PLAID_SECRET not in repr(wanted)
    other = Config(("another",), {**PLAID, "environment": "sandbox"})
    elsewhere = judge(trial.rule, trial.signed(), other, Moment(NOW))
    assert isinstance(elsewhere, Wanted)
    assert elsewhere.url.startswith("https://sandbox.plaid.com/webhook_verification_key/get#sample.")
    assert elsewhere.url.rpartition(".")[2] != wanted.url.rpartition(".")[2]
    assert isinstance(judge(trial.rule, trial.signed(), Config(), Moment(NOW)), Rejected)


def test_a_key_of_plaid_that_has_expired_or_cannot_be_read_no_longer_counts() -> None:
    trial = TRIAL_OF["plaid"]
    for answer in (
        plaid_answers(expired_at=1_790_000_000),
        b"[]",
        b"null",
        b"{",
        b'{"keys": [1]}',
        b'{"key": {"kty": 1}}',
    ):
        assert isinstance(
            judge(trial.rule, trial.signed(), trial.config, Moment(NOW, {PLAID_KEYS: answer})), Rejected
        ), answer
    pinned = Config(options={"keys": plaid_answers().decode()})
    assert isinstance(judge(trial.rule, trial.signed(), pinned, Moment(NOW)), Event)


def test_easypost_without_a_secret_is_accepted_unverified() -> None:
    trial = TRIAL_OF["easypost"]
    request = Request("POST", URL, (), sample("easypost", "tracker.updated"))
    assert judge(trial.rule, request, Config(), Moment(NOW)) == Event("tracker.updated", "evt_acme14a2c4f711ef9b0d")
    assert isinstance(judge(trial.rule, request, trial.config, Moment(NOW)), Rejected)
    with pytest.raises(CannotSign):
        trial.rule.sign("tracker.updated", b"{}", Config(), NOW, URL)


def test_bigcommerce_may_prove_itself_by_a_header_of_ones_own() -> None:
    trial = TRIAL_OF["bigcommerce"]
    body = sample("bigcommerce", "store.order.created")
    right = Request("POST", URL, (("x-postrider-secret", trial.config.secrets[0]),), body)
    assert trial.judged(right) == Event("store/order/created", "dd70c0976e06b67aaf671e73f49dcb79230ebf9d")
    for value in ("wrong", "", "\xff"):
        assert isinstance(trial.judged(Request("POST", URL, (("x-postrider-secret", value),), body)), Rejected)
    twice = Request("POST", URL, right.headers * 2, body)
    assert isinstance(trial.judged(twice), Rejected)


def test_one_item_of_adyen_that_is_not_signed_rejects_all() -> None:
    trial = TRIAL_OF["adyen"]
    request = trial.signed()
    for another in ({"NotificationRequestItem": {"eventCode": "CAPTURE"}}, None, 7):
        document = orjson.loads(request.body)
        document["notificationItems"].append(another)
        assert isinstance(trial.judged(with_body(request, orjson.dumps(document))), Rejected)
    assert isinstance(trial.judged(with_body(request, b'{"notificationItems": []}')), Rejected)


def test_the_rest_of_braintrees_form_cannot_be_read_in_two_ways() -> None:
    trial = TRIAL_OF["braintree"]
    request = trial.signed()
    twice = request.body + b"&" + urlencode({"bt_payload": base64.b64encode(b"<notification>")}).encode()
    assert isinstance(trial.judged(with_body(request, twice)), Rejected)
    assert set(form_of(request)) == {"bt_signature", "bt_payload"}


def test_vgs_is_recognized_by_whichever_header_has_the_signature() -> None:
    trial = TRIAL_OF["vgs"]
    request = trial.signed()
    signature = request.header("x-vgs-signature")
    for value in (signature, f"sha256={signature}", base64.b64encode(bytes.fromhex(signature)).decode()):
        assert isinstance(trial.judged(Request("POST", URL, (("vgs-signature", value),), request.body)), Event)


def test_half_of_a_surrogate_pair_in_a_signed_field_is_rejected_and_nothing_breaks() -> None:
    adyen, orum = TRIAL_OF["adyen"], TRIAL_OF["orum-io"]
    request = adyen.signed()
    body = request.body.replace(b'"order-7781"', b'"\\ud800"')
    assert body != request.body
    assert isinstance(adyen.judged(with_body(request, body)), Rejected)
    request = orum.signed()
    assert isinstance(orum.judged(with_body(request, b'{"created_at":"\\ud800"}')), Rejected)
    assert event_id_of("src_1", "\ud800").startswith("src_1.")
    assert not same("\ud800", "signature")
