"""Auth0: https://auth0.com/docs/customize/log-streams/custom-log-streams (log streams), and
https://auth0.com/docs/customize/events/create-an-event-stream (event streams).

Each request has in `Authorization` the token that was entered, as it is (log streams) or after `Bearer` (event
streams); nothing is signed. A log stream sends entries with `log_id` as a JSON array, lines, or one object; an event
stream sends one CloudEvent with `id`.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import id_of_all, name_of_all

_BEARER: Final = "Bearer "
_Entry = Callable[..., str | None]


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    token = request.header("authorization").removeprefix(_BEARER)
    schemes.check_text(token, [secret.removeprefix(_BEARER) for secret in config.secrets], "The header authorization")
    entries = _entries(request)
    names = [text("data", "type") or text("type") for text in entries]
    ids = [text("log_id") or text("data", "log_id") or text("id") for text in entries]
    return Event(name_of_all(names), id_of_all(ids))


def _entries(request: Request) -> list[_Entry]:
    """For each JSON object, what gives the text at a path into it. Rejection if it is no form of a log stream's."""
    try:
        whole = request.json
    except Rejection:
        lines = [Request("POST", "", (), line) for line in request.body.splitlines() if line.strip()]
        # Users' names and the like are in it: what they hold must not make the whole batch unreadable.
        if not lines or not all(isinstance(line.json, dict) for line in lines):
            raise Rejection("The body is neither JSON nor lines of JSON.", 400) from None
        return [line.text for line in lines]
    if isinstance(whole, list):
        return [partial(request.text, index) for index in range(len(whole))]
    # CloudEvents have their kind beside `data`; entries of a log have theirs in it.
    return [request.text] if isinstance(whole, dict) else []


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("content-type", "application/json"),
        ("authorization", config.secrets[0]),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="auth0",
        title="Auth0",
        documentation="https://auth0.com/docs/customize/log-streams/custom-log-streams",
        header="`Authorization`",
        algorithm="the token itself, or after `Bearer`; the body is not signed",
        timestamp=None,
        dedupe="`log_id` of the entries; `id` of an event of an event stream",
        oracle="none: there is no signature",
        fields=(Field("secret", "The authorization token of the stream.", "c3RyZWFtLXRva2VuLTk4NzY1"),),
        verify=_verify,
        sign=_sign,
        credentials=frozenset({"authorization"}),
        setup="Monitoring, Streams: create a custom webhook with the source's URL and an authorization token of your "
        "choice; content format JSON Object makes each entry a message of its own.",
    ),
)
