"""How long lists take over HTTP: random applications, random times, forward and backward, one request at a time."""

import http.client
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit

import orjson

from app import ids
from app.clock import now
from benchmarks.filling import EVENT_TYPES
from benchmarks.run import RunError, Target
from benchmarks.tally import percentile

REQUESTS = 300
"""Of each list: the third slowest is the p99."""
_WARM_UP = 5
_DAYS = 50


@dataclass(frozen=True, slots=True)
class ListTime:
    """One list; milliseconds from before the request is written to the whole answer read."""

    name: str
    requests: int
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    slowest: str
    """The request that took longest."""
    mean_rows: float


@dataclass(frozen=True, slots=True)
class Place:
    """An application, and one of its endpoints and messages."""

    application_id: str
    endpoint_id: str
    message_id: str


class Lists:
    """Asks one server for lists. `wide` are applications with many endpoints."""

    def __init__(self, target: Target, places: Sequence[Place], wide: Sequence[str], seed: int) -> None:
        parts = urlsplit(target.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {target.token}"}
        self._places = places
        self._wide = wide
        self._random = random.Random(seed)

    def measure(self) -> list[ListTime]:
        """Every kind of list. RunError if one is refused."""
        try:
            return [self._measure(name, path) for name, path in self._kinds().items()]
        finally:
            self._connection.close()

    def _kinds(self) -> dict[str, Callable[[], str]]:
        def of(kind: str, prefix: ids.Prefix, query: str = "") -> dict[str, Callable[[], str]]:
            return {
                f"{kind}, first page": lambda: self._path(kind, query),
                f"{kind}, forward": lambda: self._path(kind, f"{query}&iterator={self._some_id(prefix)}"),
                f"{kind}, backward": lambda: self._path(kind, f"{query}&iterator=-{self._some_id(prefix)}"),
            }

        return {
            **of("messages", "msg"),
            **of("attempts by endpoint", "atmpt"),
            **of("attempted messages", "msg"),
            "attempts by message": lambda: self._path("attempts by message"),
            "endpoints": lambda: self._path("endpoints"),
            "messages by event type": lambda: self._path("messages", f"event_types={self._event_type()}"),
            "messages by an event type that never came": lambda: self._path("messages", "event_types=never.came"),
            "attempts by endpoint, failed": lambda: self._path("attempts by endpoint", "status=2"),
            "attempts by endpoint, code 5xx": lambda: self._path("attempts by endpoint", "status_code_class=500"),
            "attempts by endpoint, one event type": lambda: self._path(
                "attempts by endpoint", f"event_types={self._event_type()}"
            ),
            "attempted messages, failed": lambda: self._path("attempted messages", "status=2"),
        }

    def _path(self, kind: str, query: str = "") -> str:
        place = self._random.choice(self._places)
        if kind == "endpoints":
            return f"/api/v1/app/{self._random.choice(self._wide)}/endpoint?{query}"
        path = {
            "messages": "msg",
            "attempts by endpoint": f"attempt/endpoint/{place.endpoint_id}",
            "attempted messages": f"endpoint/{place.endpoint_id}/msg",
            "attempts by message": f"attempt/msg/{place.message_id}",
        }[kind]
        return f"/api/v1/app/{place.application_id}/{path}?{query}"

    def _some_id(self, prefix: ids.Prefix) -> str:
        return ids.floor_id(prefix, self._some_time())

    def _some_time(self) -> datetime:
        return now() - timedelta(days=self._random.uniform(0, _DAYS))

    def _event_type(self) -> str:
        return f"type.{self._random.randrange(EVENT_TYPES)}"

    def _measure(self, name: str, path: Callable[[], str]) -> ListTime:
        times: list[tuple[float, str]] = []
        rows = 0
        for number in range(-_WARM_UP, REQUESTS):
            url = path()
            begun = perf_counter()
            found = self._get(url)
            if number >= 0:
                times.append(((perf_counter() - begun) * 1000, url))
                rows += found
        slowest, url = max(times)
        seconds = [milliseconds for milliseconds, _ in times]
        p50, p99 = percentile(seconds, 0.5) or 0.0, percentile(seconds, 0.99) or 0.0
        mean = round(rows / REQUESTS, 1)
        return ListTime(name, REQUESTS, round(p50, 2), round(p99, 2), round(slowest, 2), url, mean)

    def _get(self, url: str) -> int:
        """How many rows the page holds."""
        self._connection.request("GET", url, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RunError(f"GET {url} answered {answer.status}, {body[:200]!r}: is the API's path another one now?")
        return len(cast("dict[str, list[object]]", orjson.loads(body))["data"])
