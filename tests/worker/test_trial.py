"""A message to one endpoint alone: an example of an event type, or a trial whose answer is waited for."""

import asyncio
from collections.abc import Callable
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from standardwebhooks.webhooks import Webhook

from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.factories import Json
from tests.receiver import Answer, Receiver
from tests.worker.conftest import eventually
from tests.worker.stage import sent, staged

KEY: Final = "Idempotency-Key"
SCHEMAS: Final[Json] = {
    "2": {"type": "object", "examples": [{"old": True}]},
    "10": {"type": "object", "examples": [{"id": "in_1", "amount": 4200}, {"id": "in_2"}]},
}
Ring = Callable[[], None]
ENDED: Final = "SELECT state, attempts FROM deliveries WHERE message_id = $1"


class Till:
    """An application with two endpoints: one that is meant, and one that would get everything that is published."""

    def __init__(self, client: httpx.AsyncClient, application: str, meant: Json, other: Json) -> None:
        self._client = client
        self.application = application
        self.meant: str = meant["id"]
        self.other: str = other["id"]

    async def post(self, path: str, body: Json, **headers: str) -> httpx.Response:
        url = f"/app/{self.application}/endpoint/{self.meant}/{path}"
        return await self._client.post(url, json=body, headers=headers, timeout=20)


@pytest.fixture
async def till(client: httpx.AsyncClient, receiver: Receiver) -> Till:
    application = (await factories.create_application(client))["id"]
    await factories.create_event_type(client, "invoice.paid", schemas=SCHEMAS)
    await factories.create_event_type(client, "user.created")
    # It subscribes to neither, and gets what is meant for it all the same.
    meant = await factories.create_endpoint(
        client, application, f"{receiver.url}/meant", eventTypes=["user.created"], channels=["none"]
    )
    other = await factories.create_endpoint(client, application, f"{receiver.url}/other")
    return Till(client, application, meant, other)


@pytest.mark.parametrize(("index", "payload"), [(None, {"id": "in_1", "amount": 4200}), (1, {"id": "in_2"})])
async def test_an_example_of_the_newest_schema_is_sent_to_one_endpoint(
    till: Till, receiver: Receiver, database: Database, ring: Ring, index: int | None, payload: Json
) -> None:
    body = {"eventType": "invoice.paid"} | ({} if index is None else {"exampleIndex": index})
    answer = await till.post("send-example", body)
    assert (answer.status_code, answer.json()["payload"]) == (200, payload)
    assert answer.json()["eventType"] == "invoice.paid"
    ring()
    (ended,) = await eventually(database, ENDED, answer.json()["id"])
    assert ended == {"state": 0, "attempts": 1}
    assert [(arrival.path, arrival.headers["webhook-id"]) for arrival in receiver.arrivals] == [
        ("/meant", answer.json()["id"])
    ]


@pytest.mark.parametrize(
    ("event_type", "fields", "status", "code"),
    [
        ("user.created", {}, 400, "invalid_scheme"),
        ("no.such", {}, 404, "not_found"),
        ("invoice.paid", {"exampleIndex": 2}, 422, None),
        ("invoice.paid", {"exampleIndex": -1}, 422, None),
    ],
)
async def test_what_has_no_example_is_refused_and_nothing_is_stored(
    till: Till, client: httpx.AsyncClient, event_type: str, fields: Json, status: int, code: str | None
) -> None:
    answer = await till.post("send-example", {"eventType": event_type, **fields})
    assert (answer.status_code, answer.json().get("code")) == (status, code)
    assert (await client.get(f"/app/{till.application}/msg")).json()["data"] == []


@pytest.mark.parametrize(
    ("flags", "of_event_type", "status"),
    [([], ["beta"], 404), (["other"], ["beta"], 404), (["beta"], ["beta", "x"], 200), ([], None, 200)],
)
async def test_a_portal_gets_examples_of_the_event_types_that_it_may_see(
    app: FastAPI, till: Till, client: httpx.AsyncClient, flags: list[str], of_event_type: list[str] | None, status: int
) -> None:
    body = {"description": "", "schemas": SCHEMAS, "featureFlags": of_event_type}
    assert (await client.put("/event-type/secret.plan", json=body)).status_code in {200, 201}
    access = await client.post(f"/auth/app-portal-access/{till.application}", json={"featureFlags": flags})
    path = f"/app/{till.application}/endpoint/{till.meant}/send-example"
    async with factories.client_of(app, access.json()["token"]) as portal:
        answer = await portal.post(path, json={"eventType": "secret.plan"})
        listed = [each["name"] for each in (await portal.get("/event-type")).json()["data"]]
    assert (answer.status_code, "secret.plan" in listed) == (status, status == 200)
    assert len((await client.get(f"/app/{till.application}/msg")).json()["data"]) == (status == 200)
    assert (await client.post(path, json={"eventType": "secret.plan"})).status_code == 200


@pytest.mark.parametrize("schema", [{"example": {"id": 1}}, {"examples": [7]}, {"examples": []}, {"examples": "text"}])
async def test_an_example_is_an_object(till: Till, client: httpx.AsyncClient, schema: Json) -> None:
    await client.put("/event-type/shape", json={"description": "", "schemas": {"1": schema}})
    answer = await till.post("send-example", {"eventType": "shape"})
    assert answer.status_code == (200 if "example" in schema else 400)


