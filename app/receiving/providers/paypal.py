"""PayPal: https://developer.paypal.com/api/rest/webhooks/rest/ (signatures, retries).

`paypal-transmission-sig` is the base64 of an RSA-SHA256 signature (PKCS #1 v1.5) of
`transmission id|transmission time|webhook id|CRC-32 of the body, decimal`. The key is that of the certificate at
`paypal-cert-url`. PayPal names no tolerance for the time, and retries for three days.
"""

import re
import zlib
from base64 import b64encode
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from app.receiving import keys, schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, Wanted, within

_ID: Final = "paypal-transmission-id"
_TIME: Final = "paypal-transmission-time"
_SIGNATURE: Final = "paypal-transmission-sig"
_ALGORITHM: Final = "paypal-auth-algo"
_CERTIFICATE: Final = "paypal-cert-url"
_RSA: Final = "SHA256withRSA"
_ADDRESS: Final = re.compile(
    r"https://api(\.sandbox)?\.paypal\.com/v1/notifications/certs/[A-Za-z0-9-]{1,100}", re.ASCII
)
# A retry may still have the time of the first transmission: what is older than the last retry is a replay.
_TOLERANCE: Final = 3 * 86400.0 + 300.0


def _verify(request: Request, config: Config, moment: Moment) -> Event | Wanted:
    transmission, stamp = request.header(_ID), request.header(_TIME)
    given = schemes.from_base64(request.header(_SIGNATURE))
    if request.header(_ALGORITHM) != _RSA:
        raise Rejection(f"The header {_ALGORITHM} must be {_RSA}.")
    within(schemes.instant(stamp), moment.now, _TOLERANCE)
    document = config.options.get("certificate", "").encode()
    if not document:
        address = request.header(_CERTIFICATE)
        if not _ADDRESS.fullmatch(address):
            raise Rejection(f"The header {_CERTIFICATE} is not the address of one of PayPal's certificates.")
        if address not in moment.fetched:
            return Wanted(address)
        document = moment.fetched[address]
    content = _content(transmission, stamp, config.option("webhookId"), request.body)
    schemes.check_signature(keys.key_of_certificate(document, moment.now), given, content)
    return Event(request.text("event_type"), request.text("id"))


def _content(transmission: str, stamp: str, webhook_id: str, body: bytes) -> bytes:
    return f"{transmission}|{stamp}|{webhook_id}|{zlib.crc32(body)}".encode()


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    transmission = schemes.sample_id(event, body)
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = _content(transmission, stamp, config.options.get("webhookId", ""), body)
    signature = keys.rsa_key(config).sign(content, PKCS1v15(), SHA256())
    headers = (
        ("content-type", "application/json"),
        ("user-agent", "PayPal/AUHR-214.0-55417034"),
        ("paypal-auth-version", "v2"),
        (_ALGORITHM, _RSA),
        (_CERTIFICATE, "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-00000000-00000000-00000000"),
        (_ID, transmission),
        (_TIME, stamp),
        (_SIGNATURE, b64encode(signature).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="paypal",
        title="PayPal",
        documentation="https://developer.paypal.com/api/rest/webhooks/rest/",
        header="`paypal-transmission-sig`, `paypal-auth-algo`, `paypal-cert-url`",
        algorithm="RSA-SHA256 of `transmission id|time|webhook id|CRC-32`, base64, by the certificate at PayPal",
        timestamp="`paypal-transmission-time`, three days and 5 min: as long as PayPal retries",
        dedupe="`id` of the body",
        oracle="the signed text in the tests of PayPal's own package (paypal-sdk-rest, RubyGems)",
        fields=(
            Field(
                "webhookId",
                "The webhook's id, as the app's page shows it; `WEBHOOK_ID` for events of the simulator.",
                "4JH86294D6297924G",
                secret=False,
            ),
            Field(
                "certificate",
                "PayPal's certificate (PEM), for installations that may not fetch it. Renew it when PayPal does.",
                keys.EXAMPLE_CERTIFICATE,
                required=False,
                secret=False,
                check=keys.check_certificate,
            ),
        ),
        verify=_verify,
        sign=_sign,
        setup="Apps & Credentials, the app, Webhooks: add the source's URL; the webhook id is listed there.",
    ),
)
