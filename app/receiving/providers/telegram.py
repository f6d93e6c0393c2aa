"""Telegram: https://core.telegram.org/bots/api#setwebhook (secret_token) and #update

`X-Telegram-Bot-Api-Secret-Token` holds the secret token that the webhook was set with; nothing is signed. The body is
an update: its `update_id`, which is the same when it is sent again, and one other member, which is the kind.
"""

import re
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "x-telegram-bot-api-secret-token"
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")


def _check_secret(text: str) -> str:
    if not _FORM.fullmatch(text):
        raise ValueError("Telegram takes 1 to 256 letters, digits, _ and - as a secret token: choose such a one")
    return text


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    schemes.check_text(request.header(_HEADER), config.secrets, f"The header {_HEADER}")
    if not isinstance(request.json, dict) or request.text("update_id") is None:
        raise Rejection("The body is not an update: it has no update_id.", 400)
    kinds = [name for name in request.json if name != "update_id"]
    return Event(kinds[0] if len(kinds) == 1 else None, request.text("update_id"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (("content-type", "application/json"), (_HEADER, config.secrets[0]))
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="telegram",
        title="Telegram",
        documentation="https://core.telegram.org/bots/api#setwebhook",
        header="`X-Telegram-Bot-Api-Secret-Token`",
        algorithm="the secret token itself",
        timestamp=None,
        dedupe="`update_id` of the body",
        oracle="none: Telegram signs nothing",
        fields=(
            Field(
                "secret",
                "The `secret_token` that `setWebhook` was called with: 1 to 256 letters, digits, `_` and `-`.",
                "8RsLBaKuFwYvN3tKx2gGGm",
                check=_check_secret,
            ),
        ),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({_HEADER}),
        setup="Call `setWebhook` of the Bot API with the URL and a `secret_token` that you have chosen.",
    ),
)
