"""Segment: https://www.twilio.com/docs/segment/connections/destinations/catalog/actions-webhook.

`X-Signature` is the hex of HMAC-SHA1 of the body, if the destination has a shared secret. Several mappings of a
destination may send the same message, so that its `messageId` alone does not tell a repetition.
"""

import hashlib
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request, has_no_secret

_SIGNATURE: Final = "x-signature"


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    if config.secrets:
        schemes.check_hex(request.header(_SIGNATURE), config.secrets, request.body, "sha1")
    message_id = request.text("messageId")
    digest = hashlib.sha256(request.body).hexdigest()[:32]
    return Event(request.text("type"), f"{message_id}.{digest}" if message_id else None)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = [("content-type", "application/json")]
    if config.secrets:
        headers.append((_SIGNATURE, schemes.mac(config.secrets[0], body, "sha1").hex()))
    return Request("POST", url, tuple(headers), body)


PROVIDERS: Final = (
    Provider(
        name="segment",
        title="Segment",
        documentation="https://www.twilio.com/docs/segment/connections/destinations/catalog/actions-webhook",
        header="`X-Signature`",
        algorithm="HMAC-SHA1 of the body, hex",
        timestamp=None,
        dedupe="`messageId` and SHA-256 of the body",
        oracle="none: Segment publishes neither a package that verifies nor a signed example",
        fields=(
            Field(
                "secret",
                "The destination's shared secret. Without one, everything that arrives is accepted, unverified.",
                "n4Vb8Qz1Lk7Wx3Tc",
                required=False,
            ),
        ),
        verify=_verify,
        sign=_sign,
        is_open=has_no_secret,
        methods=frozenset({"POST", "PUT", "PATCH"}),
        setup="Connections → Catalog → Webhooks (Actions): the URL in a mapping, and a shared secret under Settings.",
    ),
)
