"""Port: https://docs.port.io/actions-and-automations/setup-backend/webhook/signature-verification/.

`x-port-signature` is `v1,` and the base64 of HMAC-SHA256 of `timestamp.body`, under the organization's client secret;
`x-port-timestamp` is in Unix seconds.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request, within

_SIGNATURE: Final = "x-port-signature"
_TIMESTAMP: Final = "x-port-timestamp"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    stamp = request.header(_TIMESTAMP)
    signature = schemes.after("v1,", request.header(_SIGNATURE), f"The header {_SIGNATURE}")
    within(schemes.seconds(stamp), moment.now)
    schemes.check_mac(schemes.from_base64(signature), config.secrets, f"{stamp}.".encode() + request.body)
    return Event(request.text("action"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    signature = schemes.mac(config.secrets[0], f"{int(now)}.".encode() + body)
    headers = (
        ("content-type", "application/json"),
        (_TIMESTAMP, str(int(now))),
        (_SIGNATURE, f"v1,{b64encode(signature).decode()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="port-io",
        title="Port",
        documentation="https://docs.port.io/actions-and-automations/setup-backend/webhook/signature-verification/",
        header="`x-port-signature`",
        algorithm="HMAC-SHA256 of `timestamp.body`, base64, after `v1,`",
        timestamp="`x-port-timestamp`, 5 min",
        dedupe=None,
        oracle="none: Port publishes neither a package that verifies nor a signed example",
        fields=(Field("secret", "The organization's client secret.", "pX3vK9sQ1mZt7LbWn5RyHc2gJd8fTa4eUo6iSq0wEr"),),
        verify=_verify,
        sign=_sign,
        setup="An action or automation whose backend is a webhook: the URL. The client secret is under your profile → "
        "Credentials.",
    ),
)
