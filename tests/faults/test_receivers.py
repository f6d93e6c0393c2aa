"""Receivers that do what no receiver should: the attempt says what it was, in time, and nobody else notices."""

import asyncio
import base64
from collections.abc import AsyncIterator
from time import monotonic

import asyncpg
import pytest

from tests import factories
from tests.delivery.rudeserver import RudeServer, dripping
from tests.faults.installation import Installation
from tests.faults.rude import CONTROLS, NOT_TEXT, Rude, Rudeness, flooding, rude_receivers
from tests.faults.run import Run
from tests.receiver import Answer, Arrival
from tests.reliability import measured

pytestmark = pytest.mark.xdist_group("faults")

_TIMEOUT_SECONDS = 1
_ATTEMPTS = """
SELECT endpoint_id, response_status_code AS status, response, response_duration_ms AS milliseconds
FROM attempts WHERE application_id = $1 ORDER BY id
"""
_PENDING = """
SELECT endpoint_id, extract(epoch FROM next_attempt_at - now())::float AS seconds
FROM pending_deliveries WHERE application_id = $1
"""


@pytest.fixture
async def database(installation: Installation) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(installation.dsn)
    yield connection
    await connection.close()


async def publish_to_all(run: Run, rude: Rudeness) -> tuple[str, dict[str, Rude]]:
    """Have one message sent to each; the application, and the receivers by their endpoints' ids."""
    application = str((await factories.create_application(run.client))["id"])
    authority = {"cert": rude.authority.cert_pem.bytes().decode()}
    found: dict[str, Rude] = {}
    for receiver in rude.receivers:
        made = await factories.create_endpoint(run.client, application, receiver.url, timeoutSeconds=_TIMEOUT_SECONDS)
        found[str(made["id"])] = receiver
        if receiver.url.startswith("https"):
            path = f"/app/{application}/endpoint/{made['id']}/ca"
            (await run.client.put(path, json=authority)).raise_for_status()
    await factories.publish(run.client, application)
    return application, found


async def polite_latencies(run: Run, until: asyncio.Event) -> list[float]:
    """Publish to the run's own endpoint all the time; the seconds until each message arrived, in order of size."""
    arrived: dict[str, float] = {}

    def note(arrival: Arrival) -> Answer:
        arrived[arrival.headers["webhook-id"]] = monotonic()
        return Answer()

    run.receiver.answer = note
    sent: dict[str, float] = {}
    while not until.is_set():
        began = monotonic()
        sent[(await factories.publish(run.client, run.application))["id"]] = began
        await asyncio.sleep(0.05)
    async with asyncio.timeout(10):
        while len(arrived) < len(sent):
            await asyncio.sleep(0.01)
    return sorted(arrived[message_id] - began for message_id, began in sent.items())


async def test_whatever_a_receiver_does_its_attempt_says_so_in_time_and_others_do_not_notice(
    installation: Installation, run: Run, database: asyncpg.Connection
) -> None:
    async with rude_receivers() as rude:
        until = asyncio.Event()
        polite = asyncio.create_task(polite_latencies(run, until))
        application, receivers = await publish_to_all(run, rude)
        failing = {endpoint for endpoint, receiver in receivers.items() if not receiver.delivered}
        try:
            async with asyncio.timeout(15):
                # Those that did not answer in time are left in peace for a minute.
                while True:
                    attempts = await database.fetch(_ATTEMPTS, application)
                    waiting = dict(await database.fetch(_PENDING, application))
                    twice = {e for e in failing if sum(row["endpoint_id"] == e for row in attempts) > 1}
                    patient = {e for e in failing if waiting.get(e, 0.0) > 40}
                    if {row["endpoint_id"] for row in attempts} == receivers.keys() and twice | patient == failing:
                        break
                    await asyncio.sleep(0.1)
            shown = await shown_responses(run, application, receivers)
        finally:
            until.set()
            latencies = await polite
            await database.execute("DELETE FROM pending_deliveries WHERE application_id = $1", application)
        said: dict[str, set[tuple[int, bytes]]] = {}
        for row in attempts:
            receiver = receivers[row["endpoint_id"]]
            if receiver.steady:
                said.setdefault(receiver.name, set()).add((row["status"], row["response"]))
            assert row["status"] == receiver.status, (receiver.name, row["response"][:200])
            assert receiver.text in row["response"].decode(errors="replace"), receiver.name
            assert len(row["response"]) <= 20_000, receiver.name
            assert row["milliseconds"] <= _TIMEOUT_SECONDS * 1000 + 500, receiver.name
        assert [name for name, texts in said.items() if len(texts) > 1] == [], "the same thing is told differently"
        assert waiting.keys() == failing, "each is tried again, and no other"
        assert max(waiting.values()) < 80
        assert not any(b"?followed" in request.head for request in rude.server.requests)
        assert not any(request.header("cookie") for request in rude.server.requests)
        assert shown == {
            "control characters in its body": CONTROLS,
            "a body that is not text": base64.b64encode(NOT_TEXT).decode(),
        }
        assert max(latencies) < 1.0
    await run.settle()


async def shown_responses(run: Run, application: str, receivers: dict[str, Rude]) -> dict[str, str]:
    """What the API shows of answers that are hard to show."""
    shown = {}
    for endpoint, receiver in receivers.items():
        if "body" in receiver.name and receiver.text == "red":
            answer = await run.client.get(f"/app/{application}/attempt/endpoint/{endpoint}")
            assert not any(byte < 0x20 for byte in answer.content), "JSON escapes them"
            shown[receiver.name] = answer.json()["data"][0]["response"]
    return shown


@pytest.mark.chaos
async def test_answers_without_end_do_not_stay_in_memory(installation: Installation, run: Run) -> None:
    """Row 26: a hundred at once, each of them endless, or of 100 MB, as headers or as a body."""
    (worker,) = installation.workers
    server = RudeServer()
    await server.start()
    try:
        behaviours = {
            "bodies that never end": dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, 0),
            "bodies of 100 MB": flooding(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1_000_000, 100),
            "headers of 100 MB": flooding(b"HTTP/1.1 200 OK\r\nx: ", b"x" * 1_000_000, 100),
        }
        await run.publish(1000)
        await run.settle()
        for name, behaviour in behaviours.items():
            target = server.does(behaviour)
            application = str((await factories.create_application(run.client))["id"])
            url = f"http://127.0.0.1:{server.port}{target.path_and_query.decode()}"
            await factories.create_endpoint(run.client, application, url)
            grown = 0.0
            for round_ in range(4):
                before = worker.memory
                for _ in range(100):
                    await factories.publish(run.client, application)
                await asyncio.sleep(2)
                # The first rounds are those in which buffers are made that stay.
                grown = worker.memory - before if round_ == 3 else grown
            limit, value = "5 MiB", f"{grown:.1f} MiB"
            measured(
                26, f"{name}: a hundred more of them, and the worker does not grow", limit, value, holds=grown <= 5
            )
            connection = await asyncpg.connect(installation.dsn)
            await connection.execute("DELETE FROM pending_deliveries WHERE application_id = $1", application)
            await connection.close()
    finally:
        await server.stop()
