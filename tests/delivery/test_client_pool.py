"""Connections are kept, bounded and handed on; no place is ever lost."""

import asyncio
from time import perf_counter

import pytest

from app.delivery import pool
from app.delivery.client import DeliveryClient
from app.delivery.outcome import Blocked, Delivered, Unreachable
from app.delivery.pool import ClientClosed
from app.delivery.saturation import Saturation
from app.delivery.url import parse_url
from tests.delivery.rudeserver import (
    OK,
    Behaviour,
    Request,
    RudeServer,
    hang,
    loopback_client,
    on_each_loop,
    refusing_port,
    reset,
)

BODY = b'{"a":1}'


def answering_after(seconds: float) -> Behaviour:
    async def answer(request: Request) -> None:
        await asyncio.sleep(seconds)
        request.writer.write(OK)

    return answer


@on_each_loop
async def test_parallel_deliveries_have_their_own_answers_and_leave_connections_for_later(
    rude: RudeServer, client: DeliveryClient
) -> None:
    async def echo(request: Request) -> None:
        await asyncio.sleep(0.01)
        request.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body) + request.body)

    target = rude.does(echo)
    bodies = [str(number).encode() for number in range(50)]
    for _ in range(3):
        outcomes = await asyncio.gather(*(client.post(target, b"", body) for body in bodies))
        assert [outcome.body for outcome in outcomes if isinstance(outcome, Delivered)] == bodies
    assert rude.connections == 50


@on_each_loop
@pytest.mark.parametrize("saturated", [True, False])
async def test_a_burst_opens_more_than_a_few_connections_only_where_that_helps(
    rude: RudeServer, client: DeliveryClient, monkeypatch: pytest.MonkeyPatch, saturated: bool
) -> None:
    monkeypatch.setattr(Saturation, "is_full", lambda _self: saturated)
    monkeypatch.setattr(pool, "_STUCK_SECONDS", 60.0)
    target = rude.does(answering_after(0.1))
    outcomes = await asyncio.gather(*(client.post(target, b"", BODY) for _ in range(3 * pool.FEW)))
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert (rude.most_open == pool.FEW) is saturated


@on_each_loop
async def test_requests_behind_those_that_hang_get_connections_however_busy_the_loop_is(
    rude: RudeServer, client: DeliveryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Saturation, "is_full", lambda _self: True)
    hanging = rude.does(hang)
    stuck = [asyncio.create_task(client.post(hanging, b"", BODY)) for _ in range(pool.FEW)]
    await asyncio.sleep(0.05)
    outcome = await client.post(rude.does(answering_after(0)), b"", BODY)
    assert isinstance(outcome, Delivered)
    for task in stuck:
        task.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)


@on_each_loop
async def test_a_host_has_no_more_connections_than_allowed_and_everybody_gets_a_turn(rude: RudeServer) -> None:
    client = loopback_client(most=4)
    target = rude.does(answering_after(0.005))
    outcomes = await asyncio.gather(*(client.post(target, b"", BODY) for _ in range(60)))
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    assert (rude.most_open, rude.connections) == (4, 4)
    await client.close()


@on_each_loop
async def test_places_come_back_after_failures_of_every_kind(rude: RudeServer) -> None:
    client = loopback_client(most=2, timeout=0.1)
    silent, broken, cut = rude.does(hang), rude.does(reset), rude.says(b"HTTP/1.1 200", then_close=True)
    for target in (silent, broken, cut):
        outcomes = await asyncio.gather(*(client.post(target, b"", BODY) for _ in range(5)))
        assert {type(outcome) for outcome in outcomes} == {Unreachable}
    blocked = parse_url("http://10.0.0.1/")
    with refusing_port() as port:
        for _ in range(5):
            assert isinstance(await client.post(blocked, b"", BODY), Blocked)
            assert isinstance(await client.post(parse_url(f"http://127.0.0.1:{port}/"), b"", BODY), Unreachable)
    good = rude.says(OK)
    outcomes = await asyncio.gather(*(client.post(good, b"", BODY) for _ in range(6)))
    assert {type(outcome) for outcome in outcomes} == {Delivered}
    await client.close()


