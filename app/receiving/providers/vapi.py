"""Vapi: https://docs.vapi.ai/server-url/server-authentication

Of what Vapi lets its users choose from, two ways are taken: `X-Vapi-Signature`, the hex of HMAC-SHA256 of the body (an
HMAC credential with this header, SHA-256, and the body alone as what is signed); else `X-Vapi-Secret`, the server's
secret itself. For other headers or a timestamp there is the source type `hmac`.
Messages that ask for something (`assistant-request`, `tool-calls`) are accepted, but get no answer to what they ask.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Request

_SIGNATURE: Final = "x-vapi-signature"
_SECRET: Final = "x-vapi-secret"  # noqa: S105 - a header


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    if request.find(_SIGNATURE) is None and request.find(_SECRET) is not None:
        schemes.check_text(request.header(_SECRET), config.secrets, f"The header {_SECRET}")
    else:
        schemes.check_mac(schemes.from_hex(request.header(_SIGNATURE)), config.secrets, request.body)
    return Event(request.text("message", "type"))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        (_SIGNATURE, schemes.mac(config.secrets[0], body).hex()),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="vapi",
        title="Vapi",
        documentation="https://docs.vapi.ai/server-url/server-authentication",
        header="`X-Vapi-Signature`, or `X-Vapi-Secret`",
        algorithm="HMAC-SHA256 of the body, hex; or the secret itself",
        timestamp=None,
        dedupe=None,
        oracle="none: the documentation has no vectors",
        fields=(Field("secret", "The secret key of the HMAC credential, or the server's secret.", "c51ce410c124a10e"),),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({_SECRET}),
        setup="Integrations, Server Configuration: an HMAC credential (SHA-256, header `x-vapi-signature`, the "
        "body alone), and the URL as the server URL.",
    ),
)
