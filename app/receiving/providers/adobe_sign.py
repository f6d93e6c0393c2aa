"""Adobe Acrobat Sign: https://opensource.adobe.com/acrobat-sign/acrobat_sign_events/index.html (verification of intent,
how to respond) and https://opensource.adobe.com/acrobat-sign/acrobat_sign_events/webhookpayloadoverview.html (payload).

`X-AdobeSign-ClientId` is the client id of the application that registered the webhook; nothing is signed. A GET at the
registration, and every notification, must be answered with 2xx and the same client id, in a header of that name or as
`xAdobeSignClientId` of a JSON body; else it is taken for undelivered.
"""

from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Request

_HEADER: Final = "x-adobesign-clientid"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    client_id = config.option("clientId")
    schemes.check_text(request.header(_HEADER), [client_id], "The header x-adobesign-clientid")
    body = orjson.dumps({"xAdobeSignClientId": client_id})
    answer = Answer(200, body, "application/json", {"X-AdobeSign-ClientId": client_id})
    if request.method == "GET":
        return answer
    return Event(request.text("event"), request.text("webhookNotificationId"), answer)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "AdobeSign"),
        ("content-type", "application/json"),
        (_HEADER, config.options.get("clientId", "")),
    )
    return Request("POST", url, headers, body)


def _check(text: str) -> str:
    # It becomes a header of the answers.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            "the client id has letters, digits and signs, without blanks: copy it as Acrobat Sign shows it"
        )
    return text


PROVIDERS: Final = (
    Provider(
        name="adobe-sign",
        title="Adobe Acrobat Sign",
        documentation="https://opensource.adobe.com/acrobat-sign/acrobat_sign_events/index.html",
        header="`X-AdobeSign-ClientId`",
        algorithm="the client id itself; the body is not signed",
        timestamp=None,
        dedupe="`webhookNotificationId` of the body",
        oracle="none: there is no signature",
        fields=(
            Field(
                "clientId", "The client id of the application that registers the webhook.", "UB7E5BXCXY", check=_check
            ),
        ),
        verify=_verify,
        sign=_sign,
        handshake="verification of intent (GET), and every notification: answers the client id",
        methods=frozenset({"GET", "POST"}),
        credentials=frozenset({_HEADER}),
        setup="Account, Webhooks: create one with the source's URL. The client id is that of the application which "
        "creates it: for webhooks made by the API your own, and for those of the web site Acrobat Sign's.",
    ),
)
