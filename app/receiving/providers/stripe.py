"""Stripe: https://docs.stripe.com/webhooks/signature and https://docs.stripe.com/webhooks (events).

`Stripe-Signature` holds `t=` (Unix seconds) and one or more `v1=`: HMAC-SHA256 of `t.body` under the endpoint's secret,
`whsec_` included, hex. Schemes other than `v1` are to be ignored, lest somebody downgrade.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, within

_HEADER: Final = "stripe-signature"
# Stripe sends one for each secret that is being rotated.
_MOST_SIGNATURES: Final = 10


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    parts = [part.partition("=") for part in request.header(_HEADER).split(",")]
    stamps = [value for name, _, value in parts if name.strip() == "t"]
    signatures = [value for name, _, value in parts if name.strip() == "v1"]
    if len(stamps) != 1 or not 1 <= len(signatures) <= _MOST_SIGNATURES:
        raise Rejection("The header stripe-signature must hold one t= and at least one v1=.")
    within(schemes.seconds(stamps[0]), moment.now)
    content = stamps[0].encode() + b"." + request.body
    expected = [schemes.mac(secret, content).hex() for secret in config.secrets]
    if not schemes.any_same(signatures, expected):
        raise Rejection(schemes.WRONG)
    return Event(request.text("type"), request.text("id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    signature = schemes.mac(config.secrets[0], f"{int(now)}.".encode() + body).hex()
    headers = (
        ("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
        ("content-type", "application/json; charset=utf-8"),
        (_HEADER, f"t={int(now)},v1={signature}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="stripe",
        title="Stripe",
        documentation="https://docs.stripe.com/webhooks/signature",
        header="`Stripe-Signature`",
        algorithm="HMAC-SHA256 of `t.body`, hex (`v1`)",
        timestamp="`t=` in the header, 5 min",
        dedupe="`id` of the body",
        oracle="stripe (PyPI)",
        fields=(
            Field(
                "secret", "The endpoint's signing secret, with its `whsec_`.", "whsec_5d41402abc4b2a76b9719d911017c592"
            ),
        ),
        verify=_verify,
        sign=_sign,
        setup="Workbench, Webhooks: create an event destination of type webhook endpoint with the source's URL; its "
        "signing secret is shown with it.",
    ),
)
