"""Braintree: https://developer.paypal.com/braintree/docs/guides/webhooks/parse (signatures) and
https://developer.paypal.com/braintree/docs/guides/webhooks/create (challenge).

A form of `bt_payload`, base64 of XML, and `bt_signature`, pairs of `public key|signature`, joined by `&`: the hex of
HMAC-SHA1 of the payload, under the SHA-1 of the private key. A GET with `bt_challenge` is answered with such a pair of
the challenge. There is no id; the payload has the time of the notification.
"""

import hashlib
import re
from base64 import b64encode
from typing import Final
from urllib.parse import parse_qs, urlencode

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request

_CHALLENGE: Final = re.compile(r"[a-f0-9]{20,32}", re.ASCII)
_KIND: Final = re.compile(rb"(?:<\?xml[^>]*>\s*)?<notification>.{0,1000}?<kind>([A-Za-z0-9_]{1,100})</kind>", re.DOTALL)
_MOST_FIELDS: Final = 10


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    if request.method == "GET":
        return _challenged(request, config)
    form = _form(request.body.decode("latin-1"))
    payload, signatures = form.get("bt_payload"), form.get("bt_signature")
    if payload is None or signatures is None:
        raise Rejection("The body is no form with bt_payload and bt_signature.")
    given = [pair.partition("|")[2] for pair in signatures.split("&")]
    # The package of Braintree's allows that the line's end was lost on the way.
    contents = [payload.encode(), payload.encode() + b"\n"]
    expected = [schemes.mac(_key(secret), content, "sha1").hex() for secret in config.secrets for content in contents]
    if not schemes.any_same(given, expected):
        raise Rejection(schemes.WRONG)
    # A challenge, which anybody may have answered, must not pass for a payload: it is no XML.
    decoded = schemes.from_base64(payload.replace("\n", "").replace("\r", ""), "bt_payload")
    kind = _KIND.match(decoded.lstrip())
    if not kind:
        raise Rejection("bt_payload is no notification.", 400)
    return Event(kind[1].decode(), hashlib.sha256(decoded).hexdigest())


def _challenged(request: Request, config: Config) -> Answer:
    challenge = _form(request.url.partition("?")[2]).get("bt_challenge", "")
    if not config.secrets or not _CHALLENGE.fullmatch(challenge):
        raise Rejection("A GET must have a bt_challenge of 20 to 32 hexadecimal digits.", 400)
    signature = schemes.mac(_key(config.secrets[0]), challenge.encode(), "sha1").hex()
    return Answer(200, f"{config.option('publicKey')}|{signature}".encode(), "text/plain")


def _form(text: str) -> dict[str, str]:
    """Rejection if a field is there twice, or it is no form."""
    try:
        found = parse_qs(text, max_num_fields=_MOST_FIELDS, encoding="latin-1")
    except ValueError:
        raise Rejection("The form has too many fields.", 400) from None
    if any(len(values) > 1 for values in found.values()):
        raise Rejection("A field of the form is there twice.", 400)
    return {name: values[0] for name, values in found.items()}


def _key(secret: str) -> bytes:
    return hashlib.sha1(secret.encode(), usedforsecurity=False).digest()


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    """`body` is the notification, in XML."""
    payload = b64encode(body) + b"\n"
    signature = schemes.mac(_key(config.secrets[0]), payload, "sha1").hex()
    form = urlencode({"bt_signature": f"{config.options.get('publicKey', '')}|{signature}", "bt_payload": payload})
    headers = (
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "Braintree-Webhooks"),
    )
    return Request("POST", url, headers, form.encode())


PROVIDERS: Final = (
    Provider(
        name="braintree",
        title="Braintree",
        documentation="https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
        header="`bt_signature` in the body, a form",
        algorithm="HMAC-SHA1 of `bt_payload`, hex; the key is the SHA-1 of the private key",
        timestamp=None,
        dedupe="SHA-256 of the payload, which has the notification's time",
        oracle="braintree (PyPI)",
        fields=(
            Field("publicKey", "The gateway's public key.", "n5v3mz7gkt9qwxyc", secret=False),
            Field("secret", "The gateway's private key.", "4a1b6c8d9e0f2a3b4c5d6e7f8a9b0c1d"),
        ),
        verify=_verify,
        sign=_sign,
        handshake="a GET with `bt_challenge`: answers it, signed",
        methods=frozenset({"GET", "POST"}),
        setup="Control Panel, Settings, API: create the source with public and private key first; then Settings, "
        "Webhooks: create one with the source's URL, which Braintree checks at once.",
    ),
)
