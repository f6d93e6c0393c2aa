"""Vercel: https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks.

`x-vercel-signature` is the hex of HMAC-SHA1 of the body, under the webhook's secret (the client secret, if it is an
integration's).
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-vercel-signature"


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    schemes.check_hex(request.header(_SIGNATURE), config.secrets, request.body, "sha1")
    return Event(request.text("type"), request.text("id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        (_SIGNATURE, schemes.mac(config.secrets[0], body, "sha1").hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="vercel",
        title="Vercel",
        documentation="https://vercel.com/docs/webhooks/webhooks-api",
        header="`x-vercel-signature`",
        algorithm="HMAC-SHA1 of the body, hex",
        timestamp=None,
        dedupe="`id` of the body",
        oracle="none: Vercel publishes neither a package that verifies nor a signed example",
        fields=(
            Field("secret", "The webhook's secret; of an integration, its client secret.", "tQ7mZ2kLx9VbNc4RyW8sHd1g"),
        ),
        verify=_verify,
        sign=_sign,
        setup="Team settings → Webhooks → Create Webhook: the URL, and the events; the secret is shown once.",
    ),
)
