"""Names are asked for of a real name server; whatever it says, and however long it takes, nobody else suffers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network
from time import perf_counter

import pytest

from app.delivery.addresses import Network
from app.delivery.client import DeliveryClient
from app.delivery.guard import NOWHERE, BlockedAddress, Guard, ResolutionFailed
from app.delivery.outcome import Blocked, Delivered, Outcome, Unreachable
from app.delivery.resolver import AddressInfo, SystemResolver
from app.delivery.url import parse_url
from tests.delivery.nameserver import NXDOMAIN, SERVFAIL, SILENCE, NameServer, Teller, Zone, naming
from tests.delivery.rudeserver import LOOPBACK, OK, RudeServer, on_each_loop

Zones = dict[str, Zone | Teller]
LAST = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def guarded(
    zones: Zones, allowed: Sequence[Network] = (), clock: Iterator[float] | None = None
) -> AsyncIterator[tuple[Guard, NameServer]]:
    """A guard that asks a name server with these zones; with a clock, it remembers nothing."""
    async with naming(zones) as server:
        tick = clock or itertools.repeat(0.0)
        guard = Guard(allowed, SystemResolver([server.address]), clock=lambda: next(tick))
        try:
            yield guard, server
        finally:
            guard.close()


FORBIDDEN: Zones = {
    "one-of-many.example": Zone([*(f"8.8.8.{last}" for last in range(1, 12)), "10.0.0.1"]),
    "public-a-private-aaaa.example": Zone(["8.8.8.8", "fd00::1"]),
    "private-a-public-aaaa.example": Zone(["192.168.0.1", "2606:4700::1"]),
    "alias.example": Zone(alias="alias2.example"),
    "alias2.example": Zone(alias="alias3.elsewhere.example"),
    "alias3.elsewhere.example": Zone(["169.254.169.254"]),
    "alias-to-localhost.example": Zone(alias="localhost"),
    "localhost": Zone(["127.0.0.1"]),
    "mapped.example": Zone(["::ffff:127.0.0.1"]),
    "nat64.example": Zone(["64:ff9b::a9fe:a9fe"]),
    "metadata.google.internal": Zone(["169.254.169.254"]),
    "127.0.0.1.nip.example": Zone(["127.0.0.1"]),
    "five-hundred.example": Zone([f"9.9.{number // 250}.{number % 250}" for number in range(500)]),
}
NOT_THERE: Zones = {
    "nxdomain.example": NXDOMAIN,
    "servfail.example": SERVFAIL,
    "refused.example": Zone(error=5),
    "empty.example": Zone(),
    "endless-alias.example": Zone(alias="nowhere.example"),
}


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_a_name_that_leads_inside_is_blocked(name: str) -> None:
    async with guarded(FORBIDDEN) as (guard, _):
        with pytest.raises(BlockedAddress, match="does not lead to a public address"):
            await guard.resolve(name, 443)


@pytest.mark.parametrize("name", [*NOT_THERE, "a..b", "a" * 64 + ".example", "-", "xn--.example"])
async def test_a_name_without_an_address_is_no_other_error_than_that(name: str) -> None:
    async with guarded(NOT_THERE) as (guard, _):
        with pytest.raises(ResolutionFailed) as failure:
            await guard.resolve(name, 443)
    assert str(failure.value) == NOWHERE


async def test_all_public_addresses_of_a_name_are_found_behind_its_aliases() -> None:
    zones: Zones = {
        "a.example": Zone(alias="b.example"),
        "b.example": Zone(["1.1.1.1", "2606:4700::1111", "1.0.0.1"]),
        "sixty-four.example": Zone([f"9.9.9.{number}" for number in range(64)]),
    }
    async with guarded(zones) as (guard, server):
        found = {str(address) for address in await guard.resolve("a.example", 443)}
        assert found == {"1.1.1.1", "2606:4700::1111", "1.0.0.1"}
        asked = len(server.asked)
        await guard.resolve("a.example", 8443)
        assert len(server.asked) == asked
        # More than a datagram holds.
        assert len(await guard.resolve("sixty-four.example", 443)) == 64


async def test_a_name_that_turns_inside_after_it_was_vetted_is_never_dialled() -> None:
    """A thousand times: public when it is judged, the canary's address when it is asked for again (TTL 0)."""
    turns = itertools.cycle([["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "::1"]])
    zones: Zones = {"r.example": lambda _name: Zone(next(turns))}
    heard: list[object] = []
    canary = await asyncio.start_server(lambda _reader, writer: heard.append(writer), "127.0.0.1", 0)
    port = canary.sockets[0].getsockname()[1]
    async with guarded(zones, clock=itertools.count(step=100.0)) as (guard, server):
        client = DeliveryClient(guard, timeout=5.0)
        target = parse_url(f"http://r.example:{port}/")
        for _ in range(50):
            outcomes = await asyncio.gather(*(client.post(target, b"", b"{}") for _ in range(20)))
            assert {type(outcome) for outcome in outcomes} == {Blocked}
        asked = len(server.asked)
        await client.close()
    canary.close()
    assert asked >= 50
    assert heard == []


@on_each_loop
async def test_what_was_vetted_is_what_is_dialled_even_if_the_name_has_changed_meanwhile(rude: RudeServer) -> None:
    async with naming({}) as server:
        # Two questions are one look-up: addresses of either kind.
        server.zones["r.example"] = lambda _name: Zone(["127.0.0.1" if len(server.asked) <= 2 else "10.0.0.1"])
        clock = itertools.count(step=100.0)
        client = DeliveryClient(Guard(LOOPBACK, SystemResolver([server.address]), clock=lambda: next(clock)))
        first = await client.post(rude.says(OK, host="r.example"), b"", b"{}", 3.0)
        # On the connection that was kept nothing is looked up: it leads to where it led.
        kept = await client.post(rude.says(LAST, host="r.example"), b"", b"{}", 3.0)
        later = await client.post(rude.says(OK, host="r.example"), b"", b"{}", 3.0)
        await client.close()
    assert (type(first), type(kept), type(later)) == (Delivered, Delivered, Blocked)
    assert (rude.connections, len(rude.requests)) == (1, 2)


async def test_a_name_server_that_says_nothing_ends_with_the_attempt_and_not_later() -> None:
    async with guarded({"silent.example": SILENCE}) as (guard, _):
        client = DeliveryClient(guard)
        started = perf_counter()
        outcome = await client.post(parse_url("http://silent.example/"), b"", b"{}", 0.3)
        took = perf_counter() - started
        await client.close()
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "timeout"
    assert 0.29 < took < 0.8


async def test_names_that_are_never_answered_hold_nobody_else_up() -> None:
    """A hundred endpoints whose name servers hang, sixteen attempts at each; another endpoint does not notice."""
    zones: Zones = {f"dead{number}.example": SILENCE for number in range(100)}
    zones |= {f"live{number}.example": Zone(["127.0.0.1"]) for number in range(100)}
    rude = RudeServer()
    await rude.start()
    async with guarded(zones, LOOPBACK) as (guard, server):
        client = DeliveryClient(guard)
        dead = [
            asyncio.create_task(client.post(parse_url(f"http://dead{number}.example/"), b"", b"{}", 30.0))
            for number in range(100)
            for _ in range(16)
        ]
        async with asyncio.timeout(10):
            while len({name for name, _ in server.asked}) < 100:
                await asyncio.sleep(0.005)
        took: list[float] = []
        for number in range(100):
            started = perf_counter()
            target = rude.says(OK, host=f"live{number}.example")
            assert isinstance(await client.post(target, b"", b"{}", 5.0), Delivered)
            took.append(perf_counter() - started)
        assert not any(task.done() for task in dead)
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)
        await client.close()
    await rude.stop()
    # Each was looked up, connected to and answered; one thread for each dead name would have made them wait for 10 s.
    assert sorted(took)[98] < 0.25, f"p99 {sorted(took)[98]:.3f} s"


async def test_attempts_at_a_name_share_one_look_up_and_giving_up_ends_only_ones_own() -> None:
    released = False
    zones: Zones = {"slow.example": lambda _name: Zone(["127.0.0.1"]) if released else SILENCE}
    async with naming(zones) as server:
        resolver = SystemResolver([server.address])
        tasks = [asyncio.ensure_future(resolver("slow.example", 80)) for _ in range(5)]
        async with asyncio.timeout(5):
            while len(server.asked) < 2:
                await asyncio.sleep(0.002)
        first_questions = len(server.asked)
        tasks[0].cancel()
        released = True
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        resolver.close()
    assert isinstance(ends[0], asyncio.CancelledError)
    assert not any(isinstance(end, BaseException) for end in ends[1:])
    assert first_questions == 2


async def test_a_name_that_failed_is_not_asked_for_again_at_once_but_soon() -> None:
    now = [0.0]
    async with naming({"late.example": lambda _name: NXDOMAIN if now[0] < 1 else Zone(["8.8.8.8"])}) as server:
        guard = Guard((), SystemResolver([server.address]), clock=lambda: now[0])
        for moment in (0.0, 0.9, 1.9):
            now[0] = moment
            with pytest.raises(ResolutionFailed):
                await guard.resolve("late.example", 80)
        now[0] = 2.0
        assert [str(address) for address in await guard.resolve("late.example", 80)] == ["8.8.8.8"]
        guard.close()


async def test_what_a_name_server_has_said_is_forgotten_after_a_minute() -> None:
    now = [0.0]
    async with naming({"empty.example": Zone(), "long.example": Zone(["8.8.8.8"], ttl=86_400)}) as server:
        resolver = SystemResolver([server.address], clock=lambda: now[0])
        for name in server.zones:
            with suppress(OSError):
                await resolver(name, 80)
        server.zones |= {"empty.example": Zone(["1.1.1.1"]), "long.example": Zone(["1.1.1.1"])}
        now[0] = 60.0
        async with asyncio.timeout(5):
            for name in server.zones:
                while not any(row[4] == ("1.1.1.1",) for row in await _rows(resolver, name)):
                    await asyncio.sleep(0.01)
        resolver.close()


async def test_a_look_up_that_is_under_way_when_answers_are_forgotten_still_ends() -> None:
    now, is_released = [0.0], False
    zones: Zones = {"slow.example": lambda _name: Zone(["8.8.8.8"]) if is_released else SILENCE}
    zones["quick.example"] = Zone(["1.1.1.1"])
    async with naming(zones) as server:
        resolver = SystemResolver([server.address], clock=lambda: now[0])
        slow = asyncio.create_task(_rows(resolver, "slow.example"))
        async with asyncio.timeout(5):
            while not server.asked:
                await asyncio.sleep(0.002)
        now[0] = 60.0
        assert await _rows(resolver, "quick.example")
        is_released = True
        assert [row[4] for row in await slow] == [("8.8.8.8",)]
        resolver.close()


async def _rows(resolver: SystemResolver, name: str) -> Sequence[AddressInfo]:
    try:
        return await resolver(name, 80)
    except OSError:
        return ()


async def test_localhost_is_this_machine_whatever_the_name_server_says() -> None:
    async with guarded({"localhost": Zone(["8.8.8.8"])}) as (guard, _):
        for name in ("localhost", "a.localhost"):
            with pytest.raises(BlockedAddress):
                await guard.resolve(name, 80)


async def test_a_look_up_that_is_given_up_with_its_client_leaves_nothing_behind() -> None:
    async with guarded({"silent.example": SILENCE}, [ip_network("127.0.0.0/8")]) as (guard, _):
        task = asyncio.create_task(guard.resolve("silent.example", 80))
        await asyncio.sleep(0.01)
        guard.close()
        with pytest.raises(asyncio.CancelledError):
            await task


SAME: Zones = {
    "inside.example": Zone(["10.0.0.1"]),
    "half-inside.example": Zone(["8.8.8.8", "127.0.0.1"]),
    "crowd.example": Zone([f"9.9.9.{number}" for number in range(70)]),
    **NOT_THERE,
}


async def test_no_attempt_tells_which_names_exist_inside() -> None:
    told: set[Outcome] = set()
    async with guarded(SAME) as (guard, _):
        client = DeliveryClient(guard)
        for name in SAME:
            outcome = await client.post(parse_url(f"http://{name}/"), b"", b"{}", 5.0)
            assert isinstance(outcome, Unreachable | Blocked)
            told.add(Unreachable("dns", outcome.detail, outcome.milliseconds))
        await client.close()
    assert told == {Unreachable("dns", NOWHERE, 0)}
