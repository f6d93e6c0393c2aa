"""How many deliveries of an endpoint are in which state, over HTTP."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app import clock
from app.db.session import Database
from tests import factories

NOTHING = {"success": 0, "pending": 0, "sending": 0, "fail": 0, "canceled": 0}


@pytest.fixture
async def path(client: httpx.AsyncClient, application: str) -> str:
    """The path of an endpoint of that application."""
    return f"/app/{application}/endpoint/{(await factories.create_endpoint(client, application))['id']}"


async def _deliver(database: Database, path: str, state: int | None, *, pending: bool = False, at: datetime) -> None:
    """A delivery as the worker leaves it: in history with a state, or in the queue, or (being retried) in both."""
    application, endpoint = path.split("/")[2], path.rpartition("/")[2]
    message = factories.id_at("msg", at)
    if state is not None:
        await factories.record_delivery(database.pool, application, message, endpoint, state)
    if pending:
        await factories.queue_delivery(database.pool, application, message, endpoint, clock.now() + timedelta(hours=1))


async def test_a_new_endpoint_has_no_deliveries(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(f"{path}/stats")
    assert (response.status_code, response.json()) == (200, NOTHING)


async def test_each_delivery_counts_once_in_its_state(
    client: httpx.AsyncClient, application: str, path: str, database: Database
) -> None:
    now = clock.now() - timedelta(seconds=5)
    for state in (0, 0, 0, 2, 2, 4):
        await _deliver(database, path, state, at=now)
    await _deliver(database, path, None, pending=True, at=now)
    await _deliver(database, path, 1, pending=True, at=now)  # Being retried.
    await _deliver(database, path, 2, pending=True, at=now)  # Failed, and sent again.
    other = (await factories.create_endpoint(client, application))["id"]
    await _deliver(database, f"/app/{application}/endpoint/{other}", 0, at=now)
    assert (await client.get(f"{path}/stats")).json() == {
        "success": 3,
        "pending": 3,
        "sending": 0,
        "fail": 2,
        "canceled": 1,
    }


async def test_a_published_message_is_pending_until_it_is_delivered(
    client: httpx.AsyncClient, application: str, path: str
) -> None:
    await factories.publish(client, application)
    ahead = (clock.now() + timedelta(minutes=4)).isoformat()
    assert (await client.get(f"{path}/stats", params={"until": ahead})).json() == NOTHING | {"pending": 1}


async def test_only_messages_of_the_span_count(client: httpx.AsyncClient, path: str, database: Database) -> None:
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    for days in (0, 1, 2, 40):
        await _deliver(database, path, 0, at=noon - timedelta(days=days))

    async def count(**span: datetime) -> int:
        response = await client.get(f"{path}/stats", params={name: time.isoformat() for name, time in span.items()})
        assert response.status_code == 200, response.text
        success: int = response.json()["success"]
        return success

    hour = timedelta(hours=1)
    assert await count(since=noon - timedelta(days=1) - hour, until=noon + hour) == 2
    assert await count(since=noon - timedelta(days=2) - hour, until=noon - hour) == 2
    assert await count(until=noon + hour) == 3
    assert await count(since=noon + hour, until=noon) == 0
    # A time without an offset is in UTC.
    assert await count(since=(noon - hour).replace(tzinfo=None), until=(noon + hour).replace(tzinfo=None)) == 1


@pytest.mark.parametrize(
    ("since", "until"),
    [(timedelta(days=-28, minutes=-6), timedelta()), (timedelta(days=-1), timedelta(minutes=6))],
)
async def test_a_span_of_more_than_28_days_or_in_the_future_is_refused(
    client: httpx.AsyncClient, path: str, since: timedelta, until: timedelta
) -> None:
    now = clock.now()
    params = {"since": (now + since).isoformat(), "until": (now + until).isoformat()}
    response = await client.get(f"{path}/stats", params=params)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_range")


async def test_28_days_by_a_clock_that_is_a_little_off_are_served(client: httpx.AsyncClient, path: str) -> None:
    since = clock.now() - timedelta(days=28, minutes=4)
    assert (await client.get(f"{path}/stats", params={"since": since.isoformat()})).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("since=yesterday", 400),
        ("since=0001-01-01T00:00:00Z", 400),
        ("until=0001-01-01T00:00:00Z", 200),
        ("until=0001-01-01T00:00:00%2B23:59", 200),
        ("until=9999-12-31T23:59:59-23:59", 400),
        ("since=9999-12-31T23:59:59-23:59", 200),
    ],
)
async def test_times_at_the_ends_of_the_calendar_break_nothing(
    client: httpx.AsyncClient, path: str, query: str, status: int
) -> None:
    response = await client.get(f"{path}/stats?{query}")
    assert response.status_code == status, response.text
    assert status == 400 or response.json() == NOTHING


async def test_how_deliveries_ended_is_counted_by_whole_hours(
    client: httpx.AsyncClient, path: str, database: Database
) -> None:
    hour = clock.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for minutes, state in ((-1, 0), (0, 0), (1, 0), (59, 2), (30, 4), (61, 0)):
        await _deliver(database, path, state, at=hour + timedelta(minutes=minutes))
    await _deliver(database, path, 1, pending=True, at=hour)
    span = {"since": (hour + timedelta(minutes=20)).isoformat(), "until": (hour + timedelta(minutes=40)).isoformat()}
    response = await client.get(f"{path}/attempt-stats", params=span)
    assert (response.status_code, response.json()) == (200, {"success": 2, "fail": 1, "canceled": 1})
    assert (await client.get(f"{path}/attempt-stats")).json() == {"success": 4, "fail": 1, "canceled": 1}


async def test_how_deliveries_ended_is_told_of_28_days_at_most(client: httpx.AsyncClient, path: str) -> None:
    refused = await client.get(f"{path}/attempt-stats", params={"since": "2020-01-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_range")
