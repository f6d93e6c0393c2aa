"""Airtable: https://airtable.com/developers/web/api/webhooks-overview#webhook-notification-delivery.

`X-Airtable-Content-MAC` is `hmac-sha256=` and the hex of HMAC-SHA256 of the body; the key is base64
(`macSecretBase64`). A notification only says that there are payloads to be listed.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "x-airtable-content-mac"
_PREFIX: Final = "hmac-sha256="


def _check_secret(text: str) -> str:
    try:
        schemes.from_base64(text)
    except Rejection:
        raise ValueError("the secret is base64: copy macSecretBase64 as Airtable answered it") from None
    return text


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    signature = schemes.after(_PREFIX, request.header(_HEADER), f"The header {_HEADER}")
    schemes.check_hex(signature, [_key(secret) for secret in config.secrets], request.body)
    return Event()


def _key(secret: str) -> bytes:
    return schemes.from_base64(secret, "The source's secret")


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        (_HEADER, f"{_PREFIX}{schemes.mac(_key(config.secrets[0]), body).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="airtable",
        title="Airtable",
        documentation="https://airtable.com/developers/web/api/webhooks-overview",
        header="`X-Airtable-Content-MAC`",
        algorithm="HMAC-SHA256 of the body, hex, after `hmac-sha256=`",
        timestamp=None,
        dedupe=None,
        oracle="pyairtable (PyPI)",
        fields=(
            Field(
                "secret",
                "`macSecretBase64`, as Airtable answered it when the webhook was created.",
                "oK5XkD3sB1yQz8vT2mR7wL4nC6hJ9pF0",
                check=_check_secret,
            ),
        ),
        verify=_verify,
        sign=_sign,
        setup="`POST https://api.airtable.com/v0/bases/{baseId}/webhooks` with the URL as `notificationUrl`; its "
        "answer holds `macSecretBase64`, once.",
    ),
)
