"""`postrider listen`: what arrives at sources is posted to a developer's machine, as it came, once, in order."""

import asyncio
import io
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import stripe
from rich.console import Console
from typer.testing import CliRunner, Result

from app import clock
from app.cli import listening
from app.cli.listening import Listener, Wish, with_query
from app.cli.listening_lines import Lines, Outcome
from app.cli.listening_types import types_of, unmatched
from app.cli.main import command
from app.cli.remote import Address, Remote, Source, said
from app.db.session import Database
from app.receiving.record import query_without_credentials
from tests import factories
from tests.api.arriving import SECRET, Inlet, open_inlet, signed, stripe_event
from tests.cli.command import start, until
from tests.receiver import Answer, Arrival, Receiver, receiving


class Relay:
    """Passes connections on to a port, unless it is told to drop them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.is_down = False
        self._open: set[asyncio.StreamWriter] = set()
        self.url = ""

    def drop(self) -> None:
        """Be down from now on."""
        self.is_down = True
        for writer in self._open:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.close()
            return
        onward, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, back}
        await asyncio.gather(_pump(reader, back), _pump(onward, writer))
        self._open -= {writer, back}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def relaying(port: int) -> AsyncIterator[Relay]:
    """A relay that runs until the end of the block."""
    relay = Relay(port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        relay.drop()
        server.close()
        await server.wait_closed()


@pytest.fixture
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, and waits for little."""
    monkeypatch.setattr(listening, "_INTERVAL", 0.05)
    monkeypatch.setattr(listening, "_RECEIVER_INTERVAL", 0.05)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@asynccontextmanager
async def listen(url: str, token: str, wish: Wish) -> AsyncIterator[io.StringIO]:
    """Listens until the end of the block; gives what it shows, as JSON lines and notes."""
    shown = io.StringIO()
    console = Console(file=shown, soft_wrap=True, markup=False, highlight=False)
    async with Remote(Address(url, token)) as remote:
        sources = [one for one in await remote.sources() if not wish.sources or one.id in wish.sources]
        async with Listener(remote, wish, Lines(as_json=True, out=console, notes=console)) as listener:
            task = asyncio.create_task(listener.follow_all(sources, wish.since or remote.time or clock.now()))
            yield shown
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


def events_in(shown: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in shown.getvalue().splitlines() if line.startswith("{")]


async def arrive(inlet: Inlet, *names: str) -> None:
    for name in names:
        assert (await inlet.post(stripe_event(name))).status_code == 200
        # Those of one moment may be in any order.
        await asyncio.sleep(0.005)


def names_of(arrivals: list[Arrival]) -> list[str]:
    return [json.loads(arrival.body)["id"] for arrival in arrivals]


async def test_it_forwards_shows_and_sums_up_until_ctrl_c(
    remote_client: httpx.AsyncClient, here: dict[str, str], database: Database, receiver: Receiver, folder: Path
) -> None:
    inlet = await open_inlet(remote_client, uid=factories.unique("source"))
    before = await factories.record_message(
        database.pool, inlet.source["applicationId"], clock.now() - timedelta(minutes=1)
    )
    await database.pool.execute("UPDATE messages SET source_id = $1 WHERE id = $2", inlet.source["id"], before)
    receiver.answer = lambda arrival: Answer(500 if b"evt_two" in arrival.body else 200, body=b"thanks")
    to = f"{receiver.url}/hook?mine=1"
    ran = start(folder, "listen", "--to", to, "--source", inlet.source["uid"], **here)
    try:
        output = folder / "output"
        await asyncio.to_thread(until, lambda: "Ctrl-C" in output.read_text(), 20, "it listens")
        await arrive(inlet, "evt_one")
        body = stripe_event("evt_two", text="größer")
        headers = [*signed(body), ("x-twice", "a"), ("x-twice", "b"), ("connection", "close"), ("cookie", "a=b")]
        assert (await inlet.post(body, headers, "?x=%20y")).status_code == 200
        one, two = await receiver.wait_for(2)
        await asyncio.to_thread(until, lambda: "500" in output.read_text(), 10, "the second is shown")
        ran.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(ran.wait, 10) == 130
    finally:
        ran.kill()
        ran.wait()
    assert (one.method, one.path, two.path, two.body) == ("POST", "/hook?mine=1", "/hook?mine=1&x=%20y", body)
    stripe.Webhook.construct_event(one.body, one.headers["stripe-signature"], SECRET)
    assert {"authorization", "cookie", "accept-encoding"}.isdisjoint(two.headers)
    assert two.headers["x-twice"] == "b"
    assert two.headers["host"] == receiver.url.removeprefix("http://")
    lines = output.read_text().splitlines()
    assert lines[0].startswith(f"{inlet.source['uid']} → {to}")
    assert [line.split()[1] for line in lines[1:3]] == ["stripe.invoice.paid"] * 2
    assert [line.split()[3] for line in lines[1:3]] == ["200", "500"]
    assert lines[3] == "2 events: 1 taken, 1 refused, 0 failed"
    assert len(lines) == 4


