"""Meta (Facebook, Instagram, WhatsApp, Messenger):
https://developers.facebook.com/docs/graph-api/webhooks/getting-started

`X-Hub-Signature-256` is `sha256=` and the hex of HMAC-SHA256 of the body under the app's secret. To check the URL,
Meta asks with GET for `hub.challenge`, and tells the verify token that its owner has set. A body may tell of up to
1,000 changes; a message in it has an id (`mid`; WhatsApp: `id`) that is the same when it is sent again.
"""

from typing import Final

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import name_of_all

_HEADER: Final = "x-hub-signature-256"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    if request.method == "GET":
        return _challenge(request, config)
    algorithm, _, signature = request.header(_HEADER).partition("=")
    if algorithm != "sha256":
        raise Rejection("The header x-hub-signature-256 must begin with sha256=.")
    expected = [schemes.mac(secret, request.body).hex() for secret in config.secrets]
    if not schemes.any_same([signature], expected):
        raise Rejection(schemes.WRONG)
    parts = (request.text("object"), name_of_all(_kinds(request)))
    return Event(".".join(part for part in parts if part) or None, _message_id(request))


def _challenge(request: Request, config: Config) -> Answer:
    mode, token, challenge = (request.query(f"hub.{name}") for name in ("mode", "verify_token", "challenge"))
    if mode != "subscribe" or not token or not challenge:
        raise Rejection("A GET must have hub.mode=subscribe, hub.verify_token and hub.challenge.", 400)
    if not schemes.same(token, config.option("verifyToken")):
        raise Rejection("hub.verify_token is not the verifyToken of this source.")
    return Answer(200, challenge.encode("utf-8", "replace"), "text/plain")


def _all(body: object, *path: str) -> list[object]:
    """What stands at a path, of each entry of each list on the way."""
    found = [body]
    for step in path:
        values = [each[step] for each in found if isinstance(each, dict) and step in each]
        found = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return found


def _kinds(request: Request) -> list[str | None]:
    """The fields that changed; `messaging` and `standby` are lists of Messenger's."""
    fields = [each if isinstance(each, str) else None for each in _all(request.json, "entry", "changes", "field")]
    return fields + [name for name in ("messaging", "standby") for _ in _all(request.json, "entry", name)]


def _message_id(request: Request) -> str | None:
    """That of the one message that the body tells of; None if it tells of something else, or of more."""
    told = [each for name in ("changes", "messaging", "standby") for each in _all(request.json, "entry", name)]
    ids = [
        *_all(request.json, "entry", "changes", "value", "messages", "id"),
        *_all(request.json, "entry", "messaging", "message", "mid"),
    ]
    return ids[0] if len(told) == len(ids) == 1 and isinstance(ids[0], str) else None


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "facebookexternalua"),
        ("content-type", "application/json"),
        (_HEADER, f"sha256={schemes.mac(config.secrets[0], body).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="meta",
        title="Meta",
        documentation="https://developers.facebook.com/docs/graph-api/webhooks/getting-started",
        header="`X-Hub-Signature-256`",
        algorithm="HMAC-SHA256 of the body, hex",
        timestamp=None,
        dedupe="the id of the message, where the body tells of one message; else none",
        oracle="none: Meta's package (WhatsApp, npm) never left alpha, and the documentation has no vectors",
        fields=(
            Field("secret", "The app's secret.", "a1b2c3d4e5f60718293a4b5c6d7e8f90"),
            Field("verifyToken", "The verify token that you have given to Meta with the URL.", "meatyhamhock"),
        ),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({"?hub.verify_token"}),
        handshake="GET with `hub.challenge`: answers it if `hub.verify_token` is right",
        methods=frozenset({"GET", "POST"}),
        setup="App Dashboard, your app, Webhooks: Callback URL and Verify Token. The app secret is under App "
        "settings, Basic.",
    ),
)
