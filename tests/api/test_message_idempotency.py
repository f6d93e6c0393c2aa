"""Publishing twice: one event id or one idempotency key is one message, however often and at whatever moment."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.api_server import both_ways
from tests.api.publishing import KEY, Counts, body
from tests.factories import Json

pytestmark = both_ways


async def test_an_event_id_is_published_once(client: httpx.AsyncClient, application: str, counts: Counts) -> None:
    path, other = f"/app/{application}/msg", (await factories.create_application(client))["id"]
    assert (await client.post(path, json=body(eventId="paid-1"))).status_code == 202
    for again in (body(eventId="paid-1"), body(eventId="paid-1", payload={"other": 1})):
        answer = await client.post(path, json=again)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await counts() == {"messages": 1, "event ids": 1, "keys": 0}
    assert (await client.post(f"/app/{other}/msg", json=body(eventId="paid-1"))).status_code == 202


async def test_of_many_who_publish_one_event_id_at_once_one_succeeds(
    client: httpx.AsyncClient, application: str, counts: Counts
) -> None:
    requests = [
        client.post(f"/app/{application}/msg", json=body(eventId="paid-1", payload={"n": n})) for n in range(20)
    ]
    codes = [answer.status_code for answer in await asyncio.gather(*requests)]
    assert sorted(codes) == [202, *([409] * 19)]
    assert await counts() == {"messages": 1, "event ids": 1, "keys": 0}


async def test_the_same_request_again_gets_the_same_answer_and_publishes_nothing(
    client: httpx.AsyncClient, application: str, counts: Counts
) -> None:
    path, headers = f"/app/{application}/msg", {KEY: "auto_1"}
    first = await client.post(path, json=body(eventId="paid-1", channels=["eu"]), headers=headers)
    second = await client.post(path, json=body(eventId="paid-1", channels=["eu"]), headers=headers)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.content == second.content
    without = await client.post(
        f"{path}?with_content=false", json=body(eventId="paid-1", channels=["eu"]), headers=headers
    )
    assert without.json() == first.json() | {"payload": {}}
    assert await counts() == {"messages": 1, "event ids": 1, "keys": 1}


@pytest.mark.parametrize(
    "other", [body(payload={"id": "in_2"}), body(eventType="order.made"), body(channels=["eu"]), body(eventId="paid-1")]
)
async def test_a_key_with_another_body_is_a_conflict(
    client: httpx.AsyncClient, application: str, counts: Counts, other: Json
) -> None:
    path, headers = f"/app/{application}/msg", {KEY: "auto_1"}
    assert (await client.post(path, json=body(), headers=headers)).status_code == 202
    answer = await client.post(path, json=other, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "another body" in answer.json()["detail"]
    assert await counts() == {"messages": 1, "event ids": 0, "keys": 1}


async def test_a_key_belongs_to_an_application(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    mine = [(await factories.create_application(client))["id"] for _ in range(2)]
    foreign = (await factories.create_application(stranger))["id"]
    answers = [
        await caller.post(f"/app/{application}/msg", json=body(payload={"to": application}), headers={KEY: "auto_1"})
        for caller, application in ((client, mine[0]), (client, mine[1]), (stranger, foreign))
    ]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.json()["id"] for answer in answers}) == 3


async def test_a_key_is_the_same_by_id_and_by_uid(client: httpx.AsyncClient, counts: Counts) -> None:
    uid = factories.unique("acme")
    application = (await factories.create_application(client, uid=uid))["id"]
    answers = [await client.post(f"/app/{name}/msg", json=body(), headers={KEY: "k"}) for name in (application, uid)]
    assert answers[0].content == answers[1].content
    assert (await counts())["messages"] == 1


async def test_twenty_requests_with_one_key_at_once_publish_one_message(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings, token: str, application: str, counts: Counts
) -> None:
    # Two processes, each with group commits of its own, and a first request that goes out before the others gather.
    async with factories.running(settings) as other, factories.client_of(other, token) as there:
        requests = []
        for number in range(20):
            caller = client if number % 2 else there
            requests.append(
                asyncio.create_task(caller.post(f"/app/{application}/msg", json=body(), headers={KEY: "auto_1"}))
            )
            if number % 7 == 0:
                await asyncio.sleep(0.002)
        answers = await asyncio.gather(*requests)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert await counts() == {"messages": 1, "event ids": 0, "keys": 1}


async def test_a_key_is_forgotten_after_twelve_hours(
    client: httpx.AsyncClient, application: str, database: Database, organization_id: str, counts: Counts
) -> None:
    path, headers = f"/app/{application}/msg", {KEY: "auto_1"}
    first = await client.post(path, json=body(), headers=headers)
    age = (
        "UPDATE idempotency_keys SET created_at = created_at - interval '12 hours 1 second' WHERE organization_id = $1"
    )
    await database.pool.execute(age, organization_id)
    second = await client.post(path, json=body(payload={"other": 1}), headers=headers)
    third = await client.post(path, json=body(payload={"other": 1}), headers=headers)
    assert second.status_code == third.status_code == 202
    assert first.json()["id"] != second.json()["id"] == third.json()["id"]
    assert await counts() == {"messages": 2, "event ids": 0, "keys": 1}
