"""Checkbook: https://docs.checkbook.io/docs/api/webhooks.

`Signature` is `nonce=…,signature=…`: the hex of HMAC-SHA256 of the body and the nonce, without anything between, under
the webhook key. Nothing says that the nonce is a time, or the same when a webhook is sent again.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "signature"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    parts = [part.strip().partition("=") for part in request.header(_HEADER).split(",")]
    nonces = [value for name, _, value in parts if name == "nonce"]
    signatures = [value for name, _, value in parts if name == "signature"]
    if len(nonces) != 1 or len(signatures) != 1:
        raise Rejection("The header signature must hold one nonce= and one signature=.")
    schemes.check_mac(schemes.from_hex(signatures[0]), config.secrets, request.body + nonces[0].encode())
    # Nothing stands between what is signed: the body's end must not pass for the beginning of the nonce.
    if not isinstance(request.json, dict):
        raise Rejection("The body is no JSON object.", 400)
    kind, status = request.text("type"), request.text("status")
    return Event(f"{kind}.{status}" if kind and status else kind)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    nonce = str(int(now))
    signature = schemes.mac(config.secrets[0], body + nonce.encode()).hex()
    headers = (("content-type", "application/json"), (_HEADER, f"nonce={nonce},signature={signature}"))
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="checkbook",
        title="Checkbook",
        documentation="https://docs.checkbook.io/docs/api/webhooks",
        header="`Signature`",
        algorithm="HMAC-SHA256 of the body and the nonce, hex",
        timestamp=None,
        dedupe=None,
        oracle="the vector of the documentation",
        fields=(Field("secret", "The webhook key: sandbox and production have their own.", "335b5728e25b47e88995"),),
        verify=_verify,
        sign=_sign,
        setup="Settings, Developer: enter the source's URL as webhook URL; the webhook key is shown there.",
    ),
)