async def test_ended_by_sigterm_it_sums_up_and_it_says_what_it_asks_for(
    remote_client: httpx.AsyncClient, here: dict[str, str], receiver: Receiver, folder: Path
) -> None:
    await open_inlet(remote_client)
    types = ("--event-type", "invoice.paid", "--event-type", "github.push")
    ran = start(folder, "listen", "--to", receiver.url, *types, **here)
    try:
        output = folder / "output"
        await asyncio.to_thread(until, lambda: "will not come" in output.read_text(), 20, "it listens")
        ran.terminate()
        assert await asyncio.to_thread(ran.wait, 10) == 143
    finally:
        ran.kill()
        ran.wait()
    lines = output.read_text().splitlines()
    assert lines[1] == "only stripe.invoice.paid, stripe.github.push"
    assert lines[2].startswith("github.push will not come: ")
    assert lines[3:] == ["0 events: 0 taken, 0 refused, 0 failed"]


@pytest.mark.usefixtures("_quickly")
async def test_all_sources_are_followed_each_in_its_order_and_one_event_at_a_time(
    remote_client: httpx.AsyncClient, here: dict[str, str], token: str, receiver: Receiver
) -> None:
    inlets = [await open_inlet(remote_client) for _ in range(2)]
    begun = clock.now()
    await asyncio.sleep(0.01)
    expected: list[list[str]] = [[], []]
    # More than a page of each.
    for number in range(12):
        for inlet, names in zip(inlets, expected, strict=True):
            names.append(f"evt_{inlet.source['id']}_{number}")
            await arrive(inlet, names[-1])
    receiver.answer = lambda _arrival: Answer(200, after=0.005)
    async with listen(here["SERVER_URL"], token, Wish(receiver.url, since=begun)) as shown:
        await receiver.wait_for(24)
        await eventually(lambda: len(events_in(shown)) == 24)
    arrived = names_of(receiver.arrivals)
    assert [[name for name in arrived if name in names] for names in expected] == expected
    assert {event["status"] for event in events_in(shown)} == {200}


@pytest.mark.usefixtures("_quickly")
async def test_only_the_event_types_that_are_asked_for_are_forwarded(
    remote_client: httpx.AsyncClient, here: dict[str, str], token: str, receiver: Receiver
) -> None:
    inlet = await open_inlet(remote_client)
    begun = clock.now()
    for kind in ("a", "b", "c"):
        assert (await inlet.post(stripe_event(f"evt_{kind}", type=kind))).status_code == 200
    wish = Wish(receiver.url, event_types=("stripe.b",), since=begun)
    async with listen(here["SERVER_URL"], token, wish):
        await receiver.wait_for(1)
        await asyncio.sleep(0.2)
    assert names_of(receiver.arrivals) == ["evt_b"]


@pytest.mark.usefixtures("_quickly")
async def test_an_event_type_may_be_called_as_its_provider_calls_it(
    remote_client: httpx.AsyncClient, here: dict[str, str], token: str, receiver: Receiver
) -> None:
    inlet = await open_inlet(remote_client)
    begun = clock.now()
    for kind in ("a", "invoice.paid"):
        assert (await inlet.post(stripe_event(f"evt_{kind}", type=kind))).status_code == 200
    wish = Wish(receiver.url, event_types=("invoice.paid",), since=begun)
    async with listen(here["SERVER_URL"], token, wish):
        await receiver.wait_for(1)
        await asyncio.sleep(0.2)
    assert names_of(receiver.arrivals) == ["evt_invoice.paid"]


