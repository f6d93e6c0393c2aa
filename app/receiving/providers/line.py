"""LINE: https://developers.line.biz/en/reference/messaging-api/#webhooks and
https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/

`X-Line-Signature` is base64 of HMAC-SHA256 of the body under the channel's secret. A body has up to several events,
each with a `webhookEventId` that is the same when it is delivered again; one without events only asks whether the URL
answers 200.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import id_of_all, name_of_all

_HEADER: Final = "x-line-signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    schemes.check_mac(schemes.from_base64(request.header(_HEADER)), config.secrets, request.body)
    if not isinstance(request.json, dict):
        raise Rejection("The body is not one of LINE's.", 400)
    if request.json.get("events") == []:
        return Answer(200)
    return Event(name_of_all(request.texts("events", "type")), id_of_all(request.texts("events", "webhookEventId")))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "LineBotWebhook/2.0"),
        ("content-type", "application/json; charset=utf-8"),
        (_HEADER, b64encode(schemes.mac(config.secrets[0], body)).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="line",
        title="LINE",
        documentation="https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
        header="`X-Line-Signature`",
        algorithm="HMAC-SHA256 of the body, base64",
        timestamp=None,
        dedupe="`webhookEventId` of each event of the body",
        oracle="line-bot-sdk (PyPI)",
        fields=(Field("secret", "The channel's secret.", "8c570fa6dd201bb328f1c1eac23a96d8"),),
        verify=_verify,
        sign=_sign,
        handshake="a body without events: answered 200",
        setup="LINE Developers Console, your channel, Messaging API: Webhook URL. The channel secret is under "
        "Basic settings.",
    ),
)
