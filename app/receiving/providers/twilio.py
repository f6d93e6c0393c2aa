"""Twilio: https://www.twilio.com/docs/usage/security#validating-requests

`X-Twilio-Signature` is base64 of an HMAC under the account's auth token: of the whole URL, and, for a form, of each
name and value of it, sorted by name, without anything between. A body that is no form has its SHA-256, hex, in the
query (`bodySHA256`), and so in what is signed. The HMAC is SHA-1; with a shared key, the header
`X-Twilio-Webhooks-Signature-Settings` may say that it is SHA-256. Twilio adds or leaves out the URL's port, so that
both are tried. `I-Twilio-Idempotency-Token` is the same when a request is sent again; nothing signs it.
"""

import hashlib
from base64 import b64encode
from typing import Final
from urllib.parse import parse_qsl

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import id_of_all, name_of_all

_SIGNATURE: Final = "x-twilio-signature"
_SETTINGS: Final = "x-twilio-webhooks-signature-settings"
_TOKEN: Final = "i-twilio-idempotency-token"  # noqa: S105 - a header
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 1000
_DIGESTS: Final[dict[str, schemes.Digest]] = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORTS: Final = {"https": ":443", "http": ":80"}
# TwiML that says nothing: no message is sent back, and a call does not end with an error.
_NOTHING: Final = Answer(200, b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>', "text/xml")
# What tells the kind of event, by product: messaging (out and in), voice.
_KINDS: Final = (("MessageStatus", "message"), ("SmsStatus", "message"), ("CallStatus", "call"))


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    given = schemes.from_base64(request.header(_SIGNATURE))
    form = _form(request)
    if not form:
        _check_body(request)
    signed = "".join(name + value for name, value in sorted(set(form)))
    digest = _digest(request)
    expected = [
        schemes.mac(secret, (url + signed).encode("utf-8", "surrogateescape"), digest)
        for url in _spellings(request.url)
        for secret in config.secrets
    ]
    if not schemes.any_same([given], expected):
        raise Rejection(schemes.WRONG)
    token = request.find(_TOKEN)
    if not form and request.body:
        # Event Streams: a list of CloudEvents.
        return Event(name_of_all(request.texts("type")), id_of_all(request.texts("id")) or token)
    values = dict(form)
    told = ((values.get(field) or request.query(field), word) for field, word in _KINDS)
    return Event(next((f"{word}.{value}" for value, word in told if value), values.get("EventType")), token)


def _form(request: Request) -> list[tuple[str, str]]:
    if not (request.find("content-type") or "").lower().startswith(_FORM):
        return []
    try:
        return parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Rejection("The body is not a form.", 400) from None


def _check_body(request: Request) -> None:
    """Rejection if what is in the body is not what the URL says."""
    told = request.query("bodySHA256")
    if told is None and not request.body:
        return
    if told is None:
        raise Rejection("The query has no bodySHA256, without which a body that is no form is not signed.")
    if not schemes.same(told.lower(), hashlib.sha256(request.body).hexdigest()):
        raise Rejection("The body is another than the one that bodySHA256 of the query tells of.")


def _digest(request: Request) -> schemes.Digest:
    settings = dict(part.strip().partition("=")[::2] for part in (request.find(_SETTINGS) or "").split(","))
    digest = _DIGESTS.get(settings.get("algorithm", "HMAC_SHA1").upper())
    if digest is None:
        raise Rejection(f"The header {_SETTINGS} names an algorithm that is not known here.")
    return digest


def _spellings(url: str) -> list[str]:
    """The URL without and with its port."""
    scheme, separator, rest = url.partition("://")
    host = rest.split("/", 1)[0].split("?", 1)[0]
    bare, colon, port = host.rpartition(":")
    if colon and port.isdecimal():
        return [url, f"{scheme}{separator}{bare}{rest.removeprefix(host)}"]
    return [url, f"{scheme}{separator}{host}{_PORTS.get(scheme, '')}{rest.removeprefix(host)}"]


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    signed, content_type = "", "application/json"
    if body[:1] in {b"{", b"["}:
        url += ("&" if "?" in url else "?") + f"bodySHA256={hashlib.sha256(body).hexdigest()}"
    else:
        content_type = f"{_FORM}; charset=UTF-8"
        fields = parse_qsl(body.decode(), keep_blank_values=True)
        signed = "".join(name + value for name, value in sorted(set(fields)))
    headers = (
        ("user-agent", "TwilioProxy/1.1"),
        ("content-type", content_type),
        (_TOKEN, schemes.mac(event, body).hex()[:32]),
        (_SIGNATURE, b64encode(schemes.mac(config.secrets[0], (url + signed).encode(), "sha1")).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="twilio",
        title="Twilio",
        documentation="https://www.twilio.com/docs/usage/security#validating-requests",
        header="`X-Twilio-Signature`",
        algorithm="HMAC-SHA1 (or SHA-256, with a shared key) of the URL and the sorted form, base64; other bodies by "
        "`bodySHA256` in the query",
        timestamp=None,
        dedupe="`I-Twilio-Idempotency-Token`, or the `id` of each event of Event Streams",
        oracle="twilio (PyPI)",
        fields=(
            Field("secret", "The account's auth token; or a shared key's secret.", "0cc175b9c0f1b6a831c399e269772661"),
        ),
        verify=_verify,
        sign=_sign,
        signs_url=True,
        accepted=_NOTHING,
        methods=frozenset({"GET", "POST"}),
        setup="The webhook URL of a phone number, a messaging service or an Event Streams sink. The auth token is "
        "on the Console's first page.",
    ),
)
