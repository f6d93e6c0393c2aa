"""Docusign Connect: https://developers.docusign.com/platform/webhooks/connect/hmac/ (signatures),
https://developers.docusign.com/platform/webhooks/connect/validate/ (which header), and
https://developers.docusign.com/platform/webhooks/connect/json-sim-event-reference/ (events).

An account has up to 100 HMAC keys; `X-DocuSign-Signature-1`, `-2`, … hold the base64 of HMAC-SHA256 of the body, one
for each. The key is used as the text that Docusign shows, although it looks like base64. Nothing that is signed is a
time of sending, and no id tells that two requests are one event: an envelope may tell the same twice.
"""

import re
from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, has_no_secret

_HEADER: Final = "x-docusign-signature-"
_SIGNATURE: Final = re.compile(_HEADER + r"[1-9][0-9]{0,2}")
_MOST_KEYS: Final = 100
_ENVELOPE: Final = b"<EnvelopeStatus>"
_STATUS: Final = re.compile(rb"<Status>([A-Za-z]{1,40})</Status>")
# Bytes, between the two.
_FURTHEST: Final = 2000


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    if config.secrets:
        names = {name for name, _ in request.headers if _SIGNATURE.fullmatch(name)}
        if not names or len(names) > _MOST_KEYS:
            raise Rejection(
                "The header x-docusign-signature-1 is missing: add an HMAC key to the Connect configuration."
            )
        given = [schemes.from_base64(request.header(name)) for name in sorted(names)]
        if not schemes.any_same(given, [schemes.mac(secret, request.body) for secret in config.secrets]):
            raise Rejection(schemes.WRONG)
    if name := request.text("event"):
        return Event(name)
    # The older form, XML, has the envelope's status in place of an event.
    start = request.body.find(_ENVELOPE)
    status = _STATUS.search(request.body, start, start + _FURTHEST) if start >= 0 else None
    return Event(f"envelope-{status[1].decode().lower()}" if status else None)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    kind = "text/xml; charset=utf-8" if body.lstrip().startswith(b"<") else "application/json; charset=utf-8"
    headers = [("content-type", kind), ("x-authorization-digest", "HMACSHA256")]
    for number, secret in enumerate(config.secrets, 1):
        headers.append((f"{_HEADER}{number}", b64encode(schemes.mac(secret, body)).decode()))
    return Request("POST", url, tuple(headers), body)


PROVIDERS: Final = (
    Provider(
        name="docusign",
        title="Docusign Connect",
        documentation="https://developers.docusign.com/platform/webhooks/connect/hmac/",
        header="`X-DocuSign-Signature-1` to `-100`",
        algorithm="HMAC-SHA256 of the body, base64",
        timestamp=None,
        dedupe=None,
        oracle="none: Docusign's packages do not verify; openssl computes the MAC that its documentation describes",
        fields=(
            Field(
                "secret",
                "One of the account's HMAC keys, as it is shown. Without it requests are accepted unverified.",
                "DfV+OtRSnsuy+8A8mDyMKRbD3LYuQTBk2XcTUoGXyHI=",
                required=False,
            ),
        ),
        verify=_verify,
        sign=_sign,
        is_open=has_no_secret,
        setup="Settings, Connect: add a configuration with the source's URL and `Include HMAC Signature`; the key is "
        "under Connect Keys, and shown once.",
    ),
)
