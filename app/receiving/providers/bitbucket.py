"""Bitbucket: https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/ (signature),
https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/ (headers).

`X-Hub-Signature` is `sha256=` and the hex of HMAC-SHA256 of the body. `X-Event-Key` names the event, and
`X-Request-UUID` the request, whose `X-Attempt-Number` rises. Data Center signs alike, and has `X-Request-Id`.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-hub-signature"
_EVENT: Final = "x-event-key"
_DELIVERY: Final = "x-request-uuid"


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    signature = schemes.after("sha256=", request.header(_SIGNATURE), f"The header {_SIGNATURE}")
    schemes.check_hex(signature, config.secrets, request.body)
    name = request.find(_EVENT)
    return Event(name and name.replace(":", "."), request.find(_DELIVERY) or request.find("x-request-id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "Bitbucket-Webhooks/2.0"),
        ("content-type", "application/json"),
        (_EVENT, event.replace(".", ":", 1)),
        (_DELIVERY, schemes.sample_id(event, body)),
        ("x-attempt-number", "1"),
        (_SIGNATURE, f"sha256={schemes.mac(config.secrets[0], body).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="bitbucket",
        title="Bitbucket",
        documentation="https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
        header="`X-Hub-Signature`",
        algorithm="HMAC-SHA256 of the body, hex, after `sha256=`",
        timestamp=None,
        dedupe="`X-Request-UUID` (Data Center: `X-Request-Id`)",
        oracle="Atlassian's documented example",
        fields=(Field("secret", "The webhook's secret.", "J5wqR0yTnV3mXkPzLhBd"),),
        verify=_verify,
        sign=_sign,
        setup="Repository settings → Webhooks → Add webhook: the URL, and a secret that is generated there.",
    ),
)
