"""Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks

The body has `signature`: `timestamp` (Unix seconds), `token` (50 random characters) and `signature`, the hex of
HMAC-SHA256 of `timestamp` and `token`, without anything between, under the account's webhook signing key; of a
subaccount also `parent-signature`, under the main account's. Neither covers the event itself. Therefore the
documentation asks that no token be honoured twice: it is the delivery id here, so that a copy with another event
makes no message. It also asks that the timestamp be "not too far" from now; Mailgun sends again for 8 h 5 min
(https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries), so that much is allowed.
"""

from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import CannotSign, Config, Event, Field, Moment, Provider, Rejection, Request, within

_TOLERANCE: Final = 8 * 3600.0 + 600.0


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    if not isinstance(request.json, dict):
        raise Rejection("The body is not an object with a signature.", 400)
    stamp, token = request.text("signature", "timestamp"), request.text("signature", "token")
    given = [request.text("signature", name) for name in ("signature", "parent-signature")]
    if not stamp or not token or given[0] is None:
        raise Rejection("The body has no signature with timestamp, token and signature.")
    within(schemes.seconds(stamp), moment.now, _TOLERANCE)
    content = (stamp + token).encode("utf-8", "surrogatepass")
    expected = [schemes.mac(secret, content).hex() for secret in config.secrets]
    if not schemes.any_same([each for each in given if each is not None], expected):
        raise Rejection("The signature was made with none of this source's secrets.")
    return Event(request.text("event-data", "event"), token)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    told = orjson.loads(body)
    if not isinstance(told, dict):
        raise CannotSign("the body must be an object: Mailgun's signature stands in it")
    stamp, token = str(int(now)), schemes.mac(event, body).hex()[:50]
    signature = schemes.mac(config.secrets[0], (stamp + token).encode()).hex()
    signed = {**told, "signature": {"timestamp": stamp, "token": token, "signature": signature}}
    return Request("POST", url, (("content-type", "application/json"),), orjson.dumps(signed))


PROVIDERS: Final = (
    Provider(
        name="mailgun",
        title="Mailgun",
        documentation="https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
        header="`signature` of the body",
        algorithm="HMAC-SHA256 of `timestamp` and `token`, hex; it does not cover the event",
        timestamp="`timestamp` of the signature, 8 h 10 min: for so long Mailgun sends again",
        dedupe="`token` of the signature",
        oracle="mailgun (PyPI)",
        fields=(Field("secret", "The HTTP webhook signing key of the account.", "9f86d081884c7d659a2feaa0c55ad015"),),
        verify=_verify,
        sign=_sign,
        setup="Send, Sending, Webhooks. The HTTP webhook signing key is on the page API Security.",
    ),
)
