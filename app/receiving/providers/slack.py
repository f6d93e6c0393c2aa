"""Slack: https://docs.slack.dev/authentication/verifying-requests-from-slack (signatures),
https://docs.slack.dev/reference/events/url_verification (handshake), https://docs.slack.dev/apis/events-api (events).

`X-Slack-Signature` is `v0=` and the hex of HMAC-SHA256 of `v0:timestamp:body`; the timestamp is
`X-Slack-Request-Timestamp`. Events are JSON; commands and interactions are forms.
"""

from typing import Final
from urllib.parse import parse_qs

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request, within

_SIGNATURE: Final = "x-slack-signature"
_TIMESTAMP: Final = "x-slack-request-timestamp"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    stamp, given = request.header(_TIMESTAMP), request.header(_SIGNATURE)
    within(schemes.seconds(stamp), moment.now)
    version, _, signature = given.partition("=")
    if version != "v0":
        raise Rejection("The header x-slack-signature must begin with v0=.")
    content = b"v0:" + stamp.encode() + b":" + request.body
    expected = [schemes.mac(secret, content).hex() for secret in config.secrets]
    if not schemes.any_same([signature], expected):
        raise Rejection(schemes.WRONG)
    kind = request.text("type")
    if kind == "url_verification":
        return Answer(200, (request.text("challenge") or "").encode("utf-8", "replace"), "text/plain")
    if kind is None:
        return _of_form(request)
    return Event(request.text("event", "type") or kind, request.text("event_id"))


def _of_form(request: Request) -> Event:
    """A command has `command` and `trigger_id`; an interaction a JSON `payload`."""
    try:
        form = parse_qs(request.body.decode(), max_num_fields=1000)
    except ValueError:
        return Event()
    if "command" in form:
        return Event("command", form.get("trigger_id", [None])[0])
    if "payload" in form:
        inner = Request(request.method, request.url, (), form["payload"][0].encode())
        return Event(inner.text("type") or "interaction", inner.text("trigger_id"))
    return Event()


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    content = f"v0:{int(now)}:".encode() + body
    is_json = body.lstrip()[:1] == b"{"
    headers = (
        ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),
        ("content-type", "application/json" if is_json else "application/x-www-form-urlencoded"),
        (_TIMESTAMP, str(int(now))),
        (_SIGNATURE, f"v0={schemes.mac(config.secrets[0], content).hex()}"),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="slack",
        title="Slack",
        documentation="https://docs.slack.dev/authentication/verifying-requests-from-slack",
        header="`X-Slack-Signature`",
        algorithm="HMAC-SHA256 of `v0:timestamp:body`, hex",
        timestamp="`X-Slack-Request-Timestamp`, 5 min",
        dedupe="`event_id` of the body; `trigger_id` of commands and interactions",
        oracle="slack-sdk (PyPI)",
        fields=(Field("secret", "The app's signing secret.", "8f742231b10e8888abcd99yyyzzz85a5"),),
        verify=_verify,
        sign=_sign,
        handshake="`url_verification`: answers the challenge",
        # A text would be shown to whoever gave a command.
        accepted=Answer(200),
        setup="Your app's settings, Event Subscriptions: Request URL. The signing secret is on the page Basic "
        "Information.",
    ),
)
