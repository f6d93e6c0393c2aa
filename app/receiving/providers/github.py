"""GitHub: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries (signature),
https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers (headers).

`X-Hub-Signature-256` is `sha256=` and the hex of HMAC-SHA256 of the body; without a secret at GitHub there is none.
`X-GitHub-Delivery` is a GUID that stays the same when a delivery is sent again.
"""

from typing import Final
from urllib.parse import parse_qs

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request, has_no_secret

_SIGNATURE: Final = "x-hub-signature-256"
_EVENT: Final = "x-github-event"
_DELIVERY: Final = "x-github-delivery"
_FORM: Final = "application/x-www-form-urlencoded"


def _verify(request: Request, config: Config, _moment: Moment) -> Event:
    if config.secrets:
        signature = schemes.after("sha256=", request.header(_SIGNATURE), f"The header {_SIGNATURE}")
        schemes.check_hex(signature, config.secrets, request.body)
    kind, action = request.find(_EVENT), _payload(request).text("action")
    return Event(f"{kind}.{action}" if kind and action else kind, request.find(_DELIVERY))


def _payload(request: Request) -> Request:
    """The JSON, which may be in a form."""
    if not (request.find("content-type") or "").startswith(_FORM):
        return request
    try:
        found = parse_qs(request.body.decode(), max_num_fields=10).get("payload", [""])
    except ValueError:
        return request
    return Request(request.method, request.url, (), found[0].encode("utf-8", "surrogatepass"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = [
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("content-type", "application/json"),
        (_EVENT, event.partition(".")[0]),
        (_DELIVERY, schemes.sample_id(event, body)),
    ]
    if config.secrets:
        headers.append((_SIGNATURE, f"sha256={schemes.mac(config.secrets[0], body).hex()}"))
    return Request("POST", url, tuple(headers), body)


PROVIDERS: Final = (
    Provider(
        name="github",
        title="GitHub",
        documentation="https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries",
        header="`X-Hub-Signature-256`",
        algorithm="HMAC-SHA256 of the body, hex, after `sha256=`",
        timestamp=None,
        dedupe="`X-GitHub-Delivery`",
        oracle="@octokit/webhooks-methods (npm); GitHub's documented example",
        fields=(
            Field(
                "secret",
                "The webhook's secret. Without one, everything that arrives is accepted, unverified.",
                "7c1e4fd0b8a94e5f9d1c",
                required=False,
            ),
        ),
        verify=_verify,
        sign=_sign,
        is_open=has_no_secret,
        setup="Repository, organization or app → Settings → Webhooks → Add webhook: the URL, content type "
        "`application/json`, and a secret of your own, which the source gets too.",
    ),
)
