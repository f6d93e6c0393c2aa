"""Postmark: https://postmarkapp.com/developer/webhooks/webhooks-overview

Postmark signs nothing: a URL is protected by basic authentication, with the user and password that are given for it.
`X-PM-Webhook-Trace-Id` is the same when an event is sent again, `RecordType` of the body is the kind of event; an
inbound e-mail has none.
"""

from base64 import b64encode
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.providers.generic import check_user

_TRACE: Final = "x-pm-webhook-trace-id"


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    user, password = schemes.basic_credentials(request)
    # Both are compared, so that time does not tell which of them is wrong.
    right = [
        schemes.same(user, config.option("username").encode()),
        schemes.any_same([password], [secret.encode() for secret in config.secrets]),
    ]
    if not all(right):
        raise Rejection("The user and password are not those of this source.")
    if not isinstance(request.json, dict):
        raise Rejection("The body is not one of Postmark's.", 400)
    return Event(request.text("RecordType") or "Inbound", request.find(_TRACE))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    credentials = f"{config.options.get('username', '')}:{config.secrets[0]}".encode()
    headers = (
        ("user-agent", "Postmark"),
        ("content-type", "application/json"),
        (_TRACE, schemes.mac(event, body).hex()[:32]),
        ("x-pm-retries-remaining", "9"),
        ("authorization", f"Basic {b64encode(credentials).decode()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="postmark",
        title="Postmark",
        documentation="https://postmarkapp.com/developer/webhooks/webhooks-overview",
        header="`Authorization`",
        algorithm="basic authentication",
        timestamp=None,
        dedupe="`X-PM-Webhook-Trace-Id`",
        oracle="none: Postmark signs nothing",
        fields=(
            Field(
                "username",
                "The user of the basic authentication.",
                "postmark",
                secret=False,
                check=check_user,
            ),
            Field("secret", "The password of the basic authentication.", "c4ca4238a0b923820dcc509a6f75849b"),
        ),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({"authorization"}),
        setup="A server's message stream, Webhooks: the URL, and under basic auth credentials the user and "
        "password that you have chosen.",
    ),
)
