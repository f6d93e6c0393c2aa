"""Dropbox: https://www.dropbox.com/developers/reference/webhooks

`X-Dropbox-Signature` is the hex of HMAC-SHA256 of the body under the app's secret. Before, a GET with `challenge` asks
whether the address wants notifications: it is to come back as text that no browser takes for a page. A notification
names the accounts that changed, not what, and has no id.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "x-dropbox-signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    if request.method == "GET":
        challenge = request.query("challenge")
        if not challenge:
            raise Rejection("The query parameter challenge is missing.", 400)
        return Answer(200, challenge.encode("utf-8", "replace"), "text/plain", {"X-Content-Type-Options": "nosniff"})
    schemes.check_mac(schemes.from_hex(request.header(_HEADER)), config.secrets, request.body)
    body = request.json
    return Event("list_folder" if isinstance(body, dict) and "list_folder" in body else None)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "DropboxWebhooks/1.0"),
        ("content-type", "application/json"),
        (_HEADER, schemes.mac(config.secrets[0], body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="dropbox",
        title="Dropbox",
        documentation="https://www.dropbox.com/developers/reference/webhooks",
        header="`X-Dropbox-Signature`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe=None,
        oracle="none: Dropbox's packages do not verify; openssl computes the MAC that its documentation describes",
        fields=(Field("secret", "The app's secret.", "s7k2m9q4w1x8z3v"),),
        verify=_verify,
        sign=_sign,
        handshake="GET with `challenge`: answers it as text",
        methods=frozenset({"GET", "POST"}),
        setup="App Console, your app, Settings: the app secret is there; add the source's URL under Webhooks.",
    ),
)
