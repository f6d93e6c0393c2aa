"""Statistics that are counted while one waits."""

from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import pytest

from app import clock, ids
from app.api.statistic import service
from app.db.session import Database
from app.db.statistic import table
from tests import factories
from tests.factories import Json

NOON: Final = datetime(2026, 11, 3, 12, tzinfo=UTC)
PLAY: Final = "https://play.svix.com/in/e_1/"


async def ended(
    database: Database, application: str, at: datetime, state: int = 0, event_type: str = "a", endpoints: int = 1
) -> str:
    """A message of that time, and its deliveries, in a state."""
    message = await factories.record_message(database.pool, application, at, event_type)
    for _ in range(endpoints):
        await factories.record_delivery(database.pool, application, message, ids.new_id("ep"), state)
    return message


async def test_endpoints_and_active_applications_are_counted(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, database: Database
) -> None:
    active, disabled, play, gone, _ = [(await factories.create_application(client))["id"] for _ in range(5)]
    await factories.create_endpoint(client, active)
    await factories.create_endpoint(client, active)
    await factories.create_endpoint(client, disabled, disabled=True)
    played = await factories.create_endpoint(client, play)
    await database.pool.execute("UPDATE endpoints SET url = $2 WHERE id = $1", played["id"], PLAY)
    deleted = await factories.create_endpoint(client, play)
    await client.delete(f"/app/{play}/endpoint/{deleted['id']}")
    await factories.create_endpoint(client, gone)
    await client.delete(f"/app/{gone}")
    await client.post("/operational-webhook/endpoint", json={"url": factories.URL})
    await factories.create_endpoint(stranger, (await factories.create_application(stranger))["id"])

    async def count(path: str) -> Json:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    assert await count("/stats/endpoint/count") == {"active": 2, "disabled": 1}
    assert await count("/stats/endpoint/count?exclude_svix_play=false") == {"active": 3, "disabled": 1}
    assert await count("/app/stats/count-active") == {"count": 1}
    assert await count("/app/stats/count-active?exclude_disabled=false") == {"count": 2}
    assert await count("/app/stats/count-active?exclude_svix_play=false") == {"count": 2}
    assert await count("/app/stats/count-active?exclude_svix_play=false&exclude_disabled=false") == {"count": 3}


async def test_a_portal_counts_its_own_attempts_and_nothing_else(client: httpx.AsyncClient) -> None:
    own, other = [(await factories.create_application(client))["id"] for _ in range(2)]
    access = await client.post(f"/auth/app-portal-access/{own}", json={})
    client.headers["authorization"] = f"Bearer {access.json()['token']}"
    span = {"since": NOON.isoformat(), "until": NOON.isoformat()}
    for path in ("/stats/endpoint/count", "/app/stats/count-active"):
        assert (await client.get(path)).status_code == 403
    assert (await client.get(f"/stats/app/{own}/attempt")).status_code == 200
    assert (await client.get(f"/stats/app/{other}/attempt")).status_code == 404
    assert (await client.get(f"/app/{own}/stats/attempts", params=span)).status_code == 200
    assert (await client.get(f"/app/{other}/stats/attempts", params=span)).status_code == 404
    assert (await client.patch(f"/app/{own}/alert-email", json={"email": None})).status_code == 403


async def test_attempts_are_counted_by_event_type(client: httpx.AsyncClient, database: Database) -> None:
    application, other = [(await factories.create_application(client))["id"] for _ in range(2)]
    await ended(database, application, NOON, 0, "a", endpoints=3)
    await ended(database, application, NOON, 2, "a")
    await ended(database, application, NOON, 4, "b")
    # Under way; at the end of the time, and before it; another's.
    await ended(database, application, NOON, 1, "a")
    await ended(database, application, NOON + timedelta(hours=1), 0, "a")
    await ended(database, application, NOON - timedelta(milliseconds=4), 0, "a")
    await ended(database, other, NOON, 0, "a")

    span = {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()}
    found = await client.get(f"/app/{application}/stats/attempts", params=span)
    assert found.status_code == 200
    assert found.json() == {
        "by_event_type": {
            "a": {"success": 3, "failure": 1, "canceled": 0},
            "b": {"success": 0, "failure": 0, "canceled": 1},
        },
        "total_success": 3,
        "total_failure": 1,
        "total_canceled": 1,
        "since": "2026-11-03T12:00:00Z",
        "until": "2026-11-03T13:00:00Z",
    }
    only = (await client.get(f"/app/{application}/stats/attempts", params={**span, "event_types": "b,c"})).json()
    assert (list(only["by_event_type"]), only["total_canceled"], only["total_success"]) == (["b"], 1, 0)


@pytest.mark.parametrize(
    ("period", "start", "end", "first", "last", "success"),
    [
        ("OneHour", NOON, NOON + timedelta(hours=3), NOON, NOON + timedelta(hours=3), [2, 0, 1]),
        (
            "OneHour",
            NOON + timedelta(minutes=59),
            NOON + timedelta(hours=2, seconds=1),
            NOON,
            NOON + timedelta(hours=3),
            [2, 0, 1],
        ),
        ("FiveMinutes", NOON, NOON + timedelta(minutes=10), NOON, NOON + timedelta(minutes=10), [1, 1]),
        ("OneDay", NOON, NOON, NOON - timedelta(hours=12), NOON + timedelta(hours=12), [3]),
    ],
)
async def test_attempts_are_counted_by_whole_spans_of_time(
    client: httpx.AsyncClient,
    database: Database,
    period: str,
    start: datetime,
    end: datetime,
    first: datetime,
    last: datetime,
    success: list[int],
) -> None:
    application = (await factories.create_application(client))["id"]
    for minutes in (0, 5, 120):
        await ended(database, application, NOON + timedelta(minutes=minutes))
    await ended(database, application, NOON, 2)
    await ended(database, application, NOON, 4, "b")
    parameters = {"startDate": start.isoformat(), "endDate": end.isoformat(), "period": period}
    answer = await client.get(f"/stats/app/{application}/attempt", params=parameters)
    assert answer.status_code == 200
    zeros = [0] * (len(success) - 1)
    assert answer.json() == {
        "startDate": first.isoformat().replace("+00:00", "Z"),
        "endDate": last.isoformat().replace("+00:00", "Z"),
        "period": period,
        "data": {"successCount": success, "failureCount": [1, *zeros], "canceledCount": [1, *zeros]},
    }
    some = await client.get(f"/stats/app/{application}/attempt", params={**parameters, "event_types": "b"})
    assert (sum(some.json()["data"]["successCount"]), sum(some.json()["data"]["canceledCount"])) == (0, 1)


