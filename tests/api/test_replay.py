"""What recover, replay and cancel take and refuse, and how their tasks are shown. No worker does them here."""

from datetime import datetime, timedelta
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from svix.api import BackgroundTaskListOptions, SvixAsync
from svix.models import (
    BackgroundTaskStatus,
    BackgroundTaskType,
    BulkReplayIn,
    MessageStatus,
    Ordering,
    RecoverIn,
    ReplayIn,
    StatusCodeClass,
)

from app import clock, ids
from app.db.background_task import table
from app.db.background_task.model import HIDDEN
from app.db.session import Database
from tests import factories
from tests.api.shop import Shop
from tests.factories import Json

REPLAYS: Final = ("recover", "replay-missing", "bulk-replay")
ALL: Final = (*REPLAYS, "cancel-msgs")


def ago(**span: float) -> str:
    return (clock.now() - timedelta(**span)).isoformat()


def body_of(what: str) -> Json:
    return {"createdBefore": ago(hours=1)} if what == "cancel-msgs" else {"since": ago(hours=1)}


async def ask(client: httpx.AsyncClient, shop: Shop, what: str, body: Json | None = None) -> httpx.Response:
    path = f"/app/{shop.application}/endpoint/{shop.endpoint}/{what}"
    return await client.post(path, json=body_of(what) if body is None else body)


async def tasks_of(shop: Shop) -> int:
    """How many tasks there are, shown or not."""
    sql = "SELECT count(*) FROM background_tasks WHERE application_id = $1"
    count: int = await shop.database.pool.fetchval(sql, shop.application)
    return count


async def finish(database: Database, task_id: str, status: str = "finished") -> None:
    await database.pool.execute(
        """UPDATE background_tasks SET status = $2, data = '{"messagesSent": 2}' WHERE id = $1""", task_id, status
    )


async def test_the_official_client_starts_replays_and_follows_their_tasks(svix: SvixAsync, shop: Shop) -> None:
    since, until = clock.now() - timedelta(days=13), clock.now() - timedelta(hours=1)
    recovering = await svix.endpoint.recover(shop.application, "till", RecoverIn(since=since, until=until))
    assert (recovering.status, recovering.task) == (BackgroundTaskStatus.RUNNING, BackgroundTaskType.ENDPOINT_RECOVER)
    replaying = await svix.endpoint.replay_missing(shop.application, shop.endpoint, ReplayIn(since=since))
    assert (replaying.status, replaying.task) == (BackgroundTaskStatus.RUNNING, BackgroundTaskType.ENDPOINT_REPLAY)
    wanted = BulkReplayIn(
        since=since,
        event_types=["invoice.paid"],
        channel="a:b+c",
        tag="x/y#z",
        status=MessageStatus.FAIL,
        status_code_class=StatusCodeClass.CODE5XX,
    )
    bulk = await svix.endpoint.bulk_replay(shop.application, "till", wanted)
    assert bulk.task is BackgroundTaskType.ENDPOINT_BULK_REPLAY
    got = await svix.background_task.get(recovering.id)
    assert (got.id, got.status, got.data) == (recovering.id, BackgroundTaskStatus.RUNNING, {})
    assert abs(got.updated_at - clock.now()) < timedelta(seconds=30)
    await finish(shop.database, recovering.id)
    assert (await svix.background_task.get(recovering.id)).data == {"messagesSent": 2}

    async def listed(**options: object) -> list[str]:
        page = await svix.background_task.list(BackgroundTaskListOptions(**options))  # type: ignore[arg-type]
        return [task.id for task in page.data]

    assert await listed() == [bulk.id, replaying.id, recovering.id]
    assert await listed(order=Ordering.ASCENDING) == [recovering.id, replaying.id, bulk.id]
    assert await listed(status=BackgroundTaskStatus.FINISHED) == [recovering.id]
    assert await listed(status=BackgroundTaskStatus.RUNNING) == [bulk.id, replaying.id]
    assert await listed(task=BackgroundTaskType.ENDPOINT_REPLAY) == [replaying.id]
    assert await listed(task=BackgroundTaskType.ENDPOINT_REPLAY, status=BackgroundTaskStatus.FAILED) == []