async def test_a_trial_answers_with_the_attempt_that_was_made(
    till: Till, client: httpx.AsyncClient, receiver: Receiver, ring: Ring
) -> None:
    receiver.answer = lambda _: Answer(418, body=b"short and stout")
    trying = asyncio.create_task(till.post("msg/test-attempt", {"eventType": "invoice.paid", "payload": {"a": 1.50}}))
    attempt = await _rung(trying, ring)
    assert attempt.status_code == 201
    shown = attempt.json()
    assert (shown["responseStatusCode"], shown["response"], shown["status"]) == (418, "short and stout", 2)
    assert (shown["endpointId"], shown["triggerType"]) == (till.meant, 1)
    (arrival,) = receiver.arrivals
    assert (arrival.path, arrival.body) == ("/meant", b'{"a":1.5}')
    secret = (await client.get(f"/app/{till.application}/endpoint/{till.meant}/secret")).json()["key"]
    assert Webhook(secret).verify(arrival.body.decode(), dict(arrival.headers)) == {"a": 1.5}
    # It failed, and is not tried again.
    endpoints = (await client.get(f"/app/{till.application}/msg/{shown['msgId']}/endpoint")).json()["data"]
    assert [(each["id"], each["status"]) for each in endpoints] == [(till.meant, 2)]


async def test_a_trial_that_is_repeated_with_its_key_sends_nothing_and_gets_the_same_answer(
    till: Till, receiver: Receiver, ring: Ring
) -> None:
    body = {"eventType": "invoice.paid", "payload": {"a": 1}}
    first = await _rung(asyncio.create_task(till.post("msg/test-attempt", body, **{KEY: "auto_1"})), ring)
    second = await till.post("msg/test-attempt", body, **{KEY: "auto_1"})
    assert first.json() == second.json()
    other = await till.post("msg/test-attempt", {**body, "payload": {"a": 2}}, **{KEY: "auto_1"})
    assert (other.status_code, "another body" in other.json()["detail"]) == (409, True)
    assert len(receiver.arrivals) == 1


async def test_a_trial_is_sent_as_its_publisher_says(
    till: Till, client: httpx.AsyncClient, receiver: Receiver, database: Database, ring: Ring
) -> None:
    params = {"rawPayload": "<a/>", "headers": {"content-type": "application/xml"}}
    body = {"eventType": "invoice.paid", "payload": {}, "tags": ["blue"], "payloadRetentionHours": 30}
    trying = asyncio.create_task(till.post("msg/test-attempt", body | {"transformationsParams": params}))
    attempt = await _rung(trying, ring)
    (arrival,) = receiver.arrivals
    assert (arrival.body, arrival.headers["content-type"]) == (b"<a/>", "application/xml")
    message = attempt.json()["msgId"]
    assert (await client.get(f"/app/{till.application}/msg/{message}")).json()["tags"] == ["blue"]
    left = "SELECT extract(epoch FROM expires_at - now()) / 3600 FROM payload_expiries WHERE message_id = $1"
    assert 29.9 < await database.pool.fetchval(left, message) <= 30


async def test_a_trial_that_the_endpoints_code_cancels_says_so(
    till: Till, client: httpx.AsyncClient, receiver: Receiver, ring: Ring
) -> None:
    code = "function handler(webhook) { webhook.cancel = true; return webhook }"
    path = f"/app/{till.application}/endpoint/{till.meant}/transformation"
    assert (await client.patch(path, json={"code": code, "enabled": True})).status_code == 204
    answer = await _rung(asyncio.create_task(till.post("msg/test-attempt", {"eventType": "a", "payload": {}})), ring)
    assert (answer.status_code, answer.json()["code"]) == (400, "canceled")
    assert receiver.arrivals == []


async def test_a_trial_of_a_taken_event_id_is_refused(till: Till, client: httpx.AsyncClient) -> None:
    await factories.publish(client, till.application, eventId="paid-1")
    answer = await till.post("msg/test-attempt", {"eventType": "invoice.paid", "eventId": "paid-1", "payload": {}})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_a_trial_of_what_is_not_there_is_not_found(
    till: Till, client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    body = {"eventType": "invoice.paid", "payload": {}}
    url = f"/app/{till.application}/endpoint/{till.meant}/msg/test-attempt"
    assert (await stranger.post(url, json=body)).status_code == 404
    for missing in (f"/app/{till.application}/endpoint/none/msg/test-attempt", "/app/%00/endpoint/x/msg/test-attempt"):
        assert (await client.post(missing, json=body)).status_code == 404


async def test_a_trial_without_a_worker_says_so_and_is_sent_once_when_there_is_one(
    settings: Settings, empty_dsn: str, token: str, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as stage:
        url = f"/app/{stage.application}/endpoint/{await stage.endpoint(receiver.url)}/msg/test-attempt"
        body, headers = {"eventType": "invoice.paid", "payload": {}}, {KEY: "auto_1"}
        with monkeypatch.context() as impatient:
            impatient.setattr("app.api.trial.service._PATIENCE_SECONDS", 0.1 - settings.worker_request_timeout)
            answer = await stage.client.post(url, json=body, headers=headers)
        assert (answer.status_code, "No worker" in answer.json()["detail"]) == (503, True)
        async with stage.draining():
            again = await stage.client.post(url, json=body, headers=headers)
        assert (again.status_code, again.json()["responseStatusCode"]) == (201, 204)
        assert again.json()["msgId"] in answer.json()["detail"]
        assert sent(receiver) == [again.json()["msgId"]]


async def _rung(request: asyncio.Task[httpx.Response], ring: Ring) -> httpx.Response:
    """The answer to a request that waits for the worker, which hears of it now and then."""
    while not request.done():
        ring()
        await asyncio.wait({request}, timeout=0.05)
    return request.result()
