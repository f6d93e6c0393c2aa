"""X (Twitter): https://docs.x.com/x-api/webhooks/quickstart

`x-twitter-webhooks-signature` is `sha256=` and base64 of HMAC-SHA256 of the body under the app's consumer secret. To
check the URL (when it is registered, and every so often), X asks with GET for `crc_token`, and is answered with
base64 of HMAC-SHA256 of that token under the same secret. Anybody may ask; the answer must not be good as a signature
of an event: events are JSON objects, so tokens with anything but letters, digits and `+/=_.-` are refused. Not every
event has an id or a time: none is taken for one that came before.
"""

import re
from base64 import b64encode
from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request

_HEADER: Final = "x-twitter-webhooks-signature"
# A + of the query is a blank once it is decoded.
_TOKEN: Final = re.compile(r"[A-Za-z0-9 +/=_.-]{1,512}")


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    if request.method == "GET":
        token = request.query("crc_token")
        if token is None or not _TOKEN.fullmatch(token) or not config.secrets:
            raise Rejection("A GET must have crc_token, of letters and digits.", 400)
        return Answer(
            200, orjson.dumps({"response_token": _proof(config.secrets[0], token.encode())}), "application/json"
        )
    given = request.header(_HEADER)
    if not given.startswith("sha256="):
        raise Rejection("The header x-twitter-webhooks-signature must begin with sha256=.")
    if not schemes.any_same([given], [_proof(secret, request.body) for secret in config.secrets]):
        raise Rejection(schemes.WRONG)
    if not isinstance(request.json, dict):
        raise Rejection("The body is not one of X's.", 400)
    lists = [name for name in request.json if name.endswith(("_events", "_event"))]
    name = request.text("data", "event_type") or (lists[0] if len(lists) == 1 else None)
    return Event(name)


def _proof(secret: str, content: bytes) -> str:
    return "sha256=" + b64encode(schemes.mac(secret, content)).decode()


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        (_HEADER, _proof(config.secrets[0], body)),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="twitter",
        title="X (Twitter)",
        documentation="https://docs.x.com/x-api/webhooks/quickstart",
        header="`x-twitter-webhooks-signature`",
        algorithm="HMAC-SHA256 of the body, base64",
        timestamp=None,
        dedupe=None,
        oracle="none in the tests: X's package (twitter-autohook, npm) brings 57 MB; compared with it by hand",
        fields=(
            Field("secret", "The app's consumer secret (API key secret).", "z3ZX4v7mAAUGykl3EcmkqbartmuW8VFOOzCloLx"),
        ),
        verify=_verify,
        sign=_sign,
        handshake="GET with `crc_token`: answers its HMAC, under the newest secret",
        methods=frozenset({"GET", "POST"}),
        setup="Register the URL with `POST /2/webhooks`, after the source was created. The API key secret is with "
        "your app's keys and tokens.",
    ),
)
