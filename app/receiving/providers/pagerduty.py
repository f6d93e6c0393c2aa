"""PagerDuty: https://developer.pagerduty.com/docs/verifying-webhook-signatures (V3 webhook subscriptions).

`X-PagerDuty-Signature` holds one or more `v1=`, divided by commas: the hex of HMAC-SHA256 of the body, one for each
secret while they are rotated. Other versions are to be ignored.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "x-pagerduty-signature"
_MOST_SIGNATURES: Final = 10


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    parts = [part.strip() for part in request.header(_HEADER).split(",")]
    given = [schemes.from_hex(part.removeprefix("v1=")) for part in parts if part.startswith("v1=")]
    if not 1 <= len(given) <= _MOST_SIGNATURES:
        raise Rejection(f"The header {_HEADER} must hold at least one v1=.")
    if not schemes.any_same(given, [schemes.mac(secret, request.body) for secret in config.secrets]):
        raise Rejection(schemes.WRONG)
    return Event(request.text("event", "event_type"), request.text("event", "id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "PagerDuty-Webhook/V3.0"),
        ("content-type", "application/json"),
        (_HEADER, f"v1={schemes.mac(config.secrets[0], body).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="pagerduty",
        title="PagerDuty",
        documentation="https://developer.pagerduty.com/docs/verifying-webhook-signatures",
        header="`X-PagerDuty-Signature`",
        algorithm="HMAC-SHA256 of the body, hex, after `v1=`",
        timestamp=None,
        dedupe="`event.id` of the body",
        oracle="none: PagerDuty's package is for Go, and its documented signatures have no body",
        fields=(Field("secret", "The subscription's signing secret.", "Kd8vQ2xZt5Lr9wYpHc3mBn7sJg1fTa4e"),),
        verify=_verify,
        sign=_sign,
        setup="Integrations → Generic Webhooks (v3) → New Webhook: the URL; the signing secret is shown once.",
    ),
)