@on_each_loop
async def test_waiting_in_line_counts_as_time_of_the_attempt(rude: RudeServer) -> None:
    client = loopback_client(most=1, timeout=0.2)
    target = rude.does(answering_after(0.15))
    started = perf_counter()
    outcomes = await asyncio.gather(*(client.post(target, b"", BODY) for _ in range(4)))
    assert perf_counter() - started < 0.7
    assert isinstance(outcomes[0], Delivered)
    late = [outcome for outcome in outcomes if isinstance(outcome, Unreachable)]
    assert [outcome.reason for outcome in late] == ["timeout"] * 3
    assert isinstance(await client.post(rude.says(OK), b"", BODY), Delivered)
    await client.close()


@on_each_loop
async def test_a_cancelled_delivery_gives_its_place_back_and_its_late_answer_to_nobody(rude: RudeServer) -> None:
    client = loopback_client(most=1)
    slow, fast = rude.does(answering_after(0.1)), rude.says(OK)
    doomed = [asyncio.ensure_future(client.post(slow, b"", BODY)) for _ in range(3)]
    await asyncio.sleep(0.03)
    for task in doomed:
        task.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*doomed, return_exceptions=True))
    outcome = await client.post(fast, b"", BODY)
    assert isinstance(outcome, Delivered)
    assert rude.connections == 2
    await client.close()


@on_each_loop
async def test_idle_connections_are_closed_when_their_time_is_over(rude: RudeServer) -> None:
    client = loopback_client(idle=0.1)
    target = rude.does(answering_after(0.01))
    await asyncio.gather(*(client.post(target, b"", BODY) for _ in range(5)))
    await asyncio.sleep(0.06)
    await client.post(target, b"", BODY)
    await asyncio.sleep(0.07)
    assert rude.open_now == 1, "four were idle for too long, the fifth was used in between"
    await asyncio.sleep(0.1)
    assert rude.open_now == 0
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    await client.close()


@on_each_loop
async def test_idle_connections_are_bounded_over_all_hosts_and_the_oldest_goes_first(
    rude: RudeServer, client: DeliveryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_IDLE", 2)
    other = RudeServer()
    await other.start()
    here, there = rude.does(answering_after(0.01)), other.does(answering_after(0.01))
    await asyncio.gather(*(client.post(here, b"", BODY) for _ in range(4)))
    await asyncio.sleep(0.02)
    assert (rude.open_now, other.open_now) == (2, 0)
    await client.post(there, b"", BODY)
    await asyncio.sleep(0.02)
    assert (rude.open_now, other.open_now) == (1, 1)
    await other.stop()


@on_each_loop
async def test_an_old_connection_is_not_used_again_however_busy_it_is(
    rude: RudeServer, client: DeliveryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "OLDEST", 0.1)
    target = rude.says(OK)
    for _ in range(6):
        assert isinstance(await client.post(target, b"", BODY), Delivered)
        await asyncio.sleep(0.03)
    assert rude.connections == 2


@on_each_loop
async def test_the_connection_used_last_is_used_next(rude: RudeServer, client: DeliveryClient) -> None:
    target = rude.does(answering_after(0.01))
    await asyncio.gather(*(client.post(target, b"", BODY) for _ in range(5)))
    last = rude.requests[-1].connection
    for _ in range(5):
        await client.post(target, b"", BODY)
    assert {request.connection for request in rude.requests[-5:]} == {last}


@on_each_loop
async def test_closing_ends_deliveries_under_way_as_ours_and_not_as_the_receivers_failure(rude: RudeServer) -> None:
    client = loopback_client(most=2)
    target = rude.does(hang)
    tasks = [asyncio.ensure_future(client.post(target, b"", BODY)) for _ in range(4)]
    await asyncio.sleep(0.05)
    await client.close()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [ClientClosed] * 4
    late = await asyncio.gather(client.post(target, b"", BODY), return_exceptions=True)
    assert isinstance(late[0], ClientClosed)
