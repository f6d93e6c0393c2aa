"""What one process changes, the others see: two API processes' worth of caches, and a worker with its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from app import clock
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.receiver import Answer, Receiver, receiving
from tests.worker.conftest import eventually

Ring = Callable[[], None]

_CANCELED = "SELECT * FROM deliveries WHERE message_id = $1 AND state = 4"
_RETRYING = "SELECT * FROM deliveries WHERE message_id = $1 AND state = 1"


@pytest.fixture
async def other(settings: Settings, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to a second API process for the organization of `client`: another pool, other caches."""
    async with factories.running(settings) as app, factories.client_of(app, token) as opened:
        yield opened


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


async def test_the_next_attempt_goes_where_and_is_signed_as_another_process_has_said(
    client: httpx.AsyncClient, other: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    async with receiving() as moved:
        endpoint = (await factories.create_endpoint(client, application, receiver.url))["id"]
        path = f"/app/{application}/endpoint/{endpoint}"
        await factories.publish(client, application)
        ring()
        await receiver.wait_for(1)
        assert (await other.patch(path, json={"url": moved.url})).status_code == 200
        rotation = {"gracePeriodSeconds": 0}
        assert (await other.post(f"{path}/secret/rotate", json=rotation)).status_code == 204
        secret = (await client.get(f"{path}/secret")).json()["key"]
        await factories.publish(client, application)
        ring()
        (arrival,) = await moved.wait_for(1)
        Webhook(secret).verify(arrival.body, arrival.headers)
        assert " " not in arrival.headers["webhook-signature"]
        assert len(receiver.arrivals) == 1


async def test_a_retry_goes_to_the_url_that_another_process_has_set_meanwhile(
    client: httpx.AsyncClient,
    other: httpx.AsyncClient,
    application: str,
    receiver: Receiver,
    ring: Ring,
    database: Database,
) -> None:
    receiver.answer = lambda _arrival: Answer(status=500)
    async with receiving() as moved:
        endpoint = (await factories.create_endpoint(client, application, receiver.url))["id"]
        message = (await factories.publish(client, application))["id"]
        ring()
        await receiver.wait_for(1)
        await eventually(database, _RETRYING, message)
        changed = await other.patch(f"/app/{application}/endpoint/{endpoint}", json={"url": moved.url})
        assert changed.status_code == 200
        ring()
        (arrival,) = await moved.wait_for(1)
        assert arrival.headers["webhook-id"] == message


async def test_nothing_is_sent_to_an_endpoint_that_another_process_has_disabled(
    client: httpx.AsyncClient,
    other: httpx.AsyncClient,
    application: str,
    receiver: Receiver,
    ring: Ring,
    database: Database,
) -> None:
    endpoint = (await factories.create_endpoint(client, application, receiver.url))["id"]
    path = f"/app/{application}/endpoint/{endpoint}"
    await factories.publish(client, application)
    ring()
    await receiver.wait_for(1)
    due = (await factories.publish(client, application, deliverAt=_in_two_minutes()))["id"]
    assert (await other.patch(path, json={"disabled": True})).status_code == 200
    await database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now() WHERE message_id = $1", due)
    ring()
    await eventually(database, _CANCELED, due)
    unheard = (await factories.publish(client, application))["id"]
    assert not await database.pool.fetch("SELECT FROM pending_deliveries WHERE message_id = $1", unheard)
    assert (await other.patch(path, json={"disabled": False})).status_code == 200
    await factories.publish(client, application)
    ring()
    assert len(await receiver.wait_for(2)) == 2


def _in_two_minutes() -> str:
    return (clock.now() + timedelta(minutes=2)).isoformat()


async def test_a_token_that_one_process_has_revoked_is_refused_by_the_other_within_two_seconds(
    client: httpx.AsyncClient, other: httpx.AsyncClient, organization_id: str, application: str
) -> None:
    keys = f"/management/authentication/{organization_id}/api-token"
    key = (await client.post(keys, json={"name": "Key"})).json()
    portal = (await client.post(f"/auth/app-portal-access/{application}", json={})).json()
    path = f"/app/{application}/endpoint"

    async def statuses() -> set[int]:
        tokens = (key["token"], portal["token"])
        return {(await other.get(path, headers={"authorization": f"Bearer {text}"})).status_code for text in tokens}

    assert await statuses() == {200}
    assert (await client.post(f"{keys}/{key['id']}/expire", json={"expiry": 0})).status_code == 204
    assert (await client.post(f"/auth/app/{application}/expire-all", json={})).status_code == 204
    async with asyncio.timeout(2):
        while await statuses() != {401}:
            await asyncio.sleep(0.05)


async def test_a_uid_that_names_another_application_by_now_names_it_in_every_process(
    client: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    uid = factories.unique("shop")
    first = (await factories.create_application(client, uid=uid))["id"]
    earlier = (await factories.publish(other, uid))["id"]
    assert (await client.delete(f"/app/{first}")).status_code == 204
    second = (await factories.create_application(client, uid=uid))["id"]
    later = (await factories.publish(other, uid))["id"]
    listed = (await client.get(f"/app/{second}/msg")).json()["data"]
    assert [item["id"] for item in listed] == [later]
    assert earlier != later
