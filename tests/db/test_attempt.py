"""Lists of history stay fast however much history there is: what their plans read, in a database full of partitions."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.db.attempt.table import AttemptFilter, AttemptsTable
from app.db.base import Window
from app.db.delivery.model import DeliveryState
from app.db.delivery.table import DeliveriesTable
from app.db.history import Span
from app.db.message.model import MessageFilter
from app.db.message.table import MessagesTable
from app.db.session import Database
from app.settings import Settings
from tests import factories

_WEEKS: Final = 20
_A_WEEK: Final = 600
_LIMIT: Final = 20
_APPLICATION: Final = ids.new_id("app")
_BUSY, _QUIET, _BEHIND = ids.new_id("ep"), ids.new_id("ep"), ids.new_id("ep")


@dataclass(frozen=True)
class History:
    """Twenty weeks of one application, whose busy endpoint gets nearly all: one in ten waits, one in fifty failed.

    For a third endpoint as much waits.
    `sent` collects what is sent to Postgres; `message` was published recently.
    """

    database: Database
    connection: asyncpg.Connection
    sent: list[tuple[str, tuple[object, ...]]]
    now: datetime
    message: str

    def span(self, prefix: ids.Prefix, days: float = 90) -> Span:
        """The page of the newest, in so many days."""
        floor, ceiling = self.now - timedelta(days=days), self.now + timedelta(hours=1)
        return Span(ids.floor_id(prefix, floor), ids.floor_id(prefix, ceiling), _LIMIT)

    async def plans(self, read: Callable[[AsyncSession], Awaitable[object]]) -> list[Any]:
        """The nodes of the plans of all that `read` sends, executed."""
        self.sent.clear()
        async with self.database.reading() as session:
            await read(session)
        nodes: list[Any] = []
        for statement, values in list(self.sent):
            explained = await self.connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
            nodes += _nodes(json.loads(explained)[0]["Plan"])
        return nodes


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _rows_read(nodes: list[Any]) -> int:
    """How many rows the scans of tables and indexes touched."""
    return sum(
        round(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))
        for node in nodes
        if "Relation Name" in node
    )


def _read_of(nodes: list[Any], table: str) -> set[str]:
    """The partitions of a table that were opened."""
    return {
        node["Relation Name"]
        for node in nodes
        if node.get("Relation Name", "").startswith(f"{table}_") and node["Actual Loops"] > 0
    }


@pytest.fixture(scope="module")
async def history(servers: Any, settings: Settings) -> AsyncIterator[History]:
    dsn = await servers.clone("postrider_history")
    database = Database(settings.model_copy(update={"db_dsn": dsn}))
    await database.open()
    connection = await asyncpg.connect(dsn)
    now = clock.now()
    message = await _fill(connection, now)
    sent: list[tuple[str, tuple[object, ...]]] = []
    event.listen(
        database.engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, values, *_rest: sent.append((statement, values)),
    )
    yield History(database, connection, sent, now, message)
    await connection.close()
    await database.close()
    await servers.drop("postrider_history")


async def _fill(connection: asyncpg.Connection, now: datetime) -> str:
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    tables: tuple[tuple[str, ids.Prefix], ...] = (("messages", "msg"), ("deliveries", "msg"), ("attempts", "atmpt"))
    for table, prefix in tables:
        for week in range(1, _WEEKS + 1):
            start = monday - timedelta(weeks=week)
            low, high = ids.floor_id(prefix, start), ids.floor_id(prefix, start + timedelta(weeks=1))
            await connection.execute(
                f"CREATE TABLE {table}_w{week} PARTITION OF {table} FOR VALUES FROM ('{low}') TO ('{high}')"
            )
    step = timedelta(weeks=1) / _A_WEEK
    times = [now - step * number for number in range(1, _WEEKS * _A_WEEK)]
    messages, deliveries, attempts, pending = [], [], [], []
    for number, at in enumerate(times):
        message, endpoint = factories.id_at("msg", at), _QUIET if number % 500 == 0 else _BUSY
        state = 0 if number % 50 else 2
        messages.append((message, _APPLICATION, "order.made" if number % 40 == 0 else "invoice.paid", b"{}", at))
        deliveries.append((message, endpoint, _APPLICATION, state, 1))
        attempts.append(
            (factories.id_at("atmpt", at), message, endpoint, _APPLICATION, "http://r", state, 0, 200, b"ok", 1, at)
        )
        if number % 10 == 3:
            pending.append((message, endpoint, _APPLICATION, 0))
        if number % 10 == 4:
            pending.append((message, _BEHIND, _APPLICATION, 0))
    organization = ids.new_id("org")
    await connection.execute("INSERT INTO organizations (id) VALUES ($1)", organization)
    await connection.execute(
        "INSERT INTO applications (id, organization_id, name, created_at, updated_at) VALUES ($1, $2, '', $3, $3)",
        *(_APPLICATION, organization, now),
    )
    endpoints = [_BUSY, _QUIET, _BEHIND, *(ids.new_id("ep") for _ in range(500))]
    endpoint_rows = [(endpoint, _APPLICATION, "http://r", b"", 0, now, now) for endpoint in endpoints]
    for table, columns, rows in (
        ("endpoints", "id application_id url secrets shard created_at updated_at", endpoint_rows),
        ("messages", "id application_id event_type payload created_at", messages),
        ("deliveries", "message_id endpoint_id application_id state attempts", deliveries),
        ("pending_deliveries", "message_id endpoint_id application_id shard", pending),
        (
            "attempts",
            "id message_id endpoint_id application_id url status trigger response_status_code response"
            " response_duration_ms created_at",
            attempts,
        ),
    ):
        await connection.copy_records_to_table(table, records=rows, columns=columns.split())
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    recent: str = messages[10][0]
    return recent


Read = Callable[[AsyncSession, History], Awaitable[object]]
_ORDERS: Final = MessageFilter(("order.made",))


def _attempts(only: AttemptFilter) -> Read:
    return lambda session, history: AttemptsTable(session).page_of(_APPLICATION, history.span("atmpt"), only)


def _messages(about: MessageFilter) -> Read:
    return lambda session, history: MessagesTable(session).page_about(_APPLICATION, history.span("msg"), about)


def _deliveries(endpoint: str, about: MessageFilter, state: DeliveryState | None) -> Read:
    return lambda session, history: DeliveriesTable(session).page_of_endpoint(
        _APPLICATION, endpoint, history.span("msg"), about, state, with_content=True
    )


@pytest.mark.parametrize(
    ("read", "most_rows"),
    [
        pytest.param(_attempts(AttemptFilter(endpoint_id=_BUSY)), 21, id="attempts of a busy endpoint"),
        pytest.param(_attempts(AttemptFilter(endpoint_id=_QUIET)), 21, id="attempts of a quiet endpoint"),
        # One in fifty failed, one in forty is an order.
        pytest.param(_attempts(AttemptFilter(endpoint_id=_BUSY, status=2)), 21, id="failed attempts"),
        pytest.param(_attempts(AttemptFilter(endpoint_id=_QUIET, code_class=500)), 25, id="attempts answered with 5xx"),
        pytest.param(_attempts(AttemptFilter(endpoint_id=_BUSY, about=_ORDERS)), 1_900, id="attempts of orders"),
        pytest.param(_messages(MessageFilter()), 21, id="messages"),
        pytest.param(_messages(_ORDERS), 900, id="orders"),
        # The page's rows, twice, because each is looked up in another table.
        pytest.param(_deliveries(_BUSY, MessageFilter(), None), 150, id="messages of a busy endpoint"),
        pytest.param(_deliveries(_QUIET, MessageFilter(), None), 150, id="messages of a quiet endpoint"),
        pytest.param(_deliveries(_BUSY, MessageFilter(), DeliveryState.DUE), 300, id="messages that wait"),
        pytest.param(_deliveries(_BUSY, MessageFilter(), DeliveryState.FAILED), 70, id="messages that failed"),
        pytest.param(
            lambda session, history: DeliveriesTable(session).page_of_message(_APPLICATION, history.message, Window()),
            5,
            id="destinations of a message",
        ),
    ],
)
async def test_a_page_reads_only_what_leads_to_it(history: History, read: Read, most_rows: int) -> None:
    nodes = await history.plans(lambda session: read(session, history))
    assert _rows_read(nodes) <= most_rows
    assert not [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan" and node["Actual Loops"]]


@pytest.mark.parametrize("state", [None, DeliveryState.DUE])
async def test_what_waits_for_an_endpoint_is_not_read_as_a_whole_if_it_is_much(
    history: History, monkeypatch: pytest.MonkeyPatch, state: DeliveryState | None
) -> None:
    # Of what is near, half waits for the endpoint, which does not fill the page.
    monkeypatch.setattr("app.db.delivery.table._NEAR", 1)
    monkeypatch.setattr("app.db.delivery.table._MUCH", 100)
    nodes = await history.plans(lambda session: _deliveries(_BUSY, MessageFilter(), state)(session, history))
    assert 101 < _rows_read(nodes) <= 450
    async with history.database.reading() as session:
        some = await _deliveries(_BUSY, MessageFilter(), state)(session, history)
        monkeypatch.undo()
        assert some == await _deliveries(_BUSY, MessageFilter(), state)(session, history)


@pytest.mark.parametrize(
    ("read", "reaches"),
    [
        (_attempts(AttemptFilter(endpoint_id=_BUSY, about=MessageFilter(tag="none"))), 100),
        (_messages(MessageFilter(channel="none")), 100),
        (_messages(MessageFilter(("none.such",))), 1000),
        (_deliveries(_BUSY, MessageFilter(tag="none"), None), 100),
        (_deliveries(_BUSY, MessageFilter(), DeliveryState.CANCELED), 100),
    ],
    ids=["attempts of a tag", "a channel", "a type", "deliveries of a tag", "canceled"],
)
async def test_a_page_ends_after_so_many_rows_and_says_where(
    history: History, monkeypatch: pytest.MonkeyPatch, read: Read, reaches: int
) -> None:
    monkeypatch.setattr("app.db.history.looking.__kwdefaults__", {"examined": 100})
    monkeypatch.setattr("app.db.history.HistoryTable.page_in.__kwdefaults__", {"examined": 100})
    monkeypatch.setattr("app.db.message.table._EXAMINED_IN_INDEX", 1000)
    nodes = await history.plans(lambda session: read(session, history))
    # And what waits for the endpoint.
    assert _rows_read(nodes) <= 2 * reaches + 1_500
    async with history.database.reading() as session:
        page: Any = await read(session, history)
    assert (list(page.rows), page.done) == ([], False)
    step = timedelta(weeks=1) / _A_WEEK
    assert abs(ids.created_at(page.reached) - (history.now - step * reaches)) < 3 * step


@pytest.mark.parametrize(
    ("table", "read"),
    [
        (
            "attempts",
            lambda session, span, _: AttemptsTable(session).page_of(
                _APPLICATION, span, AttemptFilter(endpoint_id=_QUIET)
            ),
        ),
        (
            "messages",
            lambda session, _, span: MessagesTable(session).page_about(
                _APPLICATION, span, MessageFilter(("none.such",))
            ),
        ),
        (
            "deliveries",
            lambda session, _, span: DeliveriesTable(session).page_of_endpoint(
                _APPLICATION, _QUIET, span, MessageFilter(), None, with_content=False
            ),
        ),
    ],
)
async def test_a_list_opens_only_the_partitions_of_its_span(
    history: History, table: str, read: Callable[[AsyncSession, Span, Span], Awaitable[object]]
) -> None:
    spans = history.span("atmpt", days=8), history.span("msg", days=8)
    nodes = await history.plans(lambda session: read(session, *spans))
    assert 1 <= len(_read_of(nodes, table)) <= 3


async def test_attempts_of_a_message_are_not_looked_for_before_it_was_published(history: History) -> None:
    nodes = await history.plans(
        lambda session: AttemptsTable(session).page_of(
            _APPLICATION, history.span("atmpt"), AttemptFilter(message_id=history.message)
        )
    )
    assert 1 <= len(_read_of(nodes, "attempts")) <= 2


async def test_one_message_and_one_attempt_open_one_partition(history: History) -> None:
    nodes = await history.plans(lambda session: MessagesTable(session).find(_APPLICATION, history.message))
    assert len(_read_of(nodes, "messages")) == 1
    attempt = factories.id_at("atmpt", history.now - timedelta(days=30))
    nodes = await history.plans(lambda session: AttemptsTable(session).find_of(_APPLICATION, history.message, attempt))
    assert len(_read_of(nodes, "attempts")) == 1


async def test_content_that_is_not_asked_for_is_not_read(history: History) -> None:
    history.sent.clear()
    async with history.database.reading() as session:
        await MessagesTable(session, with_content=False).page_about(_APPLICATION, history.span("msg"), MessageFilter())
        attempts = AttemptsTable(session, with_content=False)
        await attempts.page_of(_APPLICATION, history.span("atmpt"), AttemptFilter(endpoint_id=_BUSY))
        await DeliveriesTable(session).page_of_endpoint(
            _APPLICATION, _BUSY, history.span("msg"), MessageFilter(), None, with_content=False
        )
    selected = [statement.partition("FROM")[0] for statement, _ in history.sent]
    assert len(selected) == 3
    assert not [columns for columns in selected if re.search(r"\b(payload|response)\b", columns)]


async def test_nothing_is_found_or_changed_for_another_application(history: History) -> None:
    foreign = ids.new_id("app")
    async with history.database.reading() as session:
        messages, deliveries, attempts = MessagesTable(session), DeliveriesTable(session), AttemptsTable(session)
        span = history.span("msg")
        assert await messages.find(foreign, history.message) is None
        assert await messages.locate(foreign, history.message) is None
        assert (await messages.page_about(foreign, span, MessageFilter())).rows == []
        await messages.expunge(foreign, [history.message])
        page = await attempts.page_of(foreign, history.span("atmpt"), AttemptFilter(endpoint_id=_BUSY))
        assert page.rows == []
        everything = await deliveries.page_of_endpoint(foreign, _BUSY, span, MessageFilter(), None, with_content=True)
        assert (list(everything.rows), everything.done) == ([], True)
        assert (await deliveries.page_of_message(foreign, history.message, Window())).rows == []
