"""Veriff: https://devdocs.veriff.com/docs/hmac-authentication-and-endpoint-security and
https://devdocs.veriff.com/docs/webhooks-guide

`X-HMAC-SIGNATURE` is the hex of HMAC-SHA256 of the body under the integration's shared secret key. A decision has
`verification` with a `status`, an event an `action`. Bodies have no id of their own: attempt, code and the time of the
decision are one.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_HEADER: Final = "x-hmac-signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    schemes.check_mac(schemes.from_hex(request.header(_HEADER)), config.secrets, request.body)
    if status := request.text("verification", "status"):
        parts = [request.text("verification", name) for name in ("attemptId", "code", "decisionTime")]
        return Event(f"decision.{status}", _joined(parts))
    parts = [request.text(name) for name in ("attemptId", "code", "action")]
    return Event(request.text("action") or request.text("eventType"), _joined(parts))


def _joined(parts: list[str | None]) -> str | None:
    return ".".join(part for part in parts if part) if all(parts) else None


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        ("x-auth-client", "8e4c1b0a-7a5d-4c2e-9b1f-3f2a1d0c9b8e"),
        (_HEADER, schemes.mac(config.secrets[0], body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="veriff",
        title="Veriff",
        documentation="https://devdocs.veriff.com/docs/hmac-authentication-and-endpoint-security",
        header="`X-HMAC-SIGNATURE`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe="`attemptId`, `code` and `decisionTime` (of an event: `action`) of the body",
        oracle="none: the documentation has no vectors",
        fields=(Field("secret", "The integration's shared secret key.", "abcdef12-abcd-abcd-abcd-abcdef012345"),),
        verify=_verify,
        sign=_sign,
        setup="Customer Portal, Integrations, Settings: Webhook decisions URL and Webhook events URL. The shared "
        "secret key is there too.",
    ),
)
