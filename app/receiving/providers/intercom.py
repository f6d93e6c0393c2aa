"""Intercom: https://developers.intercom.com/docs/webhooks/webhook-notifications.

`X-Hub-Signature` is `sha1=` and the hex of HMAC-SHA1 of the body, under the app's client secret. The notification's
`id` is the same for each of its `delivery_attempts`.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-hub-signature"


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    signature = schemes.after("sha1=", request.header(_SIGNATURE), f"The header {_SIGNATURE}")
    schemes.check_hex(signature, config.secrets, request.body, "sha1")
    return Event(request.text("topic"), request.text("id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "intercom-parrot-service-client/1.0"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        (_SIGNATURE, f"sha1={schemes.mac(config.secrets[0], body, 'sha1').hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="intercom",
        title="Intercom",
        documentation="https://developers.intercom.com/docs/webhooks/webhook-notifications",
        header="`X-Hub-Signature`",
        algorithm="HMAC-SHA1 of the body, hex, after `sha1=`",
        timestamp=None,
        dedupe="`id` of the body",
        oracle="none: Intercom's documented signature is without its secret",
        fields=(Field("secret", "The app's client secret.", "1f8c4a7e-2b5d-4036-91e4-f7a9b2d5c8e0"),),
        verify=_verify,
        sign=_sign,
        setup="Developer Hub → your app → Webhooks: the URL, and the topics; the client secret is under Basic "
        "information.",
    ),
)
