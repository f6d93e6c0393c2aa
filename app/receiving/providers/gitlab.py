"""GitLab: https://docs.gitlab.com/user/project/integrations/webhooks/.

With a signing token (GitLab 19; `whsec_` and base64) requests are signed by Standard Webhooks. With a secret token,
which is older, `X-Gitlab-Token` is that token itself. `Idempotency-Key` stays the same when GitLab tries again;
`X-Gitlab-Event-UUID` may be that of another event, which led to this one.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.providers import standard

_TOKEN: Final = "x-gitlab-token"  # noqa: S105 - a header's name
_SIGNING: Final = "whsec_"


def _check_secret(text: str) -> str:
    return standard.check_secret(text) if text.startswith(_SIGNING) else text


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    signing = tuple(secret for secret in config.secrets if secret.startswith(_SIGNING))
    delivery = request.find("idempotency-key")
    if signing and request.find("webhook-signature") is not None:
        # `webhook-id` is the same key, and signed: a copy must not pass for another delivery.
        delivery = standard.verify(request, Config(signing), moment).delivery_id
    else:
        tokens = [secret for secret in config.secrets if not secret.startswith(_SIGNING)]
        if not tokens:
            raise Rejection("The header webhook-signature is missing.")
        schemes.check_text(request.header(_TOKEN), tokens, f"The header {_TOKEN}")
    name, action = (
        request.text("object_kind") or request.text("event_name"),
        request.text("object_attributes", "action"),
    )
    return Event(f"{name}.{action}" if name and action else name, delivery)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    delivery_id, secret = schemes.sample_id(event, body), config.secrets[0]
    headers = [
        ("user-agent", "GitLab/19.0.0"),
        ("content-type", "application/json"),
        ("x-gitlab-event", f"{event.partition('.')[0].replace('_', ' ').title()} Hook"),
        ("idempotency-key", delivery_id),
    ]
    if secret.startswith(_SIGNING):
        headers += standard.signature_headers("webhook", secret, delivery_id, body, now)
    else:
        headers.append((_TOKEN, secret))
    return Request("POST", url, tuple(headers), body)


PROVIDERS: Final = (
    Provider(
        name="gitlab",
        title="GitLab",
        documentation="https://docs.gitlab.com/user/project/integrations/webhooks/",
        header="`webhook-signature`; `X-Gitlab-Token`",
        algorithm="HMAC-SHA256 of `id.timestamp.body`, base64 (signing token); the token itself (secret token)",
        timestamp="`webhook-timestamp`, 5 min (signing token only)",
        dedupe="`Idempotency-Key` (GitLab 17.4)",
        oracle="standardwebhooks (PyPI), for signing tokens; none: secret tokens are sent as they are",
        fields=(
            Field(
                "secret",
                "The signing token, with its `whsec_`; or the secret token, which GitLab sends as it is.",
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                check=_check_secret,
            ),
        ),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({_TOKEN}),
        setup="Project, group or administration → Settings → Webhooks → Add new webhook: the URL; generate a signing "
        "token there, and give it to the source.",
    ),
)
