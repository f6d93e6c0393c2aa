"""HubSpot:
https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation

`X-HubSpot-Signature-v3` is base64 of HMAC-SHA256 of method, URL, body and timestamp, without anything between, under
the app's client secret; the timestamp is `X-HubSpot-Request-Timestamp`, Unix milliseconds, and good for 5 minutes. Some
characters of the URL are signed decoded. The older signatures that HubSpot sends beside it have no timestamp: they
would let a copy of an old request in, and are not looked at.
"""

import re
from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import CannotSign, Config, Event, Field, Moment, Provider, Request, has_no_secret, within
from app.receiving.naming import id_of_all, name_of_all

_SIGNATURE: Final = "x-hubspot-signature-v3"
_TIMESTAMP: Final = "x-hubspot-request-timestamp"
# The documentation's table.
_DECODED: Final = {f"%{ord(letter):02X}": letter for letter in ":/?@!$'()*,;"}
_ENCODED: Final = re.compile("|".join(_DECODED), re.IGNORECASE)
# `eventId` alone is "not guaranteed to be unique".
_IDENTITY: Final = ("subscriptionId", "eventId", "objectId", "occurredAt", "propertyName")
# Many times as many as HubSpot sends together: who sends more, without a secret of the source's, wants to keep it busy.
_MOST_EVENTS: Final = 1000


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    if config.secrets:
        stamp, given = request.header(_TIMESTAMP), schemes.from_base64(request.header(_SIGNATURE))
        within(schemes.seconds(stamp) / 1000, moment.now)
        schemes.check_mac(given, config.secrets, _content(request.method, request.url, request.body, stamp))
    names = request.texts("subscriptionType")
    if len(names) > _MOST_EVENTS:
        return Event(name_of_all(names))
    parts = [request.texts(name) for name in _IDENTITY]
    # Without its own id an event is none that could be recognized.
    ids = ["-".join(part or "" for part in each) if each[1] else None for each in zip(*parts, strict=True)]
    return Event(name_of_all(names), id_of_all(ids))


def _content(method: str, url: str, body: bytes, stamp: str) -> bytes:
    decoded = _ENCODED.sub(lambda found: _DECODED[found[0].upper()], url)
    return f"{method}{decoded}".encode("utf-8", "surrogateescape") + body + stamp.encode()


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    if not config.secrets:
        raise CannotSign("the source has no secret: give it the app's client secret")
    stamp = str(int(now * 1000))
    signature = schemes.mac(config.secrets[0], _content("POST", url, body, stamp))
    headers = (
        ("user-agent", "HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: webhooks-nio-http-client)"),
        ("content-type", "application/json"),
        (_TIMESTAMP, stamp),
        (_SIGNATURE, b64encode(signature).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="hubspot",
        title="HubSpot",
        documentation="https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/"
        "request-validation",
        header="`X-HubSpot-Signature-v3`",
        algorithm="HMAC-SHA256 of method, URL, body and timestamp, base64",
        timestamp="`X-HubSpot-Request-Timestamp` (ms), 5 min",
        dedupe="subscription, `eventId`, object, time and property of each event of the body",
        oracle="hubspot-api-client (PyPI)",
        fields=(
            Field(
                "secret",
                "The app's client secret. Without it requests are accepted unverified, whoever sends them.",
                "c0ffee00-1234-4abc-9def-0123456789ab",
                required=False,
            ),
        ),
        verify=_verify,
        sign=_sign,
        is_open=has_no_secret,
        signs_url=True,
        setup="Your app, Webhooks: Target URL. The client secret is on the app's page Auth.",
    ),
)
