"""Polls at once: whoever sends many waits for them, and leaves the others connections to the database."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI

from app.api.turns import PollTurns
from app.db.session import Database
from app.errors import Unavailable
from tests.api.test_poller import create_poller


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.turns._PATIENCE", 0.05)


async def test_an_application_has_two_turns_at_once_and_those_who_wait_are_served_next() -> None:
    turns = PollTurns(20)
    served: list[int] = []
    most = at_once = 0

    async def poll(number: int) -> None:
        nonlocal most, at_once
        async with turns.turn("org", "app"):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.001)
            served.append(number)
            at_once -= 1

    await asyncio.gather(*(poll(number) for number in range(20)))
    assert (most, served) == (2, list(range(20)))


async def test_who_waits_too_long_is_told_to_come_again_and_others_are_not(impatient: None) -> None:
    turns = PollTurns(20)
    async with turns.turn("org", "app"), turns.turn("org", "app"):
        with pytest.raises(Unavailable, match="Too many polls at once") as refused:
            async with turns.turn("org", "app"):
                pass
        assert refused.value.retry_after == 1
        async with turns.turn("org", "another app"), turns.turn("another org", "app"):
            pass
    async with turns.turn("org", "app"), turns.turn("org", "app"):
        pass


async def test_polls_of_many_applications_leave_half_of_the_connections_to_others(impatient: None) -> None:
    turns = PollTurns(20)
    async with AsyncExitStack() as held:
        for number in range(5):
            await held.enter_async_context(turns.turn("org", f"app {number}"))
        with pytest.raises(Unavailable):
            await held.enter_async_context(turns.turn("org", "one more"))
    async with turns.turn("org", "one more"):
        pass


async def test_a_turn_ends_with_what_fails_and_with_what_is_given_up(impatient: None) -> None:
    turns = PollTurns(4)

    async def fail() -> None:
        async with turns.turn("org", "app"):
            raise OSError("lost")

    for _ in range(3):
        with pytest.raises(OSError, match="lost"):
            await fail()
    async with turns.turn("org", "app"):
        given_up = asyncio.create_task(fail())
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
    async with turns.turn("org", "app"):
        pass


@pytest.mark.parametrize(
    "path", ["poller/{}", "poller/{}/consumer/anna", "polling-endpoint/{}/consumer/anna", "events"]
)
async def test_each_way_of_polling_waits_for_its_turn(
    client: httpx.AsyncClient, app: FastAPI, application: str, organization_id: str, path: str, impatient: None
) -> None:
    path = f"/app/{application}/{path.format((await create_poller(client, application))['id'])}"
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(app.state.poll_turns.turn(organization_id, application))
        refused = await client.get(path)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get(f"/app/{application}")).status_code == 200
    assert (await client.get(path)).status_code == 200


async def test_a_flood_of_polls_leaves_others_their_answers(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, application: str, database: Database, impatient: None
) -> None:
    poller = (await create_poller(client, application))["id"]
    leasing = f"/app/{application}/polling-endpoint/{poller}/consumer/anna"
    assert (await client.get(leasing)).status_code == 200
    async with database.pool.acquire() as connection, connection.transaction():
        # As if each took for ever: those who got connections wait for this.
        await connection.execute("SELECT 1 FROM poller_readers WHERE poller_id = $1 FOR UPDATE", poller)
        flood = [asyncio.create_task(client.get(leasing)) for _ in range(40)]
        async with asyncio.timeout(1):
            assert (await stranger.get("/app")).status_code == 200
        while sum(answer.done() for answer in flood) < 38:
            await asyncio.sleep(0.01)
    answers = [answer.status_code for answer in await asyncio.gather(*flood)]
    assert sorted(answers) == [200] * 2 + [503] * 38
