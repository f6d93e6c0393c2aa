"""One trial or more for each of those who send messages and mail, and tell of forms, calls and agents."""

import base64
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.receiving.contract import Config, Request
from tests.receiving.mutations import NOW, Trial

_UNSIGNED_BODY: Final = "the secret itself is sent; nothing covers the body"
_NO_TIMESTAMP: Final = dict.fromkeys(
    ("tampered timestamp", "too old", "too far in the future"), "the provider sends no timestamp that is signed"
)
_ONE_KEY: Final = {"old secret while rotating": "there is a public key of the provider's, and no secret"}
_SECRET_SENT: Final = {
    **_NO_TIMESTAMP,
    "tampered body": _UNSIGNED_BODY,
    "wrong encoding": "the secret is compared as it is; another one is rejected as a wrong secret",
}

SECRET: Final = Config(("a-first-secret-that-is-long-enough",))
OTHER: Final = Config(("another-secret-that-is-long-enough",))


def key_pair(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> Config:
    """Of a source that has the public half, and of who signs samples for it."""
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    halves = {"publicKey": public, "privateKey": private}
    return Config((), {name: base64.b64encode(half).decode() for name, half in halves.items()})


def with_signature(change: Callable[[dict[str, str]], object], request: Request) -> Request:
    """Mailgun's signature, which stands in the body."""
    body = orjson.loads(request.body)
    change(body["signature"])
    return Request(request.method, request.url, request.headers, orjson.dumps(body))


MAILGUN: Final = Trial(
    "mailgun",
    "delivered",
    SECRET,
    OTHER,
    headers=(),
    tolerance=8 * 3600 + 600,
    own={
        "tampered timestamp": partial(with_signature, lambda told: told.update(timestamp=str(int(NOW) + 1))),
        "missing header": partial(with_signature, lambda told: told.pop("signature")),
        "wrong encoding": partial(
            with_signature,
            lambda told: told.update(signature=base64.b64encode(bytes.fromhex(told["signature"])).decode()),
        ),
    },
    exempt={
        "tampered body": "Mailgun's signature does not cover the event; the token makes it one that came before",
        "duplicated header": "the signature stands in the body, not in a header",
    },
)

TRIALS: Final = (
    Trial(
        "slack",
        "app_mention",
        SECRET,
        OTHER,
        headers=("x-slack-signature", "x-slack-request-timestamp"),
        stamp="x-slack-request-timestamp",
    ),
    Trial("twilio", "message.delivered", SECRET, OTHER, headers=("x-twilio-signature",), exempt=_NO_TIMESTAMP),
    Trial(
        "twilio",
        "com.twilio.messaging.message.delivered",
        SECRET,
        OTHER,
        headers=("x-twilio-signature",),
        exempt=_NO_TIMESTAMP,
    ),
    Trial(
        "sendgrid",
        "delivered",
        key_pair(ec.generate_private_key(ec.SECP256R1())),
        key_pair(ec.generate_private_key(ec.SECP256R1())),
        headers=("x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"),
        stamp="x-twilio-email-event-webhook-timestamp",
        tolerance=24 * 3600 + 300,
        exempt=_ONE_KEY,
    ),
    MAILGUN,
    Trial(
        "postmark",
        "Delivery",
        Config(SECRET.secrets, {"username": "postmark"}),
        Config(OTHER.secrets, {"username": "postmark"}),
        headers=("authorization",),
        exempt={name: why for name, why in _SECRET_SENT.items() if name != "wrong encoding"},
    ),
    Trial(
        "zoom",
        "meeting.started",
        SECRET,
        OTHER,
        headers=("x-zm-signature", "x-zm-request-timestamp"),
        stamp="x-zm-request-timestamp",
    ),
    Trial(
        "discord",
        "APPLICATION_AUTHORIZED",
        key_pair(ed25519.Ed25519PrivateKey.generate()),
        key_pair(ed25519.Ed25519PrivateKey.generate()),
        headers=("x-signature-ed25519", "x-signature-timestamp"),
        stamp="x-signature-timestamp",
        exempt=_ONE_KEY,
    ),
    Trial(
        "meta",
        "whatsapp_business_account.messages",
        SECRET,
        OTHER,
        headers=("x-hub-signature-256",),
        exempt=_NO_TIMESTAMP,
    ),
    Trial(
        "twitter",
        "tweet_create_events",
        SECRET,
        OTHER,
        headers=("x-twitter-webhooks-signature",),
        exempt=_NO_TIMESTAMP,
    ),
    Trial(
        "telegram",
        "message",
        SECRET,
        OTHER,
        headers=("x-telegram-bot-api-secret-token",),
        exempt=_SECRET_SENT,
    ),
    Trial("line", "message", SECRET, OTHER, headers=("x-line-signature",), exempt=_NO_TIMESTAMP),
    Trial(
        "hubspot",
        "contact.creation",
        SECRET,
        OTHER,
        headers=("x-hubspot-signature-v3", "x-hubspot-request-timestamp"),
        stamp="x-hubspot-request-timestamp",
    ),
    Trial("typeform", "form_response", SECRET, OTHER, headers=("typeform-signature",), exempt=_NO_TIMESTAMP),
    Trial(
        "calendly",
        "invitee.created",
        SECRET,
        OTHER,
        headers=("calendly-webhook-signature",),
        stamp="calendly-webhook-signature",
        tolerance=180,
    ),
    Trial("openclaw", "finished", SECRET, OTHER, headers=("authorization",), exempt=_SECRET_SENT),
    Trial("nango", "auth", SECRET, OTHER, headers=("x-nango-hmac-sha256",), exempt=_NO_TIMESTAMP),
    Trial("vapi", "status-update", SECRET, OTHER, headers=("x-vapi-signature",), exempt=_NO_TIMESTAMP),
    Trial("veriff", "decision.approved", SECRET, OTHER, headers=("x-hmac-signature",), exempt=_NO_TIMESTAMP),
)


def trial_of(provider: str, event: str | None = None) -> Trial:
    """The provider's first trial; with another sample."""
    trial = next(trial for trial in TRIALS if trial.provider == provider)
    return replace(trial, event=event) if event else trial
