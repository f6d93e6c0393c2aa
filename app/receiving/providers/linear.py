"""Linear: https://linear.app/developers/webhooks.

`Linear-Signature` is the hex of HMAC-SHA256 of the body, in which `webhookTimestamp` (Unix, milliseconds) says when it
was sent: not more than a minute ago. `Linear-Delivery` is a UUID of what is sent.
"""

from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import CannotSign, Config, Event, Field, Moment, Provider, Rejection, Request, within

_SIGNATURE: Final = "linear-signature"
_DELIVERY: Final = "linear-delivery"
_STAMP: Final = "webhookTimestamp"
_TOLERANCE: Final = 60.0


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    schemes.check_hex(request.header(_SIGNATURE), config.secrets, request.body)
    stamp = request.text(_STAMP)
    if stamp is None:
        raise Rejection(f"The body has no {_STAMP}.", 400)
    within(schemes.seconds(stamp, _STAMP) / 1000, moment.now, _TOLERANCE)
    kind, action = request.text("type"), request.text("action")
    return Event(f"{kind}.{action}" if kind and action else kind, request.find(_DELIVERY))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise CannotSign("Linear's timestamp stands in the body: give a JSON object")
    stamped = orjson.dumps({**content, _STAMP: int(now * 1000)})
    headers = (
        ("user-agent", "Linear-Webhook"),
        ("content-type", "application/json; charset=utf-8"),
        ("linear-event", event.partition(".")[0]),
        (_DELIVERY, schemes.sample_id(event, body)),
        (_SIGNATURE, schemes.mac(config.secrets[0], stamped).hex()),
    )
    return Request("POST", url, headers, stamped)


PROVIDERS: Final = (
    Provider(
        name="linear",
        title="Linear",
        documentation="https://linear.app/developers/webhooks",
        header="`Linear-Signature`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp="`webhookTimestamp` of the body, 1 min",
        dedupe="`Linear-Delivery`",
        oracle="@linear/sdk (npm)",
        fields=(Field("secret", "The webhook's signing secret.", "lin_wh_4pQd8sYvK2mXnRzT"),),
        verify=_verify,
        sign=_sign,
        setup="Settings → API → Webhooks → New webhook: the URL; the signing secret is on the webhook's page.",
    ),
)
