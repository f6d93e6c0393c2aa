"""Sentry: https://docs.sentry.io/integrations/integration-platform/webhooks/.

`Sentry-Hook-Signature` is the hex of HMAC-SHA256 of the body under the integration's client secret. The timestamp is
not signed, and `Request-ID` is another one when Sentry tries again.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "sentry-hook-signature"
_RESOURCE: Final = "sentry-hook-resource"


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    schemes.check_hex(request.header(_SIGNATURE), config.secrets, request.body)
    resource, action = request.find(_RESOURCE), request.text("action")
    return Event(f"{resource}.{action}" if resource and action else resource)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        ("request-id", schemes.sample_id(event, body).replace("-", "")),
        (_RESOURCE, event.partition(".")[0]),
        ("sentry-hook-timestamp", str(int(now))),
        (_SIGNATURE, schemes.mac(config.secrets[0], body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="sentry",
        title="Sentry",
        documentation="https://docs.sentry.io/integrations/integration-platform/webhooks/",
        header="`Sentry-Hook-Signature`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe=None,
        oracle="none: Sentry publishes neither a package that verifies nor a signed example",
        fields=(Field("secret", "The integration's client secret.", "4f1c9a7e2b5d8036c1e4f7a9b2d5c8e0"),),
        verify=_verify,
        sign=_sign,
        setup="Settings → Developer Settings → Custom Integrations: the URL, and the resources that you want; the "
        "client secret is on the integration's page.",
    ),
)
