"""Ordered endpoints: what a receiver sees when others fail, wait, are canceled or sent again."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import orjson
import pytest

from app.settings import Settings
from tests.receiver import Receiver
from tests.worker.ordering import Watched, numbered, publish
from tests.worker.stage import Stage, staged, until, until_done


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    """Where a failed delivery is due again at once, five times."""
    own = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (0,) * 5})
    async with staged(own, token) as opened:
        yield opened


async def ordered(stage: Stage, url: str, by: str | None = "endpoint") -> str:
    return await stage.endpoint(url, orderedBy=by)


async def waiting(stage: Stage, endpoint: str) -> dict[int, str | None]:
    """The next attempt of each pending message, by its number, as the API shows it."""
    answer = await stage.client.get(f"/app/{stage.application}/endpoint/{endpoint}/msg", params={"status": 1})
    assert answer.status_code == 200, answer.text
    return {one["payload"]["number"]: one.get("nextAttempt") for one in answer.json()["data"]}


async def test_messages_of_an_ordered_endpoint_arrive_one_after_the_other_also_when_some_fail(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = watched = Watched(fails_once={("a", number) for number in range(0, 60, 5)})
    await ordered(stage, receiver.url)
    for begin in (0, 20, 40):
        await publish(stage, *numbered(20, begin=begin))
    async with stage.draining():
        await until_done(stage)
    assert watched.firsts("a") == list(range(60))
    assert watched.is_one_after_the_other("a")
    assert watched.again == 12


async def test_what_is_published_while_a_line_runs_joins_its_end(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = watched = Watched()
    await ordered(stage, receiver.url)
    async with stage.draining() as drain:
        for number in range(100):
            await publish(stage, *numbered(1, begin=number))
            drain.ring(range(64))
        await until_done(stage)
    assert [number for _, number in watched.seen] == list(range(100))


async def test_a_failing_head_parks_its_own_line_and_says_so(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = watched = Watched(fails={("a", 0)})
    stage.settings = stage.settings.model_copy(update={"retry_schedule": (3600, 3600)})
    endpoint = await ordered(stage, receiver.url, "/key")
    await publish(stage, *numbered(3, "a"), *numbered(3, "b"))
    async with stage.draining():
        await until(lambda: len(watched.seen) == 4)
        await asyncio.sleep(0.3)  # Nothing more comes.
        shown = await waiting(stage, endpoint)
        assert set(shown) == {0, 1, 2}
        assert shown[0] is not None, "the head is tried at some time"
        assert shown[1] is shown[2] is None, "the others wait for it"
        # Whoever wants the line to go on has the head sent again.
        watched.fails.clear()
        (head,) = [one for one in receiver.arrivals if orjson.loads(one.body) == {"key": "a", "number": 0}]
        path = f"/app/{stage.application}/msg/{head.headers['webhook-id']}/endpoint/{endpoint}/resend"
        assert (await stage.client.post(path)).status_code == 202
        await until_done(stage)
    assert watched.firsts("b") == watched.firsts("a") == [0, 1, 2]
    assert watched.is_one_after_the_other("a")


async def test_a_line_goes_on_when_the_schedule_of_its_head_is_used_up(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = watched = Watched(fails={("a", 1)})
    await ordered(stage, receiver.url)
    failed = (await publish(stage, *numbered(4)))[1]
    async with stage.draining():
        await until_done(stage)
    assert [number for _, number in watched.seen] == [0, *[1] * 6, 2, 3]
    assert (await stage.states())[failed] == (2, 6)


async def test_lines_of_one_endpoint_run_side_by_side(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = watched = Watched(seconds=0.05)
    await ordered(stage, receiver.url, "/key")
    for number in range(10):
        await publish(stage, *(one for key in "abcdefgh" for one in numbered(1, key, number)))
    async with stage.draining():
        started = monotonic()
        await until_done(stage)
    assert monotonic() - started < 2.5, "eighty times 50 ms are four seconds"
    for key in "abcdefgh":
        assert [number for one, number in watched.seen if one == key] == list(range(10))


async def test_a_short_line_is_not_overtaken_by_long_ones_for_want_of_room(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = watched = Watched(seconds=0.02)
    await ordered(stage, receiver.url, "/key")
    await publish(stage, *(one for key in "abcdefgh" for one in numbered(30, key)))
    async with stage.draining(ceiling=4) as drain:
        await until(lambda: len(watched.seen) > 20)
        await publish(stage, *numbered(3, "short"))
        drain.ring(range(64))
        await until(lambda: watched.firsts("short") == [0, 1, 2])
        overtaken = len(watched.seen)
        await until_done(stage)
    assert overtaken < 150
    assert all(watched.is_one_after_the_other(key) for key in "abcdefgh")


@pytest.mark.parametrize("change", [{"orderedBy": None}, {"orderedBy": "/number"}, {"url": None}])
async def test_what_waits_when_the_order_is_changed_keeps_its_line_and_nothing_is_lost(
    stage: Stage, receiver: Receiver, change: dict[str, str | None]
) -> None:
    receiver.answer = watched = Watched(seconds=0.005)
    endpoint = await ordered(stage, receiver.url)
    await publish(stage, *numbered(30))
    path = f"/app/{stage.application}/endpoint/{endpoint}"
    async with stage.draining() as drain:
        await until(lambda: len(watched.seen) > 5)
        # The last of these replaces the endpoint without a word of its order, as a client does that knows of none.
        change = {key: value or receiver.url for key, value in change.items()} if "url" in change else change
        answer = await stage.client.request("PUT" if "url" in change else "PATCH", path, json=change)
        assert answer.json().get("orderedBy") == change.get("orderedBy", "endpoint")
        await publish(stage, *numbered(10, "b"))
        drain.ring(range(64))
        await until_done(stage)
    assert [number for key, number in watched.seen if key == "a"] == list(range(30))
    assert sorted(watched.firsts("b")) == list(range(10))


async def test_an_endpoint_that_becomes_ordered_sends_what_waited_before_as_it_came(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = watched = Watched()
    endpoint = await ordered(stage, receiver.url, None)
    await publish(stage, *numbered(10, "before"))
    await stage.client.patch(f"/app/{stage.application}/endpoint/{endpoint}", json={"orderedBy": "endpoint"})
    await publish(stage, *numbered(10, "after"))
    async with stage.draining():
        await until_done(stage)
    assert sorted(watched.firsts("before")) == list(range(10))
    assert [number for key, number in watched.seen if key == "after"] == list(range(10))


async def test_a_resend_joins_the_end_of_its_line(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = watched = Watched()
    endpoint = await ordered(stage, receiver.url, "/key")
    first, *_ = await publish(stage, *numbered(3))
    async with stage.draining():
        await until_done(stage)
    await publish(stage, *numbered(3, begin=3))
    path = f"/app/{stage.application}/msg/{first}/endpoint/{endpoint}/resend"
    assert (await stage.client.post(path)).status_code == 202
    await publish(stage, *numbered(1, begin=6))
    async with stage.draining():
        await until_done(stage)
    assert [number for _, number in watched.seen] == [0, 1, 2, 3, 4, 5, 0, 6]


async def test_a_line_goes_on_at_once_without_a_message_whose_payload_was_expunged(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = watched = Watched(fails={("a", 0)})
    stage.settings = stage.settings.model_copy(update={"retry_schedule": (3600,)})
    await ordered(stage, receiver.url)
    head, _, third, _ = await publish(stage, *numbered(4))
    async with stage.draining():
        await until(lambda: len(watched.seen) == 1)
        await parked(stage, 3)
        # Its failure is recorded, too: what is under way is not hurried, and waits for its next attempt.
        async with asyncio.timeout(15):
            while head not in await stage.states():
                await asyncio.sleep(0.01)
        for message in (third, head):
            path = f"/app/{stage.application}/msg/{message}/content"
            assert (await stage.client.delete(path)).status_code == 204
        await until_done(stage)
    assert [number for _, number in watched.seen] == [0, 1, 3]
    assert (await stage.states())[head] == (4, 1)


_PARKED = "SELECT count(*) FROM pending_deliveries WHERE next_attempt_at = 'infinity'"


async def parked(stage: Stage, count: int) -> None:
    """Returns once so many wait for their turn. TimeoutError if there never are."""
    async with asyncio.timeout(15):
        while await stage.database.pool.fetchval(_PARKED) != count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"disabled": True}), ("DELETE", None)])
async def test_the_end_of_an_endpoint_ends_its_lines(
    stage: Stage, receiver: Receiver, method: str, body: dict[str, bool] | None
) -> None:
    receiver.answer = Watched(fails={("a", 0), ("b", 0)})
    stage.settings = stage.settings.model_copy(update={"retry_schedule": (3600,)})
    endpoint = await ordered(stage, receiver.url, "/key")
    await publish(stage, *numbered(1500, "a"), *numbered(500, "b"))
    async with stage.draining(most=400) as drain:
        await receiver.wait_for(2)
        await parked(stage, 1998)
        answer = await stage.client.request(method, f"/app/{stage.application}/endpoint/{endpoint}", json=body)
        assert answer.is_success
        # An hour later.
        due = "UPDATE pending_deliveries SET next_attempt_at = now() WHERE isfinite(next_attempt_at)"
        await stage.database.pool.execute(due)
        drain.ring(range(64))
        await until_done(stage)
    assert len(receiver.arrivals) == 2
    assert sorted((await stage.states()).values()) == [(4, 0)] * 1998 + [(4, 1)] * 2


async def test_a_long_line_costs_a_delivery_no_more_than_a_short_one(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = watched = Watched(fails={("parked", 0)})
    stage.settings = stage.settings.model_copy(update={"retry_schedule": (3600,)})
    await ordered(stage, receiver.url, "/key")
    for begin in range(0, 6_000, 2_000):
        await publish(stage, *numbered(2_000, "parked", begin))
    async with stage.draining(most=400) as drain:
        await parked(stage, 5_999)
        await publish(stage, *numbered(20, "short"))
        drain.ring(range(64))
        started = monotonic()
        await until(lambda: len(watched.firsts("short")) == 20)
        assert monotonic() - started < 1.0
        await parked(stage, 5_999)
