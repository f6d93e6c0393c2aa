"""From the API to the record of the attempt: what leads inside is not connected to, and no record tells anything."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any, Final

import pytest

from app.db.endpoint.access import (
    Authentication,
    BasicAuthentication,
    HeaderAuthentication,
    OAuthAuthentication,
    seal_authentication,
)
from app.db.endpoint.model import seal_headers
from app.delivery.guard import NOWHERE
from app.delivery.resolver import SystemResolver
from app.sealing import Sealer
from app.settings import Settings
from tests import factories
from tests.delivery.canary import canaries
from tests.delivery.forbidden import DIALLED, NAMES
from tests.delivery.nameserver import naming
from tests.delivery.rudeserver import OK, RudeServer
from tests.receiver import Receiver
from tests.worker.stage import Stage, staged

ATTEMPTS: Final = "SELECT * FROM attempts ORDER BY id"


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    """Where 127.0.0.2 is the only address of this machine that may be delivered to, and retries are far away."""
    allowed = (ip_network("127.0.0.2/32"),)
    own = settings.model_copy(
        update={"db_dsn": empty_dsn, "retry_schedule": (1000,), "whitelist_subnets": allowed, "embedded": False}
    )
    async with staged(own, token) as opened:
        yield opened


async def attempts(stage: Stage, count: int) -> list[dict[str, Any]]:
    """All attempts, once there are so many. TimeoutError if there never are."""
    async with asyncio.timeout(20):
        while len(rows := await stage.database.pool.fetch(ATTEMPTS)) < count:
            await asyncio.sleep(0.01)
    return [dict(row) for row in rows]


async def test_each_attempt_at_the_inside_is_recorded_and_all_records_are_alike(stage: Stage) -> None:
    """Where something listens, where nothing does, where there is no such host: nobody can tell which it was."""
    async with canaries() as found, naming({**NAMES}) as server:
        # An open port and one that is closed.
        urls = [text.replace("{port}", str(port)) for text in DIALLED[::8] for port in (found.ports[0], 54_321)]
        urls += [f"http://{name}:{found.ports[0]}/" for name in NAMES]
        messages = [message for url in urls for message in await stage.publish(await stage.endpoint(url))]
        async with stage.draining(resolver=SystemResolver([server.address])):
            rows = await attempts(stage, len(urls))
    assert found.heard == []
    assert sorted(row["message_id"] for row in rows) == sorted(messages)
    # Everything but whose it is and when it was.
    whose = {"id", "message_id", "endpoint_id", "url", "created_at", "ended_at"}
    records = {tuple((key, value) for key, value in row.items() if key not in whose) for row in rows}
    assert len(records) == 1, records
    assert (rows[0]["response_status_code"], rows[0]["response_duration_ms"]) == (0, 0)
    assert rows[0]["response"] == NOWHERE.encode()
    assert {(state, count) for state, count in (await stage.states()).values()} == {(1, 1)}


async def test_what_the_organization_is_told_at_goes_the_same_way(stage: Stage) -> None:
    async with canaries() as found:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            body = {"url": f"http://{host}:{found.ports[0]}/"}
            assert (await stage.client.post("/operational-webhook/endpoint", json=body)).status_code == 201
        await stage.endpoint(factories.URL)
        async with stage.draining():
            rows = await attempts(stage, 3)
    assert found.heard == []
    assert {row["response"] for row in rows} == {NOWHERE.encode()}


async def test_a_url_that_turned_inside_is_judged_as_it_is_now(stage: Stage) -> None:
    server = RudeServer()
    await server.start()
    async with canaries() as found:
        elsewhere = found.ports[0]
        public = await asyncio.start_server(server._accept, "127.0.0.2", 0)
        port = public.sockets[0].getsockname()[1]
        path = server.says(OK).path_and_query.decode()
        endpoint = await stage.endpoint(f"http://127.0.0.2:{port}{path}")
        async with stage.draining() as drain:
            await stage.publish(endpoint)
            drain.ring(range(64))
            await attempts(stage, 1)
            change = {"url": f"http://127.0.0.1:{elsewhere}/"}
            answer = await stage.client.patch(f"/app/{stage.application}/endpoint/{endpoint}", json=change)
            assert answer.status_code == 200
            await stage.publish(endpoint)
            drain.ring(range(64))
            first, second = await attempts(stage, 2)
        public.close()
    await server.stop()
    assert (first["response_status_code"], second["response_status_code"]) == (200, 0)
    assert (second["url"], second["response"]) == (change["url"], NOWHERE.encode())
    assert found.heard == []


def oauth(**headers: str) -> OAuthAuthentication:
    return OAuthAuthentication("http://127.0.0.2:9999/", "c", "s", "clientSecretPost", [], {}, headers)


SMUGGLED: Final[list[dict[str, str] | Authentication]] = [
    {"X-A": "1\r\nX-Injected: canary"},
    {"X-A": "1\nX-Injected: canary"},
    {"X-A": "1\r\n\r\nPOST /smuggled HTTP/1.1\r\nhost: canary\r\ncontent-length: 0\r\n\r\n"},
    {"X-A\r\nX-Injected": "canary"},
    {"X-A": "a\0canary"},
    {"X-A": "€"},
    {"X A": "canary"},
    {"": "canary"},
    {"Content-Length": "0"},
    {"transfer-encoding": "chunked"},
    {"Host": "canary"},
    {"Connection": "canary"},
    HeaderAuthentication("X-A", "1\r\nX-Injected: canary"),
    HeaderAuthentication("X-A: 1\r\nX-Injected", "canary"),
    oauth(**{"X-A": "1\r\nX-Injected: canary"}),
    oauth(**{"Content-Length": "0"}),
]


async def test_a_row_that_something_else_wrote_cannot_put_a_line_into_a_request(
    stage: Stage, receiver: Receiver, settings: Settings
) -> None:
    """What the API refuses may come into the table by an import, or from a hand. It is recorded, and never sent."""
    sealer = Sealer(settings.main_secrets)
    stage.settings = stage.settings.model_copy(update={"whitelist_subnets": settings.whitelist_subnets})
    for row in SMUGGLED:
        endpoint = await stage.endpoint(receiver.url)
        if isinstance(row, dict):
            column, sealed = "headers", seal_headers(sealer, endpoint, row)
        else:
            column, sealed = "authentication", seal_authentication(sealer, endpoint, row)
        await stage.database.pool.execute(f"UPDATE endpoints SET {column} = $1 WHERE id = $2", sealed, endpoint)
        await stage.publish(endpoint)
    # What may have been saved with Latin-1 in it, or with a line break where it becomes base64, harms nobody.
    fine = await stage.endpoint(receiver.url)
    sealed = seal_authentication(sealer, fine, BasicAuthentication("a\r\nb", "c\r\nX-Injected: canary"))
    await stage.database.pool.execute("UPDATE endpoints SET authentication = $1 WHERE id = $2", sealed, fine)
    await stage.publish(fine)
    async with stage.draining():
        rows = await attempts(stage, len(SMUGGLED) + 1)
    assert [row["response_status_code"] for row in rows if row["endpoint_id"] == fine] == [204]
    refused = [row for row in rows if row["endpoint_id"] != fine]
    assert {(row["response_status_code"], row["response"]) for row in refused} == {
        (0, b"the endpoint's secrets or headers cannot be read")
    }
    (arrival,) = receiver.arrivals
    assert not any("canary" in text for text in itertools.chain(*arrival.headers.items(), [arrival.path]))
