"""The demo's receivers, and the table of what reached them."""

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from benchmarks.demo_events import Event
from benchmarks.listener import ACCEPTED, REFUSED, Headers, Listener

_STYLES = {"waiting": "dim", "will be retried": "yellow", "delivered, verified": "green"}


@dataclass(slots=True)
class Delivery:
    """One event on its way to one endpoint."""

    event: Event
    endpoint: str
    begun: float
    message_id: str | None = None
    attempts: int = 0
    status: str = "waiting"
    milliseconds: float | None = None
    """From just before the message was published to its accepted arrival."""

    @property
    def arrived(self) -> bool:
        return self.status == "delivered, verified"

    @property
    def wrong(self) -> bool:
        return self.status not in _STYLES


class Board:
    """Every delivery of the demo, by event and endpoint."""

    def __init__(self) -> None:
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        self._changed = asyncio.Event()
        self.unexpected = 0
        """Requests that belong to no event of the demo."""

    def expect(self, event: Event, endpoint: str) -> None:
        """The event is about to be published, so it must arrive at the endpoint."""
        self._deliveries[event.id, endpoint] = Delivery(event, endpoint, perf_counter())

    def find(self, event_id: str, endpoint: str) -> Delivery | None:
        return self._deliveries.get((event_id, endpoint))

    def published(self, event: Event, endpoint: str, message_id: str) -> None:
        """The server accepted the event as this message: its `webhook-id`."""
        delivery = self._deliveries[event.id, endpoint]
        if delivery.message_id not in (None, message_id):
            delivery.status = "arrived under another webhook-id"
        delivery.message_id = message_id

    def changed(self) -> None:
        """Wakes who waits for a change."""
        self._changed.set()

    async def change(self) -> None:
        """Returns when something has happened after this call."""
        self._changed.clear()
        await self._changed.wait()

    @property
    def settled(self) -> bool:
        """Nothing more can change for the better."""
        return all(delivery.arrived or delivery.wrong for delivery in self._deliveries.values())

    @property
    def holds(self) -> bool:
        return not self.unexpected and all(delivery.arrived for delivery in self._deliveries.values())

    def counts(self) -> tuple[int, int, int]:
        """Deliveries that arrived, all deliveries, and all attempts."""
        deliveries = self._deliveries.values()
        arrived = sum(delivery.arrived for delivery in deliveries)
        return arrived, len(deliveries), sum(delivery.attempts for delivery in deliveries)

    def __rich__(self) -> Table:
        table = Table(box=SIMPLE_HEAD)
        for name in ("message", "endpoint"):
            table.add_column(name, no_wrap=True)
        table.add_column("attempts", justify="right", no_wrap=True)
        table.add_column("status", no_wrap=True, min_width=len("delivered, verified"))
        table.add_column("ms", justify="right", min_width=7)
        for delivery in self._deliveries.values():
            table.add_row(
                f"{delivery.event.event_type} {delivery.event.id}",
                delivery.endpoint,
                str(delivery.attempts),
                f"[{_STYLES.get(delivery.status, 'bold red')}]{delivery.status}[/]",
                "" if delivery.milliseconds is None else f"{delivery.milliseconds:,.1f}",
            )
        return table


class DemoReceiver(Listener):
    """Refuses its first requests, then accepts and verifies each one with the `standardwebhooks` package."""

    def __init__(self, name: str, board: Board, refusals: int = 0) -> None:
        super().__init__()
        self.name = name
        self.secret = ""
        """The endpoint's `whsec_…`, known once the endpoint exists."""
        self._board = board
        self._refusals = refusals

    def answer(self, path: bytes, headers: Headers, body: bytes) -> bytes:
        self._board.changed()
        delivery = self._delivery_of(body)
        if delivery is None:
            self._board.unexpected += 1
            return ACCEPTED
        delivery.attempts += 1
        if self._refusals:
            self._refusals -= 1
            delivery.status = "will be retried"
            return REFUSED
        delivery.status = self._verdict(delivery, headers, body)
        if delivery.milliseconds is None:
            delivery.milliseconds = (perf_counter() - delivery.begun) * 1000
        return ACCEPTED

    def _delivery_of(self, body: bytes) -> Delivery | None:
        try:
            payload: Any = orjson.loads(body)
            return self._board.find(payload["data"]["id"], self.name)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None

    def _verdict(self, delivery: Delivery, headers: Headers, body: bytes) -> str:
        """The delivery's status, given what arrived."""
        names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        try:
            payload = Webhook(self.secret).verify(body, names)
        except WebhookVerificationError as error:
            return f"bad signature: {error}"
        if payload != delivery.event.payload:
            return "altered on the way"
        if delivery.message_id not in (None, names["webhook-id"]):
            return "arrived under another webhook-id"
        delivery.message_id = names["webhook-id"]
        return "delivered, verified"
