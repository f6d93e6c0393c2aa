"""PandaDoc: https://developers.pandadoc.com/docs/webhook-verification (signatures) and
https://developers.pandadoc.com/reference/webhook-payload (events).

The query parameter `signature` is the hex of HMAC-SHA256 of the body under the subscription's shared key. The body is
an array of one notification or more; none has an id of its own, but the request has one since July 2026, when PandaDoc
began to send again by itself: `X-PandaDoc-Webhook-Event-Id`.
"""

from typing import Final
from urllib.parse import urlsplit

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import name_of_all

_PARAMETER: Final = "signature"
_ID: Final = "x-pandadoc-webhook-event-id"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    given = request.query(_PARAMETER)
    if not given:
        raise Rejection("The query parameter signature is missing.")
    schemes.check_mac(schemes.from_hex(given), config.secrets, request.body)
    if not isinstance(request.json, list):
        raise Rejection("The body is not an array of notifications.", 400)
    return Event(name_of_all(request.texts("event")), request.find(_ID))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    joint = "&" if urlsplit(url).query else "?"
    signed = f"{url}{joint}{_PARAMETER}={schemes.mac(config.secrets[0], body).hex()}"
    headers = (("content-type", "application/json"), (_ID, schemes.sample_id(event, body)))
    return Request("POST", signed, headers, body)


PROVIDERS: Final = (
    Provider(
        name="panda-doc",
        title="PandaDoc",
        documentation="https://developers.pandadoc.com/docs/webhook-verification",
        header="`signature` of the query",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe="`X-PandaDoc-Webhook-Event-Id`",
        oracle="none: openssl computes the MAC that PandaDoc's documentation describes",
        fields=(Field("secret", "The shared key of the webhook subscription.", "Bm4zpFcGtWfRqWvTeXyZkL"),),
        verify=_verify,
        sign=_sign,
        setup="Developer Dashboard, Webhooks: create a subscription with the source's URL; it shows the shared key.",
    ),
)
