"""Rutter: https://docs.rutter.com/implementation-guides/webhooks.

`X-Rutter-Signature` is `sha256=` and the base64 of HMAC-SHA256 of the body under the organization's client secret.
Webhooks have no id, and different ones may have the same body.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "x-rutter-signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    version, _, encoded = request.header(_HEADER).partition("=")
    if version != "sha256":
        raise Rejection("The header x-rutter-signature must begin with sha256=.")
    schemes.check_mac(schemes.from_base64(encoded), config.secrets, request.body)
    kind, code = request.text("type"), request.text("code")
    return Event(f"{kind}.{code}" if kind and code else kind)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    signature = b64encode(schemes.mac(config.secrets[0], body)).decode()
    headers = (("content-type", "application/json"), (_HEADER, f"sha256={signature}"))
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="rutter",
        title="Rutter",
        documentation="https://docs.rutter.com/implementation-guides/webhooks",
        header="`X-Rutter-Signature`",
        algorithm="HMAC-SHA256 of the body, base64",
        timestamp=None,
        dedupe=None,
        oracle="none: Rutter publishes neither vectors nor a package that verifies",
        fields=(Field("secret", "The organization's client secret.", "production_secret_1f9c8a47"),),
        verify=_verify,
        sign=_sign,
        setup="Dashboard, Platforms: enter the source's URL; the client secret is among the API keys.",
    ),
)
