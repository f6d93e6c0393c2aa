"""Overviews: what the series and the present say of an organization, an application and an endpoint, and to whom."""

from datetime import timedelta

import httpx
import pytest

from app import clock, ids
from app.db.pending_delivery.backlog import backlog_of
from app.db.rollup.current import current
from app.db.rollup.scope import Scope
from app.db.session import Database
from tests import factories
from tests.api.shop import Shop


async def tried(shop: Shop, seconds: float, code: int = 200, endpoint: str | None = None) -> None:
    """A message so many seconds ago, and an attempt a moment later."""
    at, pool = clock.now() - timedelta(seconds=seconds), shop.database.pool
    message = await factories.record_message(pool, shop.application, at)
    await factories.record_attempt(pool, shop.application, message, endpoint or shop.endpoint, at, code)


async def fail(database: Database, endpoint: str, minutes: int, *, is_open: bool = True) -> None:
    await database.pool.execute(
        "INSERT INTO endpoint_health (endpoint_id, opened_at, first_failure_at, consecutive_failures, revision)"
        " VALUES ($1, CASE WHEN $3 THEN now() END, now() - make_interval(mins => $2), 12, 1)",
        *(endpoint, minutes, is_open),
    )


async def test_a_series_has_what_was_accepted_and_tried_a_moment_ago(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop
) -> None:
    for code in (200, 204, 500, 0):
        await tried(shop, 1, code)
    other = (await factories.create_application(client))["id"]
    await factories.publish(client, other)
    told = {}
    for period, step, points in (("1h", 60, 60), ("24h", 900, 96), ("7d", 7200, 84), ("28d", 21600, 112)):
        series = (await client.get("/stats/series", params={"period": period})).json()
        assert (series["stepSeconds"], len(series["points"])) == (step, points)
        assert [point["accepted"] for point in series["points"]].count(0) >= points - 2
        assert sum(point["attempts"] for point in series["points"]) == 4
        told[period] = series["total"]
    assert len({str(total) for total in told.values()}) == 1
    total = told["1h"]
    assert (total["accepted"], total["attempts"], total["delivered"], total["failed"]) == (5, 4, 2, 2)
    assert 10 <= total["latency"]["p50"] <= total["latency"]["p99"] <= 16, "all took 12 ms"
    of_shop = (await client.get("/stats/series", params={"app_id": shop.application})).json()["total"]
    assert (of_shop["accepted"], of_shop["attempts"]) == (4, 4)
    asked = {"app_id": shop.application, "endpoint_id": "till"}
    of_endpoint = (await client.get("/stats/series", params=asked)).json()["total"]
    assert (of_endpoint["accepted"], of_endpoint["failed"]) == (None, 2)
    nothing = (await stranger.get("/stats/series")).json()["total"]
    assert nothing == {"accepted": 0, "attempts": 0, "delivered": 0, "failed": 0, "latency": None}


async def test_now_says_what_comes_and_goes_and_waits(client: httpx.AsyncClient, shop: Shop) -> None:
    for seconds, code in ((2, 200), (3, 500), (30, 200), (45, 200), (100, 200)):
        await tried(shop, seconds, code)
    at, pool = clock.now(), shop.database.pool
    for seconds in (-90, -5, 60, 3600):
        due = at + timedelta(seconds=seconds)
        await factories.queue_delivery(pool, shop.application, ids.new_id("msg"), shop.endpoint, due)
    await pool.execute(
        "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at)"
        " VALUES ($1, $2, $3, 0, 'infinity')",
        *(ids.new_id("msg"), shop.endpoint, shop.application),
    )
    for params in ({}, {"app_id": shop.application}, {"app_id": shop.application, "endpoint_id": shop.endpoint}):
        found = (await client.get("/stats/now", params=params)).json()
        moment, minute, accepts = found["last10Seconds"], found["last60Seconds"], "endpoint_id" not in params
        assert (moment["acceptedPerSecond"], minute["acceptedPerSecond"]) == ((0.2, 0.07) if accepts else (None, None))
        assert (moment["attemptsPerSecond"], moment["deliveredPerSecond"], moment["successRate"]) == (0.2, 0.1, 0.5)
        assert (minute["deliveredPerSecond"], minute["successRate"]) == (0.05, 0.75)
        assert found["latency"] == {"p50": 12, "p95": 12, "p99": 12}
        backlog = found["backlog"]
        assert (backlog["due"], backlog["later"], backlog["inLine"], backlog["more"]) == (2, 2, 1, False)
        assert 90 <= backlog["oldestDueSeconds"] < 120


