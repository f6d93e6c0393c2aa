"""Okta event hooks: https://developer.okta.com/docs/concepts/event-hooks/ (requests, verification, delivery).

Each request has the secret itself in `Authorization`; nothing is signed. To verify the address Okta sends one GET with
`X-Okta-Verification-Challenge`, which is to come back as JSON. A POST tells of one event or more, each with a `uuid` by
which duplicates are to be known: it is sent once more if there is no answer within 3 seconds.
"""

from typing import Final

import orjson

from app.receiving import schemes
from app.receiving.contract import Answer, Config, Event, Field, Moment, Provider, Rejection, Request
from app.receiving.naming import id_of_all, name_of_all

_CHALLENGE: Final = "x-okta-verification-challenge"


def _verify(request: Request, config: Config, moment: Moment) -> Event | Answer:
    schemes.check_text(request.header("authorization"), config.secrets, "The header authorization")
    if request.method == "GET":
        challenge = request.header(_CHALLENGE).encode("latin-1", "replace").decode("latin-1")
        return Answer(200, orjson.dumps({"verification": challenge}), "application/json")
    body = request.json
    data = body.get("data") if isinstance(body, dict) else None
    events = data.get("events") if isinstance(data, dict) else None
    if not isinstance(events, list):
        raise Rejection("The body is no event hook: it has no data.events.", 400)
    names, ids = (request.texts("data", "events", name) for name in ("eventType", "uuid"))
    return Event(name_of_all(names), id_of_all(ids))


def _sign(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = (
        ("user-agent", "Okta-Integrations"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("authorization", config.secrets[0]),
    )
    return Request("POST", url, headers, body)


PROVIDERS: Final = (
    Provider(
        name="okta",
        title="Okta",
        documentation="https://developer.okta.com/docs/concepts/event-hooks/",
        header="`Authorization`",
        algorithm="the secret itself; the body is not signed",
        timestamp=None,
        dedupe="`uuid` of each event of the body",
        oracle="none: there is no signature; the one-time verification is that of Okta's support article",
        fields=(Field("secret", "The authentication secret of the event hook.", "k7Yl2v0QeP4mZs8rT1nX"),),
        verify=_verify,
        sign=_sign,
        handshake="GET with `X-Okta-Verification-Challenge`: answers it as JSON, if the secret is right",
        methods=frozenset({"GET", "POST"}),
        credentials=frozenset({"authorization"}),
        setup="Workflow, Event Hooks: create one with the source's URL, authentication field `Authorization` and a "
        "secret of your choice; then verify it.",
    ),
)
