"""Adyen: https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures.

Standard webhooks: `additionalData.hmacSignature` of each item is the base64 of HMAC-SHA256 of eight of its fields,
joined by colons; the rest of an item is not signed. Others (platforms, banking, management): the header
`HmacSignature` is that of the whole body. The key is the hexadecimal one of the webhook's page, as bytes. Items are one
event if pspReference, eventCode and success are the same; other webhooks have no id of their own.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import Answer, CannotSign, Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import id_of_all, name_of_all

_HEADER: Final = "hmacsignature"
_SIGNED: Final = (
    ("pspReference",),
    ("originalReference",),
    ("merchantAccountCode",),
    ("merchantReference",),
    ("amount", "value"),
    ("amount", "currency"),
    ("eventCode",),
    ("success",),
)
_Item = Callable[..., str | None]


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    secrets = [_key(secret) for secret in config.secrets]
    given = request.find(_HEADER)
    if given:
        schemes.check_mac(schemes.from_base64(given), secrets, request.body)
        # The signature of an item must not pass for that of a body: items are signed as a line of text.
        if not isinstance(request.json, dict):
            raise Rejection("The body is no JSON object.", 400)
        return Event(request.text("type"))
    names, ids = [], []
    for item in _items(request):
        signature, content = item("additionalData", "hmacSignature"), _content(item)
        if not signature:
            raise Rejection("An item has no hmacSignature: give the webhook an HMAC key at Adyen.")
        # Nor the other way round.
        if content.startswith(b"{"):
            raise Rejection("An item is none of Adyen's.", 400)
        schemes.check_mac(schemes.from_base64(signature), secrets, content)
        names.append(item("eventCode"))
        ids.append(f"{item('pspReference')}.{item('eventCode')}.{item('success')}")
    if not ids:
        raise Rejection("There is neither a header hmacsignature nor a list notificationItems in the body.")
    return Event(name_of_all(names), id_of_all(ids))


def _items(request: Request) -> Iterator[_Item]:
    """For each item, what gives the text at a path into it."""
    found = request.json
    listed = found.get("notificationItems") if isinstance(found, dict) else None
    for index in range(len(listed) if isinstance(listed, list) else 0):
        yield partial(request.text, "notificationItems", index, "NotificationRequestItem")


def _content(item: _Item) -> bytes:
    # A JSON text may hold half of a surrogate pair, which Adyen's never do.
    return ":".join(item(*path) or "" for path in _SIGNED).encode("utf-8", "surrogatepass")


def _key(secret: str) -> bytes:
    return schemes.from_hex(secret, "The source's secret")


def _check_secret(text: str) -> str:
    try:
        _key(text)
    except Rejection:
        raise ValueError("the secret is hexadecimal: copy the HMAC key as Adyen shows it") from None
    return text


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    """Signs items in the body where there are any, else the body."""
    headers = [("content-type", "application/json; charset=utf-8"), ("user-agent", "Adyen HttpClient 1.0")]
    key = _key(config.secrets[0])
    request = Request("POST", url, (), body)
    items = list(_items(request))
    if not items:
        headers += [("protocol", "HmacSHA256"), (_HEADER, b64encode(schemes.mac(key, body)).decode())]
        return Request("POST", url, tuple(headers), body)
    # Adyen's numbers and texts are such that they are written again as they were.
    document = orjson.loads(body)
    for index, item in enumerate(items):
        inner = document["notificationItems"][index].get("NotificationRequestItem")
        if not isinstance(inner, dict):
            raise CannotSign("each of notificationItems must have a NotificationRequestItem")
        signature = b64encode(schemes.mac(key, _content(item))).decode()
        inner["additionalData"] = {**inner.get("additionalData", {}), "hmacSignature": signature}
    return Request("POST", url, tuple(headers), orjson.dumps(document))


PROVIDERS: Final = (
    Provider(
        name="adyen",
        title="Adyen",
        documentation="https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
        header="`additionalData.hmacSignature` of each item in the body; else `HmacSignature`",
        algorithm="HMAC-SHA256 of eight fields of the item (of the body), base64; the key is hexadecimal",
        timestamp=None,
        dedupe="`pspReference`, `eventCode` and `success` of the items; none for what is signed by the header",
        oracle="Adyen (PyPI)",
        fields=(
            Field(
                "secret",
                "The webhook's HMAC key, hexadecimal.",
                "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
                check=_check_secret,
            ),
        ),
        verify=_verify,
        sign=_sign,
        # Whoever has had a webhook for long may still be asked for this body; to the others it is a 2xx.
        accepted=Answer(200, b"[accepted]", "text/plain"),
        setup="Customer Area, Developers, Webhooks: create one with the source's URL and method JSON; generate its "
        "HMAC key under Security.",
    ),
)