def test_names_of_event_types_are_those_of_the_source() -> None:
    stripe_source, shop, timer = (Source("src_1", "a", kind) for kind in ("stripe", "shopify", "cron"))
    names = ["stripe.invoice.paid", "invoice.paid", "stripe"]
    assert types_of(stripe_source, names) == ["stripe.invoice.paid", "stripe"]
    assert types_of(shop, ["orders/create"]) == ["shopify.orders_create"]
    assert "shopify.orders_create" in types_of(shop, ["orders.create"])
    assert types_of(timer, ["cron"]) == ["cron"]
    assert types_of(stripe_source, []) == []
    names = ["github.push", "github", "invoice.paid", "stripe.a", "shopify", "githubs"]
    assert unmatched([stripe_source, shop], names) == ["github.push", "github"]


def test_who_is_away_is_asked_again_every_two_seconds_at_least() -> None:
    wait = listening._Wait(listening._INTERVAL, listening._LONGEST_WAIT)
    waits = [wait.next() for _ in range(20)]
    assert (waits[0], max(waits)) == (1.0, 2.0)


@pytest.mark.usefixtures("_quickly")
async def test_a_server_that_goes_away_is_waited_for_and_nothing_is_missed(
    remote_client: httpx.AsyncClient, here: dict[str, str], token: str, receiver: Receiver
) -> None:
    inlet = await open_inlet(remote_client)
    port = int(here["SERVER_URL"].rpartition(":")[2])
    async with relaying(port) as relay, listen(relay.url, token, Wish(receiver.url)) as shown:
        await arrive(inlet, "evt_1")
        await receiver.wait_for(1)
        relay.drop()
        await eventually(lambda: "cannot be reached" in shown.getvalue())
        await arrive(inlet, "evt_2")
        relay.is_down = False
        await receiver.wait_for(2)
        assert "is back" in shown.getvalue()
    assert names_of(receiver.arrivals) == ["evt_1", "evt_2"]


@pytest.mark.usefixtures("_quickly")
async def test_what_the_machine_does_not_take_is_not_sent_again_and_the_rest_goes_on(
    remote_client: httpx.AsyncClient, here: dict[str, str], token: str, receiver: Receiver
) -> None:
    inlet = await open_inlet(remote_client)
    async with relaying(int(receiver.url.rpartition(":")[2])) as relay:
        relay.is_down = True
        async with listen(here["SERVER_URL"], token, Wish(relay.url)) as shown:
            await arrive(inlet, "evt_1", "evt_2")
            await eventually(lambda: len(events_in(shown)) == 2)
            relay.is_down = False
            await arrive(inlet, "evt_3")
            await receiver.wait_for(1)
            await eventually(lambda: len(events_in(shown)) == 3)
    assert names_of(receiver.arrivals) == ["evt_3"]
    assert [event["status"] for event in events_in(shown)] == [None, None, 204]
    assert all(event["error"] for event in events_in(shown)[:2])
    assert shown.getvalue().count("not sent again") == 1


@pytest.mark.usefixtures("_quickly")
async def test_a_redirect_is_an_answer_and_is_not_followed(
    remote_client: httpx.AsyncClient, here: dict[str, str], token: str, receiver: Receiver
) -> None:
    inlet = await open_inlet(remote_client)
    receiver.answer = lambda _arrival: Answer(307, {"location": f"{receiver.url}/elsewhere"})
    async with listen(here["SERVER_URL"], token, Wish(receiver.url)) as shown:
        await arrive(inlet, "evt_1")
        await eventually(lambda: len(events_in(shown)) == 1)
    assert [arrival.path for arrival in receiver.arrivals] == ["/"]
    assert events_in(shown)[0]["status"] == 307


