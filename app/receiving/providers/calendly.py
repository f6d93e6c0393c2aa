"""Calendly: https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures

`Calendly-Webhook-Signature` holds `t=` (Unix seconds) and `v1=`: the hex of HMAC-SHA256 of `t.body` under the webhook
signing key. The documentation's samples allow 3 minutes. Nothing in the body is an id of the event: what it is about
(`payload.uri`), its kind and `created_at` are one.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, within

_HEADER: Final = "calendly-webhook-signature"
_TOLERANCE: Final = 180.0


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    parts = [part.strip().partition("=") for part in request.header(_HEADER).split(",")]
    stamps = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(stamps) != 1 or len(signatures) != 1:
        raise Rejection("The header calendly-webhook-signature must hold one t= and one v1=.")
    within(schemes.seconds(stamps[0]), moment.now, _TOLERANCE)
    content = stamps[0].encode() + b"." + request.body
    if not schemes.any_same(signatures, [schemes.mac(secret, content).hex() for secret in config.secrets]):
        raise Rejection(schemes.WRONG)
    name, about, created = request.text("event"), request.text("payload", "uri"), request.text("created_at")
    return Event(name, f"{name}.{about}.{created}" if name and about and created else None)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    signature = schemes.mac(config.secrets[0], f"{int(now)}.".encode() + body).hex()
    headers = (("content-type", "application/json"), (_HEADER, f"t={int(now)},v1={signature}"))
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="calendly",
        title="Calendly",
        documentation="https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures",
        header="`Calendly-Webhook-Signature`",
        algorithm="HMAC-SHA256 of `t.body`, hex (`v1`)",
        timestamp="`t=` in the header, 3 min",
        dedupe="`event`, `payload.uri` and `created_at` of the body",
        oracle="none: Calendly has no package, and its documentation no vectors",
        fields=(Field("secret", "The webhook signing key.", "5mEzn9C-I28UtwOjZJtFoob0sAAFZ95GbZkqj4y3i0I"),),
        verify=_verify,
        sign=_sign,
        setup="Create a webhook subscription through Calendly's API, with the URL and a `signing_key` that you "
        "have chosen.",
    ),
)
