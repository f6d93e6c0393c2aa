"""From outside to inside: no spelling, name or way round makes the engine connect to where it must not."""

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network

import pytest

from app.delivery import own
from app.delivery.addresses import Address
from app.delivery.client import DeliveryClient
from app.delivery.guard import NOWHERE, BlockedAddress, Guard
from app.delivery.oauth import Bearer, token_request
from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable
from app.delivery.proxy import parse_proxy
from app.delivery.resolver import SystemResolver
from app.delivery.url import Target, parse_url
from tests.delivery.canary import canaries
from tests.delivery.forbidden import DIALLED, NAMES, REFUSED
from tests.delivery.gateways import Gateway, proxying
from tests.delivery.nameserver import Zone, naming
from tests.delivery.rudeserver import LOOPBACK, RudeServer, on_each_loop

Post = Callable[[DeliveryClient, Target], Awaitable[Outcome]]


async def plainly(client: DeliveryClient, target: Target) -> Outcome:
    return await client.post(target, b"", b"{}", 3.0)


async def for_a_token(client: DeliveryClient, target: Target) -> Outcome:
    """The target is where the token is asked for."""
    bearer = Bearer(token_request(target, "client", "secret", method="clientSecretPost"))
    return await bearer.post(client, parse_url("http://127.0.0.9:9999/"), b"", b"{}", 3.0)


def test_there_are_enough_of_them() -> None:
    assert len(set(REFUSED)) >= 120
    assert len(set(DIALLED)) >= 120


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_url_for_us_is_never_parsed(text: str) -> None:
    with pytest.raises(ValueError, match=r"URL|port"):
        parse_url(text.replace("{port}", "8080"))


@pytest.mark.parametrize("post", [plainly, for_a_token])
@pytest.mark.parametrize("way", ["directly", "http", "socks5"])
async def test_every_forbidden_target_is_refused_alike_and_no_canary_hears_anything(post: Post, way: str) -> None:
    told: set[tuple[str, int]] = set()
    async with canaries() as found, naming({**NAMES}) as server, proxying(Gateway.connect) as gateway:
        proxy = None if way == "directly" else parse_proxy(f"{way}://127.0.0.1:{gateway.port}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client = DeliveryClient(Guard((), SystemResolver([server.address])), proxy=proxy, tls=context)
        for text, port in itertools.product(DIALLED, found.ports):
            outcome = await post(client, parse_url(text.replace("{port}", str(port))))
            assert isinstance(outcome, Blocked | Unreachable), f"{text} gave {outcome}"
            told.add((outcome.detail, outcome.milliseconds))
        await client.close()
    assert found.heard == []
    assert gateway.asked == []
    prefix = "" if post is plainly else "No token, the token URL could not be asked: "
    assert told == {(prefix + NOWHERE, 0)}


async def test_a_name_that_turns_inside_between_judgement_and_connection_never_gets_there() -> None:
    """A thousand times, with no time to live: 127.0.0.2 may be delivered to, a canary is at the same port elsewhere."""
    turns = itertools.cycle(["127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.3"])
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n")
        writer.close()

    heard: list[object] = []
    public = await asyncio.start_server(serve, "127.0.0.2", 0)
    port = public.sockets[0].getsockname()[1]
    inside = await asyncio.start_server(lambda _reader, writer: heard.append(writer), "127.0.0.1", port)
    ticks = itertools.count(step=100.0)
    async with naming({}) as server:
        for number in range(4):
            server.zones[f"r{number}.example"] = lambda _name: Zone([next(turns)])
        allowed = [ip_network("127.0.0.2/32")]
        guard = Guard(allowed, SystemResolver([server.address]), clock=lambda: next(ticks))
        client = DeliveryClient(guard, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        targets = [parse_url(f"http://r{number}.example:{port}/") for number in range(4)]
        kinds: list[type[Outcome]] = []
        for _ in range(250):
            kinds += [type(outcome) for outcome in await asyncio.gather(*(plainly(client, one) for one in targets))]
        await client.close()
    public.close()
    inside.close()
    assert (kinds.count(Delivered), kinds.count(Blocked)) == (served, 1000 - served)
    assert 0 < served < 1000
    assert len(server.asked) >= 1000
    assert heard == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@on_each_loop
async def test_a_redirect_is_an_answer_and_is_not_followed(
    rude: RudeServer, client: DeliveryClient, status: int
) -> None:
    async with canaries() as found:
        for inside in (f"http://127.0.0.1:{found.ports[0]}/", f"//localhost:{found.ports[0]}/", "/elsewhere"):
            answer = (
                f"HTTP/1.1 {status} x\r\nlocation: {inside}\r\nrefresh: 0; url={inside}\r\ncontent-length: 0\r\n\r\n"
            )
            outcome = await plainly(client, rude.says(answer.encode()))
            assert isinstance(outcome, Refused)
            assert outcome.status == status
        assert len(rude.requests) == 3
    assert found.heard == []


async def test_this_machines_own_public_addresses_are_reached_at_the_ports_of_the_web_only() -> None:
    mine = {ip_address("8.8.8.8"), ip_address("2606:4700::1")}
    zones = {"me.example": Zone(["8.8.8.8"]), "also.example": Zone(["1.1.1.1", "2606:4700::1"])}

    def is_mine(address: Address) -> bool:
        return address in mine

    async with naming({**zones}) as server:
        guard = Guard((), SystemResolver([server.address]), own=is_mine)
        for host in ("me.example", "also.example", "8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8"):
            for port in (80, 443):
                assert await guard.resolve(host, port)
            for port in (5432, 6379, 8071, 8080):
                with pytest.raises(BlockedAddress, match="does not lead to a public address"):
                    await guard.resolve(host, port)
        assert await guard.resolve("1.1.1.1", 5432)
        guard.close()
    allowed = Guard([ip_network("8.8.8.8/32")], own=is_mine)
    assert await allowed.resolve("8.8.8.8", 8080)


def test_an_address_is_this_machines_own_if_a_socket_can_be_bound_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    own._everything_can_be_bound.cache_clear()
    assert own.is_own(ip_address("127.0.0.1"))
    assert not any(own.is_own(ip_address(text)) for text in ("192.0.2.7", "8.8.8.8", "2001:db8::1"))
    # Where binding to anything is allowed, it tells nothing: then nothing is refused for it.
    monkeypatch.setattr(own, "_NOBODYS", ip_address("127.0.0.9"))
    own._everything_can_be_bound.cache_clear()
    assert not own.is_own(ip_address("127.0.0.1"))
    own._everything_can_be_bound.cache_clear()


async def test_a_token_url_and_a_receiver_are_judged_each_on_its_own() -> None:
    async with canaries() as found:
        client = DeliveryClient(Guard(LOOPBACK[:1]))
        inside = parse_url(f"http://[::1]:{found.ports[0]}/")
        bearer = Bearer(token_request(parse_url("http://10.0.0.1/"), "c", "s", method="clientSecretBasic"))
        assert isinstance(await bearer.post(client, inside, b"", b"{}", 2.0), Blocked)
        await client.close()
    assert found.heard == []
