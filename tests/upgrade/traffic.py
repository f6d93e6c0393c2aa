"""What customers do meanwhile: they publish at a steady rate, receive, and manage endpoints; all of it is noted."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import asyncpg
import httpx

from tests.receiver import Receiver, receiving
from tests.upgrade.fleet import Api

_APPLICATIONS: Final = 4
_ENDPOINTS: Final = 2
_TIMEOUT: Final = 10.0
# A message that a customer waits for.
_PATIENCE: Final = 20.0
# Nothing has ended for so many seconds: nothing will.
_STANDSTILL: Final = 30.0
_LEFT: Final = """
SELECT p.endpoint_id, s.owner, s.leased_until > now() AS leased, count(*), min(p.next_attempt_at)::text, max(p.tries)
FROM pending_deliveries p JOIN shards s USING (shard) GROUP BY 1, 2, 3 LIMIT 20
"""
_REPUBLISH: Final = (
    {"eventType": "invoice.paid", "payload": {"id": "in_1"}},
    {"eventType": "user.left", "payload": {}},
)


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the API, as its caller saw it. `began` is of the monotonic clock."""

    operation: str
    began: float
    seconds: float
    failure: str | None


@dataclass
class Traffic:
    """`apis` are those in rotation. Each call is in `requests`; `expected` is where an accepted message must arrive."""

    receiver: Receiver
    client: httpx.AsyncClient
    apis: list[Api]
    rate: float
    requests: list[Request] = field(default_factory=list)
    expected: dict[str, list[str]] = field(default_factory=dict)
    applications: dict[str, list[str]] = field(default_factory=dict)
    resends: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    running: asyncio.Task[None] = field(init=False)

    async def prepare(self) -> None:
        """Applications with endpoints, made by the old API."""
        for number in range(_APPLICATIONS):
            application = await self.call("POST", "/app", {"name": f"Customer {number}"})
            assert application is not None, self.failures
            paths = [f"/{number}/{endpoint}" for endpoint in range(_ENDPOINTS)]
            for path in paths:
                body = {"url": self.receiver.url + path, "orderedBy": "endpoint" if path == "/0/0" else None}
                await self.call("POST", f"/app/{application['id']}/endpoint", body)
            self.applications[application["id"]] = paths

    async def run(self) -> None:
        """Until `stopping` is set; returns when the last call is answered."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._customer("a"))
            group.create_task(self._customer("b"))
            due, applications = monotonic(), list(self.applications)
            while not self.stopping.is_set():
                application = applications[len(self.requests) % len(applications)]
                group.create_task(self.publish(application, self.applications[application]))
                due = max(due + 1 / self.rate, monotonic() - 1.0)
                await asyncio.sleep(max(0.0, due - monotonic()))

    async def stop(self, dsn: str) -> str | None:
        """No more calls, and wait until nothing is left to deliver, as long as it becomes less; else what is left."""
        self.stopping.set()
        await self.running
        return await self._settle(dsn)

    async def publish(self, application: str, paths: list[str]) -> str | None:
        body = _REPUBLISH[len(self.requests) % len(_REPUBLISH)]
        message = await self.call("POST", f"/app/{application}/msg", body)
        if message is None:
            return None
        self.expected[message["id"]] = paths
        return str(message["id"])

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Its answer, from whichever process has least to do; None if it failed, which `requests` tells."""
        api = min(self.apis, key=lambda one: one.in_flight)
        api.in_flight += 1
        began, failure, answer = monotonic(), None, dict[str, Any]()
        try:
            response = await self.client.request(method, api.url + path, json=body)
            if response.is_success:
                answer = response.json() if response.content else {}
            else:
                failure = f"{api.name}: {response.status_code} {response.text[:300]}"
        except httpx.TransportError as error:
            failure = f"{api.name}: {error!r}"
        finally:
            api.in_flight -= 1
        operation = f"{method} {'/'.join(part for part in path.partition('?')[0].split('/') if '_' not in part)}"
        self.requests.append(Request(operation, began, monotonic() - began, failure))
        return None if failure else answer

    async def _customer(self, name: str) -> None:
        """Makes an application and an endpoint, changes it, looks at what arrived, and removes it; again and again."""
        turn = 0
        while not self.stopping.is_set():
            turn += 1
            path = f"/customer-{name}/{turn}"
            application = await self.call("POST", "/app", {"name": name})
            if application is not None:
                await self._life(f"/app/{application['id']}", application["id"], path)
            await asyncio.sleep(0.2)

    async def _life(self, base: str, application: str, path: str) -> None:
        url = self.receiver.url + path
        endpoint = await self.call("POST", f"{base}/endpoint", {"url": url, "headers": {"x-tenant": path}})
        if endpoint is None:
            return
        at = f"{base}/endpoint/{endpoint['id']}"
        await self.call("PATCH", at, {"description": "changed", "channels": None})
        await self.call("GET", f"{at}/secret")
        message = await self.publish(application, [path])
        if message is not None:
            await self._arrives(message)
            self.resends += (
                await self.call("POST", f"{base}/msg/{message}/endpoint/{endpoint['id']}/resend", {}) is not None
            )
            await self.call("GET", f"{base}/attempt/msg/{message}")
        await self.call("POST", f"{at}/secret/rotate", {})
        # What follows is sent with the new secret, whoever sends it.
        again = await self.publish(application, [path])
        if again is not None:
            await self._arrives(again)
        await self.call("GET", f"{base}/endpoint?limit=10")
        await self.call("GET", f"{base}/attempt/endpoint/{endpoint['id']}?limit=10")
        await self.call("GET", f"{at}/stats")
        await self.call("GET", f"{base}/msg?limit=10")
        await self.call("DELETE", base)

    async def _arrives(self, message: str) -> None:
        deadline = monotonic() + _PATIENCE
        while not any(one.headers["webhook-id"] == message for one in reversed(self.receiver.arrivals[-2000:])):
            if monotonic() > deadline:
                failure = f"{message} did not arrive within {_PATIENCE:.0f} s"
                self.requests.append(Request("delivery", deadline - _PATIENCE, _PATIENCE, failure))
                return
            await asyncio.sleep(0.05)

    @property
    def failures(self) -> Counter[str]:
        return Counter(f"{one.operation}: {one.failure}" for one in self.requests if one.failure)

    def slowest(self, began: float, ended: float) -> float:
        """Seconds of the slowest call that was under way in that time."""
        during = (one.seconds for one in self.requests if one.began < ended and one.began + one.seconds > began)
        return max(during, default=0.0)

    async def _settle(self, dsn: str) -> str | None:
        connection = await asyncpg.connect(dsn)
        try:
            least, since = math.inf, monotonic()
            while left := await connection.fetchval("SELECT count(*) FROM pending_deliveries"):
                if left < least:
                    least, since = left, monotonic()
                elif monotonic() - since > _STANDSTILL:
                    rows = await connection.fetch(_LEFT)
                    return f"{left} deliveries do not end: {[tuple(row) for row in rows]}"
                await asyncio.sleep(0.1)
            return None
        finally:
            await connection.close()

    def lost(self) -> list[str]:
        """What was accepted and did not arrive everywhere: message and path."""
        came = {(one.headers["webhook-id"], one.path) for one in self.receiver.arrivals}
        return [
            f"{message} {path}"
            for message, paths in self.expected.items()
            for path in paths
            if (message, path) not in came
        ]

    def duplicates(self) -> int:
        """How often something came again that nobody had asked for; less than that if a resend was not made in time."""
        came = Counter((one.headers["webhook-id"], one.path) for one in self.receiver.arrivals)
        return max(0, came.total() - len(came) - self.resends)


@asynccontextmanager
async def flowing(apis: list[Api], token: str, rate: float) -> AsyncIterator[Traffic]:
    """Traffic until `stop()`, or the end of the block; until then everything can be delivered."""
    headers = {"authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    async with (
        receiving() as receiver,
        httpx.AsyncClient(headers=headers, limits=limits, timeout=_TIMEOUT, trust_env=False) as client,
    ):
        traffic = Traffic(receiver, client, apis, rate)
        await traffic.prepare()
        traffic.running = asyncio.create_task(traffic.run())
        try:
            yield traffic
        finally:
            traffic.stopping.set()
            await traffic.running
