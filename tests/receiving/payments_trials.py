"""Payments, shops and parcels: a source of each provider, and one event that it sends."""

import base64
from typing import Final
from urllib.parse import parse_qs, urlencode

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.receiving.contract import Config, Request
from tests.receiving import signers
from tests.receiving.mutations import Trial, changed

ADYEN_KEY: Final = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
BRAINTREE: Final = {"publicKey": "n5v3mz7gkt9qwxyc"}
PAYPAL_CERTIFICATE: Final = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-00000000-00000000-00000000"
PLAID_KEYS: Final = "https://production.plaid.com/webhook_verification_key/get#sample.adb6d68a80fa30c6"
PLAID_SECRET: Final = "9a8b7c6d5e4f3a2b1c0d"
PLAID: Final = {"clientId": "5f1a2b3c4d5e6f7a8b9c0d1e"}
WEBHOOK_ID: Final = "4JH86294D6297924G"

_ED25519: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_OTHER_ED25519: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
_P256: Final = ec.derive_private_key(7001, ec.SECP256R1())
_OTHER_P256: Final = ec.derive_private_key(7002, ec.SECP256R1())


def _seed(key: ed25519.Ed25519PrivateKey) -> str:
    return base64.b64encode(key.private_bytes_raw()).decode()


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


TELNYX_SEED: Final = _seed(_ED25519)
TELNYX_PUBLIC: Final = base64.b64encode(_ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
PLAID_PEM: Final = _pem(_P256)


def plaid_answers(**more: object) -> bytes:
    """What Plaid's API answers, if asked for the key."""
    key = jwt.algorithms.ECAlgorithm.to_jwk(_P256.public_key(), as_dict=True)
    return orjson.dumps({"key": {**key, "kid": "sample", "alg": "ES256", "use": "sig", **more}, "request_id": "RZ6Omi"})


def form_of(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def instead(new: str, _: str) -> str:
    """For `changed`: another value, whatever it was."""
    return new


def with_body(request: Request, body: bytes) -> Request:
    return Request(request.method, request.url, request.headers, body)


def _braintree_unsigned(request: Request) -> Request:
    return with_body(request, urlencode({"bt_payload": form_of(request)["bt_payload"]}).encode())


def _braintree_twice(request: Request) -> Request:
    return with_body(request, request.body + b"&" + urlencode({"bt_signature": "a|b"}).encode())


def _braintree_base64(request: Request) -> Request:
    form = form_of(request)
    public, _, signature = form["bt_signature"].partition("|")
    other = base64.b64encode(bytes.fromhex(signature)).decode()
    return with_body(request, urlencode({**form, "bt_signature": f"{public}|{other}"}).encode())


def _adyen_hexadecimal(request: Request) -> Request:
    document = orjson.loads(request.body)
    told = document["notificationItems"][0]["NotificationRequestItem"]["additionalData"]
    told["hmacSignature"] = base64.b64decode(told["hmacSignature"]).hex()
    return with_body(request, orjson.dumps(document))


def _adyen_unsigned(request: Request) -> Request:
    document = orjson.loads(request.body)
    del document["notificationItems"][0]["NotificationRequestItem"]["additionalData"]["hmacSignature"]
    return with_body(request, orjson.dumps(document))


def _plaid_later(request: Request) -> Request:
    """The token with another `iat`, and the signature that it had."""

    def later(token: str) -> str:
        head, payload, signature = token.split(".")
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        body = base64.urlsafe_b64encode(orjson.dumps({**claims, "iat": claims["iat"] + 1})).rstrip(b"=").decode()
        return f"{head}.{body}.{signature}"

    return changed(request, "plaid-verification", later)


def _upper(request: Request) -> Request:
    return changed(request, "x-vgs-signature", str.upper)


def _untimed(why: str) -> dict[str, str]:
    return dict.fromkeys(("tampered timestamp", "too old", "too far in the future"), why)


_UNTIMED: Final = _untimed("no timestamp is signed")
_PUBLIC: Final = {"old secret while rotating": "verified by a public key, which the owner replaces"}
_IN_BODY: Final = {"duplicated header": "the signature is in the body, as JSON"}
_SECRET: Final = Config(("hush-8f14e45fceea167a5a36dedd4bea2543",))
_STRANGER: Final = Config(("loud-c9f0f895fb98ab9159f51fd0297e236d",))
_THREE_DAYS: Final = 3 * 86400.0 + 300.0


def _paypal(name: str) -> Config:
    return Config(options={"webhookId": WEBHOOK_ID, "privateKey": signers.private_pem(name)})


TRIALS: Final = (
    Trial("stripe", "invoice.paid", _SECRET, _STRANGER, ("stripe-signature",), "stripe-signature"),
    Trial("square", "payment.updated", _SECRET, _STRANGER, ("x-square-hmacsha256-signature",), exempt=_UNTIMED),
    Trial(
        "paypal",
        "PAYMENT.CAPTURE.COMPLETED",
        _paypal("paypal"),
        _paypal("stranger"),
        (
            "paypal-transmission-sig",
            "paypal-transmission-id",
            "paypal-transmission-time",
            "paypal-auth-algo",
            "paypal-cert-url",
        ),
        "paypal-transmission-time",
        _THREE_DAYS,
        fetched={PAYPAL_CERTIFICATE: signers.certificate("paypal")},
        exempt=_PUBLIC,
    ),
    Trial("paddle", "subscription.activated", _SECRET, _STRANGER, ("paddle-signature",), "paddle-signature"),
    Trial(
        "adyen",
        "AUTHORISATION",
        Config((ADYEN_KEY,)),
        Config((ADYEN_KEY[::-1],)),
        (),
        own={"wrong encoding": _adyen_hexadecimal, "missing header": _adyen_unsigned},
        exempt=_UNTIMED | _IN_BODY,
    ),
    Trial(
        "adyen",
        "balancePlatform.balanceAccount.updated",
        Config((ADYEN_KEY,)),
        Config((ADYEN_KEY[::-1],)),
        ("hmacsignature",),
        exempt=_UNTIMED,
    ),
    Trial(
        "braintree",
        "subscription_charged_successfully",
        Config(_SECRET.secrets, BRAINTREE),
        Config(_STRANGER.secrets, BRAINTREE),
        (),
        own={
            "missing header": _braintree_unsigned,
            "duplicated header": _braintree_twice,
            "wrong encoding": _braintree_base64,
        },
        exempt=_UNTIMED,
    ),
    Trial(
        "plaid",
        "TRANSACTIONS.SYNC_UPDATES_AVAILABLE",
        Config((PLAID_SECRET,), {**PLAID, "privateKey": PLAID_PEM}),
        Config((PLAID_SECRET,), {**PLAID, "privateKey": _pem(_OTHER_P256)}),
        ("plaid-verification",),
        fetched={PLAID_KEYS: plaid_answers(expired_at=None)},
        own={"tampered timestamp": _plaid_later},
        exempt=_PUBLIC,
    ),
    Trial("shopify", "orders.create", _SECRET, _STRANGER, ("x-shopify-hmac-sha256",), exempt=_UNTIMED),
    Trial("woocommerce", "order.created", _SECRET, _STRANGER, ("x-wc-webhook-signature",), exempt=_UNTIMED),
    Trial(
        "bigcommerce",
        "store.order.created",
        _SECRET,
        _STRANGER,
        ("webhook-signature", "webhook-id", "webhook-timestamp"),
        "webhook-timestamp",
    ),
    Trial(
        "airwallex",
        "payment_intent.succeeded",
        _SECRET,
        _STRANGER,
        ("x-signature", "x-timestamp"),
        "x-timestamp",
        _THREE_DAYS,
    ),
    Trial("checkbook", "CHECK.PAID", _SECRET, _STRANGER, ("signature",), exempt=_untimed("the nonce is no time")),
    Trial(
        "orum-io",
        "external_account_created",
        Config(options={"publicKey": signers.public_pem("paypal"), "privateKey": signers.private_pem("paypal")}),
        Config(options={"publicKey": signers.public_pem("paypal"), "privateKey": signers.private_pem("stranger")}),
        ("signature",),
        exempt=_untimed("the signed time is the event's, and any age of it counts") | _PUBLIC,
    ),
    Trial("rutter", "ORDER.ORDER_CREATED", _SECRET, _STRANGER, ("x-rutter-signature",), exempt=_UNTIMED),
    Trial(
        "vgs",
        "cmp_au_card.updated",
        _SECRET,
        _STRANGER,
        ("x-vgs-signature",),
        own={"wrong encoding": _upper},
        exempt=_UNTIMED,
    ),
    Trial("easypost", "tracker.updated", _SECRET, _STRANGER, ("x-hmac-signature",), exempt=_UNTIMED),
    Trial(
        "telnyx",
        "message.received",
        Config(options={"publicKey": TELNYX_PUBLIC, "privateKey": TELNYX_SEED}),
        Config(options={"publicKey": TELNYX_PUBLIC, "privateKey": _seed(_OTHER_ED25519)}),
        ("telnyx-signature-ed25519", "telnyx-timestamp"),
        "telnyx-timestamp",
        exempt=_PUBLIC,
    ),
)
TRIAL_OF: Final = {trial.provider: trial for trial in reversed(TRIALS)}
