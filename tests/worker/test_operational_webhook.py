"""An endpoint that is given up: its organization is told, says why, and can undo it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import pytest
from standardwebhooks.webhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from app import clock
from app.db.endpoint_health.table import EndpointHealth, EndpointHealthTable
from app.db.shard.model import shard_of
from app.delivery.breaker import BreakerPolicy
from app.settings import Settings
from tests.api.arriving import open_inlet, stripe_event
from tests.factories import Json, create_endpoint
from tests.receiver import Answer, Arrival, Receiver
from tests.worker.stage import Stage, staged, until_done

SECRET: Final = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
LISTENER: Final = "/told"
# Nothing but the time of failing ends an endpoint.
SHORT: Final = BreakerPolicy(failures=10_000, failing_for=10_000, disable_after=0.3)


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    """Where a failed delivery is due again at once, for a long time."""
    own = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (0,) * 9999})
    async with staged(own, token) as opened:
        yield opened


class Customer:
    """The receiver of an endpoint and of what the organization is told; the endpoint answers `status`.

    `once` is what it answers one time before that, and `seconds` how long it takes.
    """

    def __init__(self, receiver: Receiver, status: int) -> None:
        self.status = status
        self.once: int | None = None
        self.seconds = 0.0
        self._receiver = receiver
        receiver.answer = self._answer

    def _answer(self, arrival: Arrival) -> Answer:
        if arrival.path == LISTENER:
            return Answer()
        status, self.once = self.once or self.status, None
        return Answer(status, after=self.seconds)

    @property
    def news(self) -> list[Arrival]:
        return [arrival for arrival in self._receiver.arrivals if arrival.path == LISTENER]

    @property
    def seen(self) -> int:
        """How many requests the endpoint has had."""
        return len(self._receiver.arrivals) - len(self.news)

    async def told(self, count: int = 1) -> list[Json]:
        """What the organization was told, once there is so much. TimeoutError if there never is."""
        async with asyncio.timeout(10):
            while len(self.news) < count:
                await asyncio.sleep(0.01)
        return [json.loads(arrival.body) for arrival in self.news]


async def listen(stage: Stage, receiver: Receiver, *event_types: str) -> str:
    body = {"url": receiver.url + LISTENER, "eventTypes": list(event_types), "secret": SECRET}
    answer = await stage.client.post("/operational-webhook/endpoint", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def shown(stage: Stage, endpoint: str) -> Json:
    found: Json = (await stage.client.get(f"/app/{stage.application}/endpoint/{endpoint}")).json()
    return found


async def enable(stage: Stage, endpoint: str) -> None:
    answer = await stage.client.patch(f"/app/{stage.application}/endpoint/{endpoint}", json={"disabled": False})
    assert answer.status_code == 200


async def test_a_receiver_that_is_gone_is_told_signed_and_can_be_undone(stage: Stage, receiver: Receiver) -> None:
    customer = Customer(receiver, 410)
    await listen(stage, receiver, "endpoint.disabled", "endpoint.enabled")
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 3)
    async with stage.draining() as drain:
        (event,) = await customer.told()
        (arrival,) = customer.news
        assert Webhook(SECRET).verify(arrival.body, arrival.headers) == event
        SvixWebhook(SECRET).verify(arrival.body, arrival.headers)  # Raises if it does not hold.
        reason = "the receiver answered 410 Gone"
        assert event == {
            "type": "endpoint.disabled",
            "data": {
                "appId": stage.application,
                "endpointId": endpoint,
                "trigger": "automatic",
                "reason": reason,
            },
        }
        assert (await shown(stage, endpoint))["disabledReason"] == reason
        await until_done(stage)
        before = customer.seen
        await stage.publish(endpoint, 2)
        drain.ring(range(64))
        await until_done(stage)
        assert customer.seen == before, "it was sent to while it was disabled"
        customer.status = 204
        await enable(stage, endpoint)
        assert [event["type"] for event in await customer.told(2)] == ["endpoint.disabled", "endpoint.enabled"]
        (again,) = await stage.publish(endpoint)
        drain.ring(range(64))
        await until_done(stage)
        assert customer.seen == before + 1, "what was canceled meanwhile does not come back"
        assert (await stage.states())[again] == (0, 1)


async def test_a_sources_receiver_that_is_gone_is_told_with_the_source(stage: Stage, receiver: Receiver) -> None:
    customer = Customer(receiver, 410)
    await listen(stage, receiver, "endpoint.disabled", "ingest.endpoint.disabled")
    inlet = await open_inlet(stage.client)
    endpoint = (await create_endpoint(stage.client, inlet.source["applicationId"], receiver.url))["id"]
    assert (await inlet.post(stripe_event())).status_code == 200
    async with stage.draining():
        (event,) = await customer.told()
        await until_done(stage)
    (arrival,) = customer.news
    assert Webhook(SECRET).verify(arrival.body, arrival.headers) == event
    assert event == {
        "type": "ingest.endpoint.disabled",
        "data": {
            "sourceId": inlet.source["id"],
            "endpointId": endpoint,
            "trigger": "automatic",
            "reason": "the receiver answered 410 Gone",
        },
    }


async def test_steady_failure_is_told_once_with_since_when_and_the_next_failure_after_the_undo_is_no_end(
    stage: Stage, receiver: Receiver
) -> None:
    customer = Customer(receiver, 503)
    await listen(stage, receiver, "endpoint.disabled")
    endpoint = await stage.endpoint(receiver.url)
    started = clock.now()
    await stage.publish(endpoint, 8)
    async with stage.draining(policy=SHORT) as drain:
        (event,) = await customer.told()
        since = datetime.fromisoformat(event["data"]["failSince"])
        assert abs((since - started).total_seconds()) < 2
        assert event["data"]["trigger"] == "automatic"
        expected = f"it has failed steadily since {since:%Y-%m-%d %H:%M} UTC, last with status 503"
        assert event["data"]["reason"] == (await shown(stage, endpoint))["disabledReason"] == expected
        await until_done(stage)
        await asyncio.sleep(SHORT.disable_after or 0)
        await enable(stage, endpoint)
        customer.once, customer.status = 503, 204
        (again,) = await stage.publish(endpoint)
        drain.ring(range(64))
        await until_done(stage)
        assert (await stage.states())[again] == (0, 2)
    assert len(customer.news) == 1


async def test_a_worker_that_starts_after_the_undo_does_not_go_on_from_before_it(
    stage: Stage, receiver: Receiver
) -> None:
    customer = Customer(receiver, 204)
    customer.once = 503
    endpoint = await stage.endpoint(receiver.url)
    path = f"/app/{stage.application}/endpoint/{endpoint}"
    await stage.client.patch(path, json={"disabled": True})
    await enable(stage, endpoint)
    # What was in flight when it was disabled ends late, and the worker that sent it stores what it knows.
    long_ago = clock.unix() - 3600
    stale = EndpointHealth(endpoint, long_ago, long_ago, 99, clock.unix() + 3600, revision=1)
    await EndpointHealthTable(stage.database.pool).store([stale])
    (message,) = await stage.publish(endpoint)
    async with stage.draining(policy=BreakerPolicy(disable_after=60)):
        await until_done(stage)
    assert (await stage.states())[message] == (0, 2)
    assert (await shown(stage, endpoint))["disabled"] is False


async def test_a_restart_does_not_forget_since_when_an_endpoint_fails(stage: Stage, receiver: Receiver) -> None:
    customer = Customer(receiver, 503)
    await listen(stage, receiver, "endpoint.disabled")
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint)
    long = BreakerPolicy(failures=10_000, failing_for=10_000, disable_after=3600)
    async with stage.draining(policy=long):
        await receiver.wait_for(2)
    first = await stage.database.pool.fetchval("SELECT first_failure_at FROM endpoint_health")
    async with stage.draining(policy=SHORT):
        (event,) = await customer.told()
    assert datetime.fromisoformat(event["data"]["failSince"]) == first


async def test_an_operational_endpoint_that_is_gone_ends_quietly(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda arrival: Answer(410 if arrival.path == LISTENER else 204)
    gone = await listen(stage, receiver)
    other = (await stage.client.post("/operational-webhook/endpoint", json={"url": receiver.url})).json()["id"]
    await stage.endpoint(receiver.url + "/customer")
    async with stage.draining():
        await until_done(stage)
        answer = (await stage.client.get(f"/operational-webhook/endpoint/{gone}")).json()
        assert (answer["disabled"], answer["disabledReason"]) == (True, "the receiver answered 410 Gone")
        assert (await stage.client.get(f"/operational-webhook/endpoint/{other}")).json()["disabled"] is False
    assert [json.loads(a.body)["type"] for a in receiver.arrivals] == ["endpoint.created"] * 2


async def test_the_worker_that_disables_rings_for_the_news(stage: Stage, receiver: Receiver) -> None:
    customer = Customer(receiver, 410)
    listener = await listen(stage, receiver, "endpoint.disabled")
    while shard_of(endpoint := await stage.endpoint(receiver.url)) == shard_of(listener):
        pass
    # Long enough for the worker to give back all shards but the endpoint's own.
    customer.seconds = 0.8
    await stage.publish(endpoint)
    async with stage.draining(sweeping=False):
        await customer.told()
