"""BigCommerce: https://developer.bigcommerce.com/docs/integrations/webhooks.

Signed as Standard Webhooks 1.0 says (`webhook-id`, `webhook-timestamp`, `webhook-signature`), with the client secret of
the app's API account as the key, as it is. Or, where the webhook was made with `headers` of one's own, which are sent
with each request, by a secret in one of them. Two requests of one event have the same `hash`.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request, within

_ID: Final = "webhook-id"
_TIME: Final = "webhook-timestamp"
_SIGNATURE: Final = "webhook-signature"
_MOST_SIGNATURES: Final = 10
# One name for all, so that it can be kept out of logs and messages.
_OWN: Final = "x-postrider-secret"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    own = request.find(_OWN)
    if own:
        schemes.check_text(own, config.secrets, f"The header {_OWN}")
        return Event(request.text("scope"), request.text("hash"))
    delivery, stamp = request.header(_ID), request.header(_TIME)
    signatures = [entry.partition(",") for entry in request.header(_SIGNATURE).split(" ")[:_MOST_SIGNATURES]]
    within(schemes.seconds(stamp), moment.now)
    content = _content(delivery, stamp, request.body)
    expected = [b64encode(schemes.mac(secret, content)).decode() for secret in config.secrets]
    if not schemes.any_same([value for version, _, value in signatures if version == "v1"], expected):
        raise Rejection(schemes.WRONG)
    return Event(request.text("scope"), delivery)


def _content(delivery: str, stamp: str, body: bytes) -> bytes:
    return f"{delivery}.{stamp}.".encode() + body


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    delivery, stamp = schemes.sample_id(event, body), str(int(now))
    signature = b64encode(schemes.mac(config.secrets[0], _content(delivery, stamp, body))).decode()
    headers = (
        ("content-type", "application/json"),
        (_ID, delivery),
        (_TIME, stamp),
        (_SIGNATURE, f"v1,{signature}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="bigcommerce",
        title="BigCommerce",
        documentation="https://developer.bigcommerce.com/docs/integrations/webhooks",
        header="`webhook-signature`; or `X-Postrider-Secret`, a header of one's own",
        algorithm="HMAC-SHA256 of `id.timestamp.body`, base64 (`v1`); or the secret itself",
        timestamp="`webhook-timestamp`, 5 min; none with a header of one's own",
        dedupe="`webhook-id`; `hash` of the body with a header of one's own",
        oracle="standardwebhooks (PyPI)",
        fields=(
            Field(
                "secret",
                "The client secret of the API account; or the value of `X-Postrider-Secret`.",
                "c8f1e2d3b4a5968778695a4b3c2d1e0f",
            ),
        ),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({_OWN}),
        setup="POST /stores/{store_hash}/v3/hooks with the source's URL as `destination`; the client secret is that of "
        "the API account whose token made it. Where requests are not signed, give "
        '`"headers": {"X-Postrider-Secret": …}` too.',
    ),
)
