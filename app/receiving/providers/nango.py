"""Nango: https://nango.dev/docs/guides/platform/webhooks-from-nango

`X-Nango-Hmac-Sha256` is the hex of HMAC-SHA256 of the body under the environment's secret key, or
its webhook signing key where it has one. The older
`X-Nango-Signature`, a plain hash, is not looked at. Bodies have no id.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_HEADER: Final = "x-nango-hmac-sha256"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    schemes.check_mac(schemes.from_hex(request.header(_HEADER)), config.secrets, request.body)
    return Event(request.text("type"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "nango/1.0"),
        ("content-type", "application/json"),
        (_HEADER, schemes.mac(config.secrets[0], body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="nango",
        title="Nango",
        documentation="https://nango.dev/docs/guides/platform/webhooks-from-nango",
        header="`X-Nango-Hmac-Sha256`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe=None,
        oracle="@nangohq/node (npm)",
        fields=(
            Field("secret", "The signing key of the environment's webhooks.", "6512bd43-d9ca-46e0-ac99-0b0a82652dca"),
        ),
        verify=_verify,
        sign=_sign,
        setup="Environment Settings, Webhook URLs. The signing key is on the same page.",
    ),
)
