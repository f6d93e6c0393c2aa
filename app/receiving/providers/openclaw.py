"""OpenClaw: https://docs.openclaw.ai/automation/webhook (the token) and
https://docs.openclaw.ai/automation/cron-jobs (what its gateway posts when a run ends).

The token stands in `Authorization`, as a bearer token, or in `x-openclaw-token`; nothing is signed. A token in the
query is refused, as OpenClaw refuses it.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "x-openclaw-token"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    if request.query("token") is not None:
        raise Rejection("The token is in the query: send it in the header authorization.", 400)
    if request.find("authorization") is not None:
        schemes.check_text(schemes.bearer_token(request), config.secrets, "The bearer token")
    else:
        schemes.check_text(request.header(_HEADER), config.secrets, f"The header {_HEADER}")
    return Event(request.text("action"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (("content-type", "application/json"), ("authorization", f"Bearer {config.secrets[0]}"))
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="openclaw",
        title="OpenClaw",
        documentation="https://docs.openclaw.ai/automation/webhook",
        header="`Authorization`, or `x-openclaw-token`",
        algorithm="the token itself",
        timestamp=None,
        dedupe=None,
        oracle="none: OpenClaw signs nothing",
        fields=(
            Field("secret", "The token that OpenClaw sends (`cron.webhookToken`).", "e4da3b7fbbce2345d7772b0674a318d5"),
        ),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({"authorization", _HEADER}),
        setup="Set `delivery.mode` of a scheduled run to `webhook` and `delivery.to` to the URL, and "
        "`cron.webhookToken` to the secret.",
    ),
)
