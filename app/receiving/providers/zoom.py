"""Zoom: https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events and #validate-your-webhook-endpoint

`x-zm-signature` is `v0=` and the hex of HMAC-SHA256 of `v0:timestamp:body` under the app's secret token; the timestamp
(Unix seconds) is `x-zm-request-timestamp`. The event `endpoint.url_validation`, signed as any, is answered within 3 s
with its `plainToken` and the hex of HMAC-SHA256 of that.
"""

import hashlib
from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request, within

_SIGNATURE: Final = "x-zm-signature"
_TIMESTAMP: Final = "x-zm-request-timestamp"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    stamp, given = request.header(_TIMESTAMP), request.header(_SIGNATURE)
    within(schemes.seconds(stamp), moment.now)
    version, _, signature = given.partition("=")
    if version != "v0":
        raise Rejection("The header x-zm-signature must begin with v0=.")
    content = b"v0:" + stamp.encode() + b":" + request.body
    signers = [secret for secret in config.secrets if schemes.same(signature, schemes.mac(secret, content).hex())]
    if not signers:
        raise Rejection(schemes.WRONG)
    name = request.text("event")
    if name == "endpoint.url_validation":
        return _validation(request, signers[0])
    # Its `event_ts` (ms) is in the body: another event has another.
    return Event(name, hashlib.sha256(request.body).hexdigest() if request.text("event_ts") else None)


def _validation(request: Request, secret: str) -> Answer:
    token = request.text("payload", "plainToken")
    if token is None:
        raise Rejection("The event endpoint.url_validation has no plainToken.", 400)
    proof = schemes.mac(secret, token.encode("utf-8", "surrogatepass")).hex()
    return Answer(200, orjson.dumps({"plainToken": token, "encryptedToken": proof}), "application/json")


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    content = f"v0:{int(now)}:".encode() + body
    headers = (
        ("user-agent", "Zoom Marketplace/1.0a"),
        ("content-type", "application/json; charset=utf-8"),
        (_TIMESTAMP, str(int(now))),
        (_SIGNATURE, f"v0={schemes.mac(config.secrets[0], content).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="zoom",
        title="Zoom",
        documentation="https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events",
        header="`x-zm-signature`",
        algorithm="HMAC-SHA256 of `v0:timestamp:body`, hex",
        timestamp="`x-zm-request-timestamp`, 5 min",
        dedupe="SHA-256 of the body, which has the event's `event_ts` (ms)",
        oracle="@zoom/rivet (npm)",
        fields=(Field("secret", "The app's secret token.", "dnM3YzR2ZGhxZTJ3Zm1y"),),
        verify=_verify,
        sign=_sign,
        handshake="`endpoint.url_validation`: answers `plainToken` and its HMAC",
        setup="Your app in the Marketplace, Access: Secret Token; then Event Subscriptions, Event notification "
        "endpoint URL, Validate.",
    ),
)
