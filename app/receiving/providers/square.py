"""Square: https://developer.squareup.com/docs/webhooks/step3validate (signatures) and
https://developer.squareup.com/docs/webhooks/step4manage (`event_id`).

`x-square-hmacsha256-signature` is the base64 of HMAC-SHA256 of the notification URL and the body, without anything
between. The URL is the one that was entered at Square, letter by letter.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-square-hmacsha256-signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    given = schemes.from_base64(request.header(_SIGNATURE))
    schemes.check_mac(given, config.secrets, request.url.encode() + request.body)
    return Event(request.text("type"), request.text("event_id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        ("square-environment", "Sandbox"),
        (_SIGNATURE, b64encode(schemes.mac(config.secrets[0], url.encode() + body)).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="square",
        title="Square",
        documentation="https://developer.squareup.com/docs/webhooks/step3validate",
        header="`x-square-hmacsha256-signature`",
        algorithm="HMAC-SHA256 of the notification URL and the body, base64",
        timestamp=None,
        dedupe="`event_id` of the body",
        oracle="squareup (PyPI)",
        fields=(Field("secret", "The signature key of the webhook subscription.", "asdf1234-Kq9rVt3wXz"),),
        verify=_verify,
        sign=_sign,
        signs_url=True,
        setup="Developer Console, the application, Webhooks, Subscriptions: add one with the source's URL; its "
        "signature key is shown with it.",
    ),
)
