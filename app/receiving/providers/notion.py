"""Notion: https://developers.notion.com/reference/webhooks.

`X-Notion-Signature` is `sha256=` and the hex of HMAC-SHA256 of the body under the verification token. That token comes
first, in a request that is not signed; it is learned if the source has none, and pasted at Notion by the owner.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request

_SIGNATURE: Final = "x-notion-signature"


def _verify(request: Request, config: Config, _moment: Moment) -> Event | Answer:
    token = request.text("verification_token")
    if request.find(_SIGNATURE) is None and token:
        return _learn(token, config)
    if not config.secrets:
        raise Rejection("The source knows no verification token: let Notion send it, at its webhook's settings.")
    signature = schemes.after("sha256=", request.header(_SIGNATURE), f"The header {_SIGNATURE}")
    schemes.check_hex(signature, config.secrets, request.body)
    return Event(request.text("type"), request.text("id"))


def _learn(token: str, config: Config) -> Answer:
    """The first token is Notion's; another one would be anybody's who knows the URL."""
    if not config.secrets:
        return Answer(200, learned={"secret": token, "verificationToken": token})
    schemes.check_text(token, config.secrets, "The verification token")
    return Answer(200)


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        (_SIGNATURE, f"sha256={schemes.mac(config.secrets[0], body).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="notion",
        title="Notion",
        documentation="https://developers.notion.com/reference/webhooks",
        header="`X-Notion-Signature`",
        algorithm="HMAC-SHA256 of the body, hex, after `sha256=`",
        timestamp=None,
        dedupe="`id` of the body",
        oracle="@notionhq/client (npm)",
        fields=(
            Field(
                "secret",
                "The verification token. Left out, it is taken from Notion's first request, which is not signed.",
                "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl",
                required=False,
            ),
            Field(
                "verificationToken",
                "What Notion sent as its verification token: paste it there. Set by Postrider, and of no other use.",
                "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl",
                required=False,
                secret=False,
            ),
        ),
        verify=_verify,
        sign=_sign,
        handshake="`verification_token`: learned, and shown with the source, if it has no secret",
        setup="Integration settings → Webhooks → Create a subscription: the URL. Then read `verificationToken` of the "
        "source, and paste it at Notion to verify.",
    ),
)