async def test_the_list_of_tasks_is_paged_in_both_directions(client: httpx.AsyncClient, shop: Shop) -> None:
    started = [(await ask(client, shop, "recover")).json()["id"] for _ in range(5)]
    started.sort(reverse=True)
    first = (await client.get("/background-task", params={"limit": 2})).json()
    assert ([task["id"] for task in first["data"]], first["done"]) == (started[:2], False)
    second = (await client.get("/background-task", params={"limit": 2, "iterator": first["iterator"]})).json()
    assert [task["id"] for task in second["data"]] == started[2:4]
    last = (await client.get("/background-task", params={"limit": 2, "iterator": second["iterator"]})).json()
    assert ([task["id"] for task in last["data"]], last["done"]) == (started[4:], True)
    back = (await client.get("/background-task", params={"limit": 2, "iterator": last["prevIterator"]})).json()
    assert [task["id"] for task in back["data"]] == started[2:4]
    wrong = await client.get("/background-task", params={"iterator": ids.new_id("msg")})
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["query", "iterator"])


@pytest.mark.parametrize(
    ("what", "body", "loc", "text"),
    [
        ("recover", {"since": ago(days=15)}, "since", "Cannot recover more than 14 days of messages"),
        (
            "recover",
            {"since": ago(days=40), "until": ago(days=20)},
            "since",
            "Cannot recover more than 14 days of messages",
        ),
        ("recover", {"since": ago(hours=1), "until": ago(hours=2)}, "until", "until must be later than since"),
        ("replay-missing", {"since": ago(hours=-1)}, "since", "since must be in the past"),
        ("recover", {"since": ago(hours=-1), "until": ago(hours=1)}, "until", "until must be later than since"),
        ("recover", {}, "since", "Field required"),
        ("replay-missing", {"since": 5}, "since", "Input should be a date and time, as in 2026-01-31T23:59:59Z"),
        ("bulk-replay", {"since": ago(hours=1), "status": 1}, "status", "what is pending is sent anyway"),
        ("bulk-replay", {"since": ago(hours=1), "status": 7}, "status", "Input should be"),
        ("bulk-replay", {"since": ago(hours=1), "statusCodeClass": 201}, "statusCodeClass", "Input should be"),
        ("bulk-replay", {"since": ago(hours=1), "channel": "a b"}, "channel", "String should match pattern"),
        ("bulk-replay", {"since": ago(hours=1), "tag": "a b"}, "tag", "String should match pattern"),
        ("bulk-replay", {"since": ago(hours=1), "eventTypes": []}, "eventTypes", "List should have at least 1 item"),
        ("cancel-msgs", {}, "createdBefore", "Field required"),
        ("cancel-msgs", {"createdBefore": ago(days=-365)}, "createdBefore", "disable the endpoint"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_starts_nothing(
    client: httpx.AsyncClient, shop: Shop, what: str, body: Json, loc: str, text: str
) -> None:
    answer = await ask(client, shop, what, body)
    assert answer.status_code == 422, answer.text
    (violation,) = answer.json()["detail"]
    assert violation["loc"] == ["body", loc]
    assert text in violation["msg"]
    assert await tasks_of(shop) == 0


async def test_who_cancels_may_have_a_clock_that_is_a_little_ahead(client: httpx.AsyncClient, shop: Shop) -> None:
    for seconds, status in ((50, 204), (70, 422)):
        at = (clock.now() + timedelta(seconds=seconds)).isoformat()
        assert (await ask(client, shop, "cancel-msgs", {"createdBefore": at})).status_code == status
    assert await tasks_of(shop) == 1


async def test_all_of_fourteen_days_can_be_recovered_by_whose_clock_is_a_little_behind(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    assert (await ask(client, shop, "recover", {"since": ago(days=14, minutes=4)})).status_code == 202
    # Of more than that, what was not tried is still found, and what was.
    for what in ("replay-missing", "bulk-replay"):
        assert (await ask(client, shop, what, {"since": ago(days=80)})).status_code == 202


@pytest.mark.parametrize("what", ALL)
async def test_an_endpoint_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop, what: str
) -> None:
    path = f"/app/{shop.application}/endpoint/{ids.new_id('ep')}/{what}"
    assert (await client.post(path, json=body_of(what))).status_code == 404
    assert (await ask(stranger, shop, what)).status_code == 404
    await client.delete(f"/app/{shop.application}/endpoint/{shop.endpoint}")
    assert (await ask(client, shop, what)).status_code == 404
    assert await tasks_of(shop) == 0


@pytest.mark.parametrize("what", ALL)
async def test_a_disabled_endpoint_is_sent_nothing_and_what_waits_for_it_can_be_canceled(
    client: httpx.AsyncClient, shop: Shop, what: str
) -> None:
    await client.patch(f"/app/{shop.application}/endpoint/{shop.endpoint}", json={"disabled": True})
    answer = await ask(client, shop, what)
    if what == "cancel-msgs":
        assert answer.status_code == 204
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "generic_error")
        assert "enable it" in answer.json()["detail"]
        assert await tasks_of(shop) == 0


async def test_a_task_is_its_organizations_alone(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop
) -> None:
    task = (await ask(client, shop, "recover")).json()["id"]
    assert (await client.get(f"/background-task/{task}")).json()["id"] == task
    assert (await stranger.get(f"/background-task/{task}")).status_code == 404
    assert (await stranger.get("/background-task")).json()["data"] == []
    assert (await client.get(f"/background-task/{ids.new_id('qtask')}")).status_code == 404
    assert (await client.get("/background-task/none")).status_code == 422


async def test_a_task_that_the_sdks_do_not_know_is_not_shown(client: httpx.AsyncClient, shop: Shop) -> None:
    assert (await ask(client, shop, "cancel-msgs")).status_code == 204
    assert await tasks_of(shop) == 1
    task = await shop.database.pool.fetchval(
        "SELECT id FROM background_tasks WHERE application_id = $1", shop.application
    )
    assert (await client.get("/background-task")).json()["data"] == []
    assert (await client.get(f"/background-task/{task}")).status_code == 404


@pytest.mark.parametrize("kind", ["x", "endpoint.cancel", "environment.delete"])
async def test_tasks_are_asked_for_by_a_kind_that_the_sdks_know(client: httpx.AsyncClient, kind: str) -> None:
    answer = await client.get("/background-task", params={"task": kind})
    assert answer.status_code == 400
    assert "endpoint.bulk-replay" in answer.json()["detail"]
    assert not any(hidden in answer.json()["detail"] for hidden in HIDDEN)


async def test_a_portal_replays_to_its_own_endpoints_and_sees_no_tasks(
    shop_portal: httpx.AsyncClient, client: httpx.AsyncClient, shop: Shop
) -> None:
    for what in ALL:
        assert (await ask(shop_portal, shop, what)).is_success, what
    neighbour = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, neighbour))["id"]
    for what in ALL:
        path = f"/app/{neighbour}/endpoint/{endpoint}/{what}"
        assert (await shop_portal.post(path, json=body_of(what))).status_code == 404
    task = (await ask(shop_portal, shop, "recover")).json()["id"]
    for path, operation in (("", "v1.background-task.list"), (f"/{task}", "v1.background-task.get")):
        answer = await shop_portal.get(f"/background-task{path}")
        assert (answer.status_code, answer.json()["detail"]) == (
            403,
            f"Insufficient access for the given operation. {operation} needs a token of the organization.",
        )