@pytest.mark.usefixtures("_quickly")
async def test_what_is_expunged_is_shown_and_not_sent(
    remote_client: httpx.AsyncClient, here: dict[str, str], token: str, receiver: Receiver
) -> None:
    inlet = await open_inlet(remote_client)
    begun = clock.now()
    await arrive(inlet, "evt_1")
    application = inlet.source["applicationId"]
    (message,) = (await remote_client.get(f"/app/{application}/msg")).json()["data"]
    assert (await remote_client.delete(f"/app/{application}/msg/{message['id']}/content")).status_code == 204
    async with listen(here["SERVER_URL"], token, Wish(receiver.url, since=begun)) as shown:
        await eventually(lambda: bool(events_in(shown)))
    assert (events_in(shown)[0]["error"], receiver.arrivals) == ("its content is not kept", [])


@pytest.mark.usefixtures("_quickly")
async def test_it_ends_once_there_is_no_source_left(
    remote_client: httpx.AsyncClient, here: dict[str, str], receiver: Receiver
) -> None:
    inlet = await open_inlet(remote_client, uid=factories.unique("source"))
    named = {f"POSTRIDER_{name}": value for name, value in here.items()}
    words = ["listen", "--to", receiver.url, "--json"]
    running = asyncio.create_task(asyncio.to_thread(lambda: CliRunner().invoke(command, words, env=named)))
    await arrive(inlet, "evt_1")
    await asyncio.sleep(0.5)
    assert (await remote_client.delete(factories.ingest(remote_client, f"/source/{inlet.source['id']}"))).is_success
    ran = await asyncio.wait_for(running, 10)
    assert ran.exit_code == 1
    assert f"{inlet.source['uid']} is not followed any more" in ran.stderr


async def listen_with(*options: str, **settings: str) -> Result:
    named = {f"POSTRIDER_{name}": value for name, value in settings.items()}
    return await asyncio.to_thread(lambda: CliRunner().invoke(command, ["listen", *options], env=named))


async def test_what_cannot_be_meant_is_a_2(remote_client: httpx.AsyncClient, here: dict[str, str]) -> None:
    to = ("--to", "http://127.0.0.1:1")
    for options, words in (
        ((), "--to"),
        (("--to", "localhost:3000"), "is no address"),
        (to, "there is no source to listen to"),
        ((*to, "--source", "nobody"), "there is no source 'nobody'"),
        ((*to, "--since", "yesterday"), "yesterday"),
    ):
        ran = await listen_with(*options, **here)
        assert ran.exit_code == 2, ran.output
        assert words in ran.stderr


async def test_what_is_no_postrider_is_a_1() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ran = await listen_with("--to", url, "--server", url, "--token", "a")
    assert (ran.exit_code, "is no Postrider" in ran.stderr) == (1, True)


async def test_a_server_that_is_away_is_worth_another_try(closed_port: int) -> None:
    ran = await listen_with("--to", "http://127.0.0.1:1", "--server", f"http://127.0.0.1:{closed_port}", "--token", "a")
    assert (ran.exit_code, "cannot be reached" in ran.stderr) == (75, True)


def test_errors_without_a_text_are_said_in_words() -> None:
    assert said(httpx.ReadTimeout("")) == "no answer in time"
    assert said(httpx.ConnectTimeout("")) == "no connection in time"
    assert said(httpx.ConnectError("refused")) == "refused"
    assert said(httpx.ReadError("")) == "ReadError"


def test_queries_are_joined() -> None:
    assert with_query("http://a/b", "") == with_query("http://a/b", None) == "http://a/b"
    assert with_query("http://a/b", "c=d&e") == "http://a/b?c=d&e"
    assert with_query("http://a/b?x", "c") == "http://a/b?x&c"
    assert with_query("http://a/b", query_without_credentials("c=d&key=secret", ["?key"])) == "http://a/b?c=d"


def test_lines_are_coloured_by_what_came_of_the_event() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, color_system="standard", soft_wrap=True)
    lines = Lines(as_json=False, out=console, notes=console)
    for outcome, colour in ((Outcome(204, 3, None), 32), (Outcome(404, 3, None), 33), (Outcome(None, 3, "gone"), 31)):
        lines.event("src_1", "stripe.invoice.paid", "msg_1", outcome)
        line = shown.getvalue().splitlines()[-1]
        assert f"\x1b[{colour}m{outcome.status or 'failed'}" in line
    assert "gone" in line
