"""Zendesk: https://developer.zendesk.com/documentation/webhooks/verifying/.

`X-Zendesk-Webhook-Signature` is the base64 of HMAC-SHA256 of the timestamp and the body, with nothing between;
`X-Zendesk-Webhook-Signature-Timestamp` is as RFC 3339. An invocation, with its id, may have several attempts.
"""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request, within

_SIGNATURE: Final = "x-zendesk-webhook-signature"
_TIMESTAMP: Final = "x-zendesk-webhook-signature-timestamp"
_DELIVERY: Final = "x-zendesk-webhook-invocation-id"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    stamp, given = request.header(_TIMESTAMP), request.header(_SIGNATURE)
    within(schemes.instant(stamp), moment.now)
    schemes.check_mac(schemes.from_base64(given), config.secrets, stamp.encode("latin-1", "replace") + request.body)
    name = request.text("type")
    return Event(name and name.removeprefix("zen:event-type:"), request.find(_DELIVERY))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = (
        ("user-agent", "Zendesk Webhook"),
        ("content-type", "application/json; charset=utf-8"),
        (_DELIVERY, schemes.sample_id(event, body)),
        (_TIMESTAMP, stamp),
        (_SIGNATURE, b64encode(schemes.mac(config.secrets[0], stamp.encode() + body)).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="zendesk",
        title="Zendesk",
        documentation="https://developer.zendesk.com/documentation/webhooks/verifying/",
        header="`X-Zendesk-Webhook-Signature`",
        algorithm="HMAC-SHA256 of the timestamp and the body, base64",
        timestamp="`X-Zendesk-Webhook-Signature-Timestamp`, 5 min",
        dedupe="`X-Zendesk-Webhook-Invocation-Id`",
        oracle="none: Zendesk publishes neither a package that verifies nor a signed example",
        fields=(Field("secret", "The webhook's signing secret.", "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="),),
        verify=_verify,
        sign=_sign,
        # What a trigger or an automation calls may be any of them.
        methods=frozenset({"POST", "PUT", "PATCH"}),
        setup="Admin Center → Apps and integrations → Webhooks → Create webhook: the URL, JSON, no authentication; "
        "then reveal the signing secret.",
    ),
)
