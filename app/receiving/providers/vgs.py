"""VGS (Very Good Security): https://docs.verygoodsecurity.com/vault/platform-insights/notifications.

Notifications are signed with the secret of their integration; the page that says in which header was not at hand. So
any header counts whose value is HMAC-SHA256 of the body, hex or base64, bare or after `sha256=`: whoever can make that
has the secret, wherever it stands. What is signed in another way is rejected.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_PREFIX: Final = "sha256="
# Base64, and hexadecimal after the prefix.
_SHORTEST: Final = 44
_LONGEST: Final = 71
_SAMPLE_HEADER: Final = "x-vgs-signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    expected = []
    for secret in config.secrets:
        digest = schemes.mac(secret, request.body)
        expected += [digest.hex(), b64encode(digest).decode()]
    values = [(name, value) for name, value in request.headers if _SHORTEST <= len(value) <= _LONGEST]
    proving = [name for name, value in values if schemes.any_same([value.removeprefix(_PREFIX)], expected)]
    if not proving:
        raise Rejection("No header holds the HMAC-SHA256 of the body under one of this source's secrets.")
    for name in proving:
        request.header(name)
    return Event(request.text("event"), request.text("id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    signature = schemes.mac(config.secrets[0], body).hex()
    return Request("POST", url, (("content-type", "application/json"), (_SAMPLE_HEADER, signature)), body)


PROVIDERS: Final = (
    Provider(
        name="vgs",
        title="VGS",
        documentation="https://docs.verygoodsecurity.com/vault/platform-insights/notifications",
        header="any header that holds it",
        algorithm="HMAC-SHA256 of the body, hex or base64",
        timestamp=None,
        dedupe="`id` of the body",
        oracle="none: not compared with VGS, whose description of the signature was not at hand",
        fields=(Field("secret", "The integration's secret.", "vgs-6f1ed002ab5595859014ebf0951522d9"),),
        verify=_verify,
        sign=_sign,
        setup="Organization Settings, Notifications: add the source's URL, and events; the secret is shown with it.",
    ),
)
