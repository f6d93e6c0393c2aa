"""Telnyx: https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks (events, duplicates) and the headers
of https://developers.telnyx.com/api-reference/callbacks/number-order-status-update (signatures).

`telnyx-signature-ed25519` is the base64 of an Ed25519 signature of `timestamp|body`; the time (Unix seconds) is in
`telnyx-timestamp`. Events are in `data`, or at the top for some products.
"""

from base64 import b64encode
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.receiving import keys, schemes
from app.receiving.contract import CannotSign, Config, Event, Field, Moment, Provider, Request, within

_SIGNATURE: Final = "telnyx-signature-ed25519"
_TIMESTAMP: Final = "telnyx-timestamp"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    stamp = request.header(_TIMESTAMP)
    given = schemes.from_base64(request.header(_SIGNATURE))
    within(schemes.seconds(stamp), moment.now)
    schemes.check_signature(keys.public_key_of(config), given, stamp.encode() + b"|" + request.body)
    return Event(
        request.text("data", "event_type") or request.text("event_type"),
        request.text("data", "id") or request.text("id"),
    )


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    stamp = str(int(now))
    key = keys.private_key(config)
    if not isinstance(key, Ed25519PrivateKey):
        raise CannotSign("Telnyx signs with Ed25519: give an Ed25519 key as privateKey")
    headers = (
        ("user-agent", "telnyx-webhooks"),
        ("content-type", "application/json"),
        (_TIMESTAMP, stamp),
        (_SIGNATURE, b64encode(key.sign(stamp.encode() + b"|" + body)).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="telnyx",
        title="Telnyx",
        documentation="https://developers.telnyx.com/api-reference/callbacks/number-order-status-update",
        header="`telnyx-signature-ed25519`",
        algorithm="Ed25519 of `timestamp|body`, base64",
        timestamp="`telnyx-timestamp`, 5 min",
        dedupe="`data.id` of the body",
        oracle="PyNaCl (PyPI), by which Telnyx's package verifies",
        fields=(
            Field(
                "publicKey",
                "The account's public key, base64.",
                "e5kVq3PDhVcSUyMKQ5gbdlGFnHUZKy9sYHqSLLtqpRs=",
                secret=False,
                check=keys.check_public_key,
            ),
        ),
        verify=_verify,
        sign=_sign,
        setup="Enter the source's URL as webhook URL of the profile or connection; Mission Control, Keys & "
        "Credentials, Public Key shows the key.",
    ),
)
