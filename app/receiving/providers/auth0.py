"""Auth0: https://auth0.com/docs/customize/log-streams/custom-log-streams (log streams), and
https://auth0.com/docs/customize/events/create-an-event-stream (event streams).

Each request has in `Authorization` the token that was entered, as it is (log streams) or after `Bearer` (event
streams); nothing is signed. A log stream sends entries with `log_id` as a JSON array, lines, or one object; an event
stream sends one CloudEvent with `id`.
"""

from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import id_of_all, name_of_all

_BEARER: Final = "Bearer "


def _verify(request: Request, config: Config, moment: Moment) -> Event:
    token = request.header("authorization").removeprefix(_BEARER)
    schemes.check_text(token, [secret.removeprefix(_BEARER) for secret in config.secrets], "The header authorization")
    entries = _entries(request.body)
    names, ids = [], []
    for entry in entries:
        inner = Request(request.method, request.url, (), entry)
        names.append(inner.text("data", "type") or inner.text("type"))
        ids.append(inner.text("log_id") or inner.text("data", "log_id") or inner.text("id"))
    return Event(name_of_all(names), id_of_all(ids))


def _entries(body: bytes) -> list[bytes]:
    """Each JSON object of the body. Rejection if it is none of the forms of a log stream."""
    try:
        whole: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            whole = [orjson.loads(line) for line in body.splitlines() if line.strip()]
        except orjson.JSONDecodeError:
            raise Rejection("The body is neither JSON nor lines of JSON.", 400) from None
    if isinstance(whole, dict):
        # CloudEvents have their kind beside `data`; entries of a log have theirs in it.
        return [body]
    return [orjson.dumps(entry) for entry in whole] if isinstance(whole, list) else []


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