async def test_now_names_endpoints_that_fail_and_those_that_are_disabled(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop
) -> None:
    app, database = shop.application, shop.database
    well, shaky, dead, off, gone = [(await factories.create_endpoint(client, app))["id"] for _ in range(5)]
    await fail(database, shaky, 5, is_open=False)
    await fail(database, dead, 90)
    await tried(shop, 1, 503, dead)
    for endpoint in (off, gone):
        await fail(database, endpoint, 10)
    await client.patch(f"/app/{app}/endpoint/{off}", json={"disabled": True})
    await client.delete(f"/app/{app}/endpoint/{gone}")
    found = (await client.get("/stats/now")).json()
    failing = {endpoint["id"]: endpoint for endpoint in found["failing"]}
    assert list(failing) == [dead, shaky]
    assert (failing[dead]["breaker"], failing[dead]["lastStatus"], failing[dead]["failures"]) == ("open", 503, 12)
    assert (failing[shaky]["breaker"], failing[shaky]["lastStatus"], failing[shaky]["pausedUntil"]) == (
        *("closed", None, None),
    )
    assert [(endpoint["id"], endpoint["reason"], endpoint["appId"]) for endpoint in found["disabled"]] == [
        (off, None, app)
    ]
    asked = {"app_id": app, "endpoint_id": dead}
    assert [each["id"] for each in (await client.get("/stats/now", params=asked)).json()["failing"]] == [dead]
    asked = {"app_id": app, "endpoint_id": well}
    assert (await client.get("/stats/now", params=asked)).json()["failing"] == []
    # What was learned of an endpoint before it was changed says nothing.
    await client.patch(f"/app/{app}/endpoint/{dead}", json={"url": "http://127.0.0.1:1024/elsewhere"})
    assert [each["id"] for each in (await client.get("/stats/now")).json()["failing"]] == [shaky]
    theirs = (await stranger.get("/stats/now")).json()
    assert (theirs["failing"], theirs["disabled"], theirs["backlog"]["due"]) == ([], [], 0)


async def test_a_portal_sees_its_own_application_and_nothing_else(
    client: httpx.AsyncClient, shop: Shop, shop_portal: httpx.AsyncClient
) -> None:
    other = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, other))["id"]
    await factories.publish(client, other)
    await tried(shop, 1)
    for path in ("/stats/series", "/stats/now"):
        assert (await shop_portal.get(path)).status_code == 200
        assert (await shop_portal.get(path, params={"app_id": other})).status_code == 404
        assert (await shop_portal.get(path, params={"endpoint_id": endpoint})).status_code == 404
        assert (await shop_portal.get(path, params={"endpoint_id": "till"})).status_code == 200
    assert (await shop_portal.get("/stats/series")).json()["total"]["accepted"] == 1


@pytest.mark.parametrize("path", ["/stats/series", "/stats/now"])
async def test_an_endpoint_is_asked_for_with_its_application(client: httpx.AsyncClient, shop: Shop, path: str) -> None:
    answer = await client.get(path, params={"endpoint_id": shop.endpoint})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "app_id"])
    assert (await client.get(path, params={"app_id": "unknown"})).status_code == 404
    assert (await client.get(path, params={"app_id": shop.application, "endpoint_id": "no"})).status_code == 404


async def test_where_there_is_more_than_is_looked_at_the_numbers_say_so(
    client: httpx.AsyncClient, shop: Shop, organization_id: str
) -> None:
    for seconds in (4, 3, 2, 1):
        await tried(shop, seconds)
        due = clock.now() + timedelta(hours=1)
        await factories.queue_delivery(shop.database.pool, shop.application, ids.new_id("msg"), shop.endpoint, due)
    async with shop.database.reading() as session:
        for scope in (Scope("organization", organization_id), Scope("application", shop.application)):
            few = await backlog_of(session, scope, most=3)
            assert (few.later, few.is_more) == (3, True)
            assert not (await backlog_of(session, scope)).is_more
        of_endpoint = Scope("endpoint", shop.endpoint)
        lately = await current(session, of_endpoint, clock.now() + timedelta(seconds=1), most=4)
        messages = await current(session, Scope("application", shop.application), clock.now(), most=2)
    assert (lately.minute.attempts, lately.minute.attempts_seconds) == (0, 1), "a minute and ten seconds have too many"
    assert messages.minute.accepted == 2
    assert 2 <= messages.minute.accepted_seconds < 4, "as far back as was looked"
