"""Asana: https://developers.asana.com/docs/webhooks-guide.

A webhook begins with a request that has `X-Hook-Secret`, which is answered with the same header, and kept. Each later
one has `X-Hook-Signature`: the hex of HMAC-SHA256 of the body under that secret. No events are a sign of life.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request

_SECRET: Final = "x-hook-secret"  # noqa: S105 - a header's name
_SIGNATURE: Final = "x-hook-signature"


def _verify(request: Request, config: Config, _moment: Moment) -> Event | Answer:
    told = request.find(_SECRET)
    if told is not None:
        return _shake_hands(told, config)
    if not config.secrets:
        raise Rejection("The source has not been told a secret yet: create the webhook at Asana.")
    schemes.check_hex(request.header(_SIGNATURE), config.secrets, request.body)
    events = request.json.get("events") if isinstance(request.json, dict) else None
    if not isinstance(events, list):
        raise Rejection("The body has no list of events.", 400)
    if not events:
        return Answer(200)
    names = {_name_of(request, index) for index in range(len(events))}
    return Event(names.pop() if len(names) == 1 else None)


def _shake_hands(told: str, config: Config) -> Answer:
    """The first secret is Asana's; another one would be anybody's who knows the URL."""
    if not told:
        raise Rejection(f"The header {_SECRET} is empty.")
    if not config.secrets:
        return Answer(200, headers={"X-Hook-Secret": told}, learned={"secret": told})
    schemes.check_text(told, config.secrets, f"The header {_SECRET}")
    return Answer(200, headers={"X-Hook-Secret": told})


def _name_of(request: Request, index: int) -> str | None:
    kind, action = request.text("events", index, "resource", "resource_type"), request.text("events", index, "action")
    return f"{kind}.{action}" if kind and action else None


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json; charset=UTF-8"),
        (_SIGNATURE, schemes.mac(config.secrets[0], body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="asana",
        title="Asana",
        documentation="https://developers.asana.com/docs/webhooks-guide",
        header="`X-Hook-Signature`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe=None,
        oracle="none: Asana publishes neither a package that verifies nor a signed example",
        fields=(
            Field(
                "secret",
                "Left out: it is taken from Asana's handshake. A source is good for one webhook of Asana's.",
                "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81",
                required=False,
            ),
        ),
        verify=_verify,
        sign=_sign,
        handshake="`X-Hook-Secret`: sent back, and learned if the source has no secret",
        credentials=frozenset({_SECRET}),
        setup="`POST https://app.asana.com/api/1.0/webhooks` with the resource, and the URL as `target`; one source "
        "for each webhook. For another webhook in the same source, clear its secret first.",
    ),
)
