"""Shopify: https://shopify.dev/docs/apps/build/webhooks/verify-deliveries.

`X-Shopify-Hmac-SHA256` is the base64 of HMAC-SHA256 of the body under the app's client secret. The topic and the ids
are headers, which are not signed. `X-Shopify-Webhook-Id` is the delivery's; `X-Shopify-Event-Id` is the same for all
topics that one action of a merchant causes, and would make one event of them.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-shopify-hmac-sha256"
_TOPIC: Final = "x-shopify-topic"
_ID: Final = "x-shopify-webhook-id"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    schemes.check_mac(schemes.from_base64(request.header(_SIGNATURE)), config.secrets, request.body)
    return Event(request.find(_TOPIC), request.find(_ID))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "Shopify-Captain-Hook"),
        ("content-type", "application/json"),
        # Names of samples have no slash.
        (_TOPIC, event.replace(".", "/")),
        (_ID, schemes.sample_id(event, body)),
        ("x-shopify-shop-domain", "acme.myshopify.com"),
        ("x-shopify-api-version", "2026-10"),
        (_SIGNATURE, b64encode(schemes.mac(config.secrets[0], body)).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="shopify",
        title="Shopify",
        documentation="https://shopify.dev/docs/apps/build/webhooks/verify-deliveries",
        header="`X-Shopify-Hmac-SHA256`",
        algorithm="HMAC-SHA256 of the body, base64",
        timestamp=None,
        dedupe="`X-Shopify-Webhook-Id`",
        oracle="@shopify/shopify-api (npm)",
        fields=(Field("secret", "The app's client secret.", "hush-8f14e45fceea167a5a36dedd4bea2543"),),
        verify=_verify,
        sign=_sign,
        setup="Subscribe to topics in the app's configuration (or in the admin, Settings, Notifications) with the "
        "source's URL; the client secret is on the app's page.",
    ),
)
