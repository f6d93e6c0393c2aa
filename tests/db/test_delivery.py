"""How far deliveries are, endpoint by endpoint: whichever way Postgres goes to what waits, the list is the same."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from app import clock, ids
from app.db.delivery.model import DeliveryState
from app.db.delivery.table import DeliveriesTable
from app.db.history import Span
from app.db.message.model import MessageFilter
from app.db.session import Database
from tests import factories

_LIMIT = 3
_MESSAGES = 30
_Standings = dict[str, DeliveryState]


async def _make(database: Database, application: str, draw: random.Random) -> tuple[str, _Standings, set[str]]:
    """An endpoint, how far what it was sent is, and which of it is an order. Other endpoints wait for much, too."""
    endpoint, others, now = ids.new_id("ep"), [ids.new_id("ep") for _ in range(3)], clock.now()
    standings: _Standings = {}
    orders = set()
    for number in range(_MESSAGES):
        name = draw.choice(["order.made", "invoice.paid"])
        at = now - timedelta(minutes=number)
        message = await factories.record_message(database.pool, application, at, name)
        orders |= {message} if name == "order.made" else set()
        for each in (endpoint, *others):
            ended, waits = draw.random() < 0.5, draw.random() < 0.4
            state = draw.choice([DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.CANCELED])
            if ended:
                await factories.record_delivery(database.pool, application, message, each, state)
            if waits:
                # Not in the order of the messages.
                at = now + timedelta(seconds=draw.random() * 1000)
                await factories.queue_delivery(database.pool, application, message, each, at)
            if each == endpoint and (ended or waits):
                standings[message] = DeliveryState.DUE if waits else state
    return endpoint, standings, orders


@pytest.mark.parametrize("upwards", [False, True], ids=["from the newest", "from the oldest"])
@pytest.mark.parametrize(
    ("near", "much", "examined"),
    [
        pytest.param(1000, 5000, 10_000, id="all is near"),
        pytest.param(1, 5000, 10_000, id="little waits"),
        pytest.param(1, 5000, 7, id="little waits, page by page"),
        pytest.param(1, 2, 10_000, id="much waits"),
        pytest.param(1, 2, 7, id="much waits, page by page"),
    ],
)
async def test_every_delivery_of_an_endpoint_is_listed_once_whichever_way_leads_to_it(
    database: Database,
    application: str,
    monkeypatch: pytest.MonkeyPatch,
    near: int,
    much: int,
    examined: int,
    upwards: bool,
) -> None:
    monkeypatch.setattr("app.db.delivery.table._NEAR", near)
    monkeypatch.setattr("app.db.delivery.table._MUCH", much)
    monkeypatch.setattr("app.db.history.looking.__kwdefaults__", {"examined": examined})
    endpoint, standings, orders = await _make(database, application, random.Random(near + much + examined))
    floor, ceiling = (ids.floor_id("msg", clock.now() + timedelta(days=days)) for days in (-1, 1))
    span = Span(floor, ceiling, _LIMIT, upwards=upwards, ascending=upwards)
    for about in (MessageFilter(), MessageFilter(("order.made",))):
        for state in (None, *DeliveryState):
            wanted = [
                (message, found)
                for message, found in sorted(standings.items(), reverse=not upwards)
                if state in {None, found} and (about.event_types is None or message in orders)
            ]
            assert await _all_pages(database, application, endpoint, span, about, state) == wanted


async def _all_pages(
    database: Database,
    application: str,
    endpoint: str,
    span: Span,
    about: MessageFilter,
    state: DeliveryState | None,
) -> list[tuple[str, DeliveryState]]:
    listed: list[tuple[str, DeliveryState]] = []
    async with database.reading() as session:
        for _ in range(2 * _MESSAGES):
            page = await DeliveriesTable(session).page_of_endpoint(
                application, endpoint, span, about, state, with_content=False
            )
            listed += [(message.id, standing.state) for message, standing in page.rows]
            if page.done:
                return listed
            assert len(page.rows) == _LIMIT or page.reached is not None
            key = page.reached or listed[-1][0]
            span = replace(span, floor=key) if span.upwards else replace(span, ceiling=key)
    raise AssertionError("the list does not end")