@pytest.mark.parametrize(
    ("capability", "may"),
    [
        ("CreateAttempts", set(REPLAYS)),
        ("ManageEndpoint", set(ALL) - set(REPLAYS)),
        ("ViewBase", set()),
        ("ViewEndpointSecret", set()),
    ],
)
async def test_a_portal_needs_the_capability_to_replay(
    app: FastAPI, client: httpx.AsyncClient, shop: Shop, capability: str, may: set[str]
) -> None:
    access = await client.post(f"/auth/app-portal-access/{shop.application}", json={"capabilities": [capability]})
    async with factories.client_of(app, access.json()["token"]) as portal:
        found = {what for what in ALL if (await ask(portal, shop, what)).is_success}
    assert found == may
    assert await tasks_of(shop) == len(may)


async def test_who_started_a_task_is_in_the_audit_log(client: httpx.AsyncClient, shop: Shop) -> None:
    task = (await ask(client, shop, "recover")).json()["id"]
    (entry,) = (await client.get("/audit-log", params={"operation": "v1.endpoint.recover"})).json()["data"]
    assert (entry["appId"], entry["target"]) == (shop.application, task)


async def test_what_a_task_is_asked_for_is_fixed_when_it_starts(client: httpx.AsyncClient, shop: Shop) -> None:
    await ask(client, shop, "recover", {"since": "2026-11-20T10:00:00+02:00", "until": "2026-11-20T09:00:00Z"})
    kept = await shop.database.pool.fetchval(
        "SELECT arguments::jsonb ->> 'since' FROM background_tasks WHERE application_id = $1", shop.application
    )
    assert datetime.fromisoformat(kept) == datetime.fromisoformat("2026-11-20T08:00:00Z")


@pytest.mark.parametrize("what", ALL)
async def test_more_tasks_than_may_run_at_once_are_refused(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # A worker may be doing them meanwhile; how they are counted is in tests/worker/test_turns.py.
    monkeypatch.setattr(table, "MOST_OF_APPLICATION", 0)
    refused = await ask(client, shop, what)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_background_tasks")
    assert "try again once some have finished" in refused.json()["detail"]
    assert await tasks_of(shop) == 0
