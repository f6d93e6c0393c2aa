"""Discord: https://docs.discord.com/developers/events/webhook-events (events, PING) and
https://docs.discord.com/developers/interactions/overview#setting-up-an-endpoint (signatures, interactions).

`X-Signature-Ed25519` is the hex of an Ed25519 signature of `X-Signature-Timestamp` (Unix seconds) and the body, without
anything between, of the application's key. A PING (`type` 0) and events are answered 204; the PING of an interactions
endpoint (`type` 1, without an `event`) with `{"type": 1}`.
"""

import hashlib
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from app.receiving import keys, schemes
from app.receiving.contract import (
    Answer,
    CannotSign,
    Config,
    Event,
    Field,
    Moment,
    Provider,
    Rejection,
    Request,
    within,
)

_SIGNATURE: Final = "x-signature-ed25519"
_TIMESTAMP: Final = "x-signature-timestamp"
_JSON: Final = "application/json"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    stamp, given = request.header(_TIMESTAMP), schemes.from_hex(request.header(_SIGNATURE))
    within(schemes.seconds(stamp), moment.now)
    schemes.check_signature(keys.public_key_of(config), given, stamp.encode() + request.body)
    if not isinstance(request.json, dict):
        raise Rejection("The body is not one of Discord's.", 400)
    kind = request.text("type")
    if kind == "0":
        return Answer(204, b"", _JSON)
    if "event" in request.json:
        # Its time (of microseconds) is in the body: another event has another.
        told = request.text("event", "timestamp")
        return Event(request.text("event", "type"), hashlib.sha256(request.body).hexdigest() if told else None)
    if kind == "1":
        return Answer(200, b'{"type":1}', _JSON)
    return Event("interaction", request.text("id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    stamp = str(int(now))
    key = keys.private_key(config)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise CannotSign("Discord signs with Ed25519: give an Ed25519 key as privateKey")
    headers = (
        ("user-agent", "Discord-Webhook/1.0 (+https://discord.com)"),
        ("content-type", _JSON),
        (_TIMESTAMP, stamp),
        (_SIGNATURE, key.sign(stamp.encode() + body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="discord",
        title="Discord",
        documentation="https://docs.discord.com/developers/events/webhook-events",
        header="`X-Signature-Ed25519`",
        algorithm="Ed25519 of the timestamp and the body, hex",
        timestamp="`X-Signature-Timestamp`, 5 min",
        dedupe="SHA-256 of the body, which has the event's `timestamp`; `id` of interactions",
        oracle="discord-interactions (PyPI)",
        fields=(
            Field(
                "publicKey",
                "The application's public key (hex), of its page General Information.",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                secret=False,
                check=keys.check_public_key,
            ),
        ),
        verify=_verify,
        sign=_sign,
        handshake='PING: answered 204 (events) or `{"type": 1}` (interactions)',
        accepted=Answer(204, b"", _JSON),
        setup="Developer Portal, your application, Webhooks: Endpoint. The public key is on the page General "
        "Information.",
    ),
)
