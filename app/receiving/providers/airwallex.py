"""Airwallex: https://www.airwallex.com/docs/developer-tools/webhooks/listen-for-webhook-events (signatures) and
https://www.airwallex.com/docs/developer-tools/webhooks/webhooks-overview (ids, retries).

`x-signature` is the hex of HMAC-SHA256 of `x-timestamp` (Unix milliseconds) and the body, without anything between.
Airwallex names no tolerance, advises to order events by this time, and retries for about three days.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request, within

_SIGNATURE: Final = "x-signature"
_TIMESTAMP: Final = "x-timestamp"
# A retry may still have the time of the first attempt: what is older than the last retry is a replay.
_TOLERANCE: Final = 3 * 86400.0 + 300.0


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    stamp = request.header(_TIMESTAMP)
    given = schemes.from_hex(request.header(_SIGNATURE))
    within(schemes.seconds(stamp) / 1000, moment.now, _TOLERANCE)
    schemes.check_mac(given, config.secrets, stamp.encode() + request.body)
    return Event(request.text("name"), request.text("id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    stamp = str(int(now * 1000))
    headers = (
        ("content-type", "application/json"),
        (_TIMESTAMP, stamp),
        (_SIGNATURE, schemes.mac(config.secrets[0], stamp.encode() + body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="airwallex",
        title="Airwallex",
        documentation="https://www.airwallex.com/docs/developer-tools/webhooks/listen-for-webhook-events",
        header="`x-signature`",
        algorithm="HMAC-SHA256 of the timestamp and the body, hex",
        timestamp="`x-timestamp` (milliseconds), three days and 5 min: as long as Airwallex retries",
        dedupe="`id` of the body",
        oracle="none: Airwallex publishes neither vectors nor a package that verifies",
        fields=(Field("secret", "The secret of the webhook subscription.", "whsec_UCJz-kvNJXYiSRKyEbYw2PTmUBVHMXgk"),),
        verify=_verify,
        sign=_sign,
        setup="Settings, Developer, Webhooks: create one with the source's URL; its secret is shown with it.",
    ),
)
