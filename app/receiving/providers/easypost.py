"""EasyPost: https://support.easypost.com/hc/en-us/articles/39826034964237-Webhook-HMAC-Validation and
https://docs.easypost.com/docs/events.

`X-Hmac-Signature` is `hmac-sha256-hex=` and the hex of HMAC-SHA256 of the body; the secret is normalized (Unicode NFKD)
first. It is this one that EasyPost's packages verify. A webhook without a secret is not signed.
"""

import unicodedata
from typing import Final

from app.receiving import schemes
from app.receiving.contract import CannotSign, Config, Event, Field, Moment, Provider, Rejection, Request, has_no_secret

_HEADER: Final = "x-hmac-signature"
_PREFIX: Final = "hmac-sha256-hex"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    if config.secrets:
        kind, _, encoded = request.header(_HEADER).partition("=")
        if kind != _PREFIX:
            raise Rejection(f"The header {_HEADER} must begin with {_PREFIX}=.")
        schemes.check_mac(schemes.from_hex(encoded), [_key(secret) for secret in config.secrets], request.body)
    return Event(request.text("description"), request.text("id"))


def _key(secret: str) -> bytes:
    return unicodedata.normalize("NFKD", secret).encode()


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    if not config.secrets:
        raise CannotSign("give the source a secret: without one EasyPost does not sign")
    headers = (
        ("content-type", "application/json"),
        ("user-agent", "EasyPost Web Hook"),
        (_HEADER, f"{_PREFIX}={schemes.mac(_key(config.secrets[0]), body).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="easypost",
        title="EasyPost",
        documentation="https://support.easypost.com/hc/en-us/articles/39826034964237-Webhook-HMAC-Validation",
        header="`X-Hmac-Signature`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe="`id` of the body",
        oracle="easypost (PyPI)",
        fields=(
            Field(
                "secret",
                "The webhook's secret. Without one, requests are accepted unverified.",
                "sécret-of-the-webhook",
                required=False,
            ),
        ),
        verify=_verify,
        sign=_sign,
        is_open=has_no_secret,
        setup="POST /v2/webhooks (or the dashboard) with the source's URL and, as `webhook_secret`, the secret.",
    ),
)
