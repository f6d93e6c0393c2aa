"""WooCommerce: https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks.

`X-WC-Webhook-Signature` is the base64 of HMAC-SHA256 of the body under the webhook's secret. When a webhook is saved,
an unsigned form with `webhook_id` comes first, and must be answered 200. `X-WC-Webhook-Delivery-ID` is a hash of the
webhook's id and the second: of all that is sent in that second, so it is no event's id without the body.
"""

import hashlib
import re
from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-wc-webhook-signature"
_TOPIC: Final = "x-wc-webhook-topic"
_ID: Final = "x-wc-webhook-delivery-id"
_PING: Final = re.compile(rb"webhook_id=[0-9]{1,20}")


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    if request.find(_SIGNATURE) is None and _PING.fullmatch(request.body):
        return Answer(200)
    schemes.check_mac(schemes.from_base64(request.header(_SIGNATURE)), config.secrets, request.body)
    delivery = request.find(_ID)
    known = f"{delivery}.{hashlib.sha256(request.body).hexdigest()}" if delivery else None
    return Event(request.find(_TOPIC), known)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    resource, _, action = event.partition(".")
    headers = (
        ("user-agent", "WooCommerce/9.4 Hookshot (WordPress/6.7)"),
        ("content-type", "application/json"),
        ("x-wc-webhook-source", "https://shop.example.com/"),
        (_TOPIC, event),
        ("x-wc-webhook-resource", resource),
        ("x-wc-webhook-event", action),
        (_SIGNATURE, b64encode(schemes.mac(config.secrets[0], body)).decode()),
        ("x-wc-webhook-id", "7"),
        (_ID, schemes.sample_id("7", str(int(now)).encode())),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="woocommerce",
        title="WooCommerce",
        documentation="https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks",
        header="`X-WC-Webhook-Signature`",
        algorithm="HMAC-SHA256 of the body, base64",
        timestamp=None,
        dedupe="`X-WC-Webhook-Delivery-ID` and the SHA-256 of the body",
        oracle="none: WooCommerce is PHP, and publishes no vectors",
        fields=(Field("secret", "The webhook's secret.", "k#6jWq2&xT9!pLs4"),),
        verify=_verify,
        sign=_sign,
        handshake="the unsigned form `webhook_id=…` that comes when a webhook is saved: answers 200",
        setup="WooCommerce, Settings, Advanced, Webhooks: add one with the source's URL as delivery URL, and a secret.",
    ),
)
