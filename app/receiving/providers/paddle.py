"""Paddle Billing: https://developer.paddle.com/webhooks/signature-verification.

`Paddle-Signature` holds `ts=` (Unix seconds) and one or more `h1=`, divided by semicolons: HMAC-SHA256 of `ts:body`
under the secret key of the notification destination, hex. There are several while the key is rotated.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, within

_HEADER: Final = "paddle-signature"
_MOST_SIGNATURES: Final = 10


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    parts = [part.partition("=") for part in request.header(_HEADER).split(";")]
    stamps = [value for name, _, value in parts if name.strip() == "ts"]
    signatures = [value for name, _, value in parts if name.strip() == "h1"]
    if len(stamps) != 1 or not 1 <= len(signatures) <= _MOST_SIGNATURES:
        raise Rejection("The header paddle-signature must hold one ts= and at least one h1=.")
    within(schemes.seconds(stamps[0]), moment.now)
    content = stamps[0].encode() + b":" + request.body
    if not schemes.any_same(signatures, [schemes.mac(secret, content).hex() for secret in config.secrets]):
        raise Rejection(schemes.WRONG)
    return Event(request.text("event_type"), request.text("event_id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    signature = schemes.mac(config.secrets[0], f"{int(now)}:".encode() + body).hex()
    headers = (
        ("user-agent", "Paddle"),
        ("content-type", "application/json"),
        (_HEADER, f"ts={int(now)};h1={signature}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="paddle",
        title="Paddle",
        documentation="https://developer.paddle.com/webhooks/signature-verification",
        header="`Paddle-Signature`",
        algorithm="HMAC-SHA256 of `ts:body`, hex (`h1`)",
        timestamp="`ts=` in the header, 5 min",
        dedupe="`event_id` of the body",
        oracle="paddle-python-sdk (PyPI)",
        fields=(
            Field(
                "secret",
                "The secret key of the notification destination.",
                "pdl_ntfset_01gkpjp8bkm3tm53kdgkx6sms7_6h3qd3uFSi9YCD3OLYAShQI90XTI5vEI",
            ),
        ),
        verify=_verify,
        sign=_sign,
        setup="Developer tools, Notifications: create a destination of type webhook with the source's URL; edit it to "
        "copy its secret key.",
    ),
)
