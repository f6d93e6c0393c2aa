"""Jira: https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks.

Webhooks that an administrator registers with a secret have `X-Hub-Signature`: `sha256=` and the hex of HMAC-SHA256 of
the body. `X-Atlassian-Webhook-Identifier` stays the same when Jira tries again.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-hub-signature"
_DELIVERY: Final = "x-atlassian-webhook-identifier"


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    signature = schemes.after("sha256=", request.header(_SIGNATURE), f"The header {_SIGNATURE}")
    schemes.check_hex(signature, config.secrets, request.body)
    name = request.text("webhookEvent")
    return Event(name and name.removeprefix("jira:"), request.find(_DELIVERY))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "Atlassian Webhook HTTP Client"),
        ("content-type", "application/json; charset=UTF-8"),
        (_DELIVERY, schemes.sample_id(event, body)),
        ("x-atlassian-webhook-flow", "Primary"),
        (_SIGNATURE, f"sha256={schemes.mac(config.secrets[0], body).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="jira",
        title="Jira",
        documentation="https://developer.atlassian.com/cloud/jira/platform/webhooks/",
        header="`X-Hub-Signature`",
        algorithm="HMAC-SHA256 of the body, hex, after `sha256=`",
        timestamp=None,
        dedupe="`X-Atlassian-Webhook-Identifier`",
        oracle="Atlassian's documented example",
        fields=(Field("secret", "The secret of the webhook. Those of OAuth apps have none.", "kV8nQ2sLr0XcJtYwBzMh"),),
        verify=_verify,
        sign=_sign,
        setup="Settings → System → WebHooks → Create a WebHook, as an administrator: the URL, and a secret.",
    ),
)
