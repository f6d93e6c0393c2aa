"""Typeform: https://www.typeform.com/developers/webhooks/secure-your-webhooks/

`Typeform-Signature` is `sha256=` and base64 of HMAC-SHA256 of the body under the webhook's secret. `event_id` of the
body is the same when an event is sent again.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "typeform-signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    algorithm, _, signature = request.header(_HEADER).partition("=")
    if algorithm != "sha256":
        raise Rejection("The header typeform-signature must begin with sha256=.")
    schemes.check_mac(schemes.from_base64(signature), config.secrets, request.body)
    return Event(request.text("event_type"), request.text("event_id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "Typeform Webhooks"),
        ("content-type", "application/json"),
        (_HEADER, "sha256=" + b64encode(schemes.mac(config.secrets[0], body)).decode()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="typeform",
        title="Typeform",
        documentation="https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
        header="`Typeform-Signature`",
        algorithm="HMAC-SHA256 of the body, base64",
        timestamp=None,
        dedupe="`event_id` of the body",
        oracle="none: Typeform's packages do not verify, and its documentation has no vectors",
        fields=(Field("secret", "The secret of the webhook, which you have chosen.", "a-long-random-text"),),
        verify=_verify,
        sign=_sign,
        setup="Your form, Connect, Webhooks: Add a webhook; edit it to set its secret.",
    ),
)