async def test_where_nobody_says_the_last_days_are_counted_by_the_day(
    client: httpx.AsyncClient, database: Database
) -> None:
    application = (await factories.create_application(client))["id"]
    await ended(database, application, clock.now())
    found = (await client.get(f"/stats/app/{application}/attempt")).json()
    assert found["period"] == "OneDay"
    assert len(found["data"]["successCount"]) == 29
    assert found["data"]["successCount"][-1] == 1
    for hours, period in ((1, "FiveMinutes"), (24, "OneHour"), (24 * 7, "OneDay")):
        start = (clock.now() - timedelta(hours=hours)).isoformat()
        shorter = (await client.get(f"/stats/app/{application}/attempt", params={"startDate": start})).json()
        assert shorter["period"] == period
        assert sum(shorter["data"]["successCount"]) == 1


@pytest.mark.parametrize(
    ("since", "until", "status"),
    [
        ("2026-11-03T12:00:00Z", "2026-11-03T11:00:00Z", 400),
        ("2026-09-01T00:00:00Z", "2026-11-03T11:00:00Z", 400),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 400),
        ("1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z", 200),
        ("yesterday", "2026-11-03T11:00:00Z", 400),
    ],
)
async def test_a_range_that_cannot_be_counted_is_refused(
    client: httpx.AsyncClient, since: str, until: str, status: int
) -> None:
    application = (await factories.create_application(client))["id"]
    by_type = await client.get(f"/app/{application}/stats/attempts", params={"since": since, "until": until})
    by_time = await client.get(f"/stats/app/{application}/attempt", params={"startDate": since, "endDate": until})
    assert (by_type.status_code, by_time.status_code) == (status, status)
    assert (await client.get(f"/app/{application}/stats/attempts")).status_code in {400, 422}


async def test_more_messages_than_can_be_looked_at_are_refused_with_what_to_do(
    client: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_MESSAGES", 2)
    application = (await factories.create_application(client))["id"]
    span = {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()}
    for number in range(3):
        answer = await client.get(f"/app/{application}/stats/attempts", params=span)
        assert answer.status_code == 200, number
        await ended(database, application, NOON)
    for path, parameters in (
        (f"/app/{application}/stats/attempts", span),
        (f"/stats/app/{application}/attempt", {"startDate": span["since"], "endDate": span["until"]}),
    ):
        answer = await client.get(path, params=parameters)
        assert (answer.status_code, answer.json()["code"]) == (400, "limit_reached")
        assert "ask for a shorter one" in answer.json()["detail"]


async def test_counting_attempts_looks_at_nobody_elses_deliveries(database: Database) -> None:
    values = ("app_x", ids.floor_id("msg", NOON), ids.floor_id("msg", NOON + timedelta(days=1)), None, 100)
    sql = str(table._ENDED_BY_TYPE.text)
    for number, name in enumerate(("application_id", "since", "until", "event_types", "most"), 1):
        sql = sql.replace(f":{name}", f"${number}")
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = auto; SET LOCAL enable_hashjoin = on")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values))
    assert "Seq Scan" not in plan
    assert plan.count("Nested Loop") >= 1
    assert "Hash Join" not in plan
    assert "Merge" not in plan


async def test_an_alert_email_is_kept_and_audited(client: httpx.AsyncClient, database: Database) -> None:
    application = (await factories.create_application(client, uid="alerted"))["id"]

    async def kept() -> str | None:
        found: str | None = await database.pool.fetchval(
            "SELECT alert_email FROM applications WHERE id = $1", application
        )
        return found

    answer = await client.patch("/app/alerted/alert-email", json={"email": "a@example.com,  b.c+d@example.org"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await kept() == "a@example.com, b.c+d@example.org"
    assert (await client.patch("/app/alerted/alert-email", json={})).status_code == 204
    assert await kept() == "a@example.com, b.c+d@example.org"
    for bad in ("", "a", "a@", "@b", "a@b@c", "a@b,", "a b@c", "a@b\nBcc: c@d", "x" * 3000, 5, "a@b\0"):
        refused = await client.patch("/app/alerted/alert-email", json={"email": bad})
        assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "email"])
    assert await kept() == "a@example.com, b.c+d@example.org"
    assert (await client.patch("/app/alerted/alert-email", json={"email": None})).status_code == 204
    assert await kept() is None


async def test_statistics_stay_within_their_organization(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    application = (await factories.create_application(client))["id"]
    span = {"since": NOON.isoformat(), "until": NOON.isoformat()}
    assert (await stranger.get(f"/stats/app/{application}/attempt")).status_code == 404
    assert (await stranger.get(f"/app/{application}/stats/attempts", params=span)).status_code == 404
    assert (await stranger.patch(f"/app/{application}/alert-email", json={"email": "a@b.c"})).status_code == 404
    assert (await stranger.get("/stats/endpoint/count")).json() == {"active": 0, "disabled": 0}
