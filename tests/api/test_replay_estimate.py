"""What a replay would do, asked before it is started, and how far it is: for an endpoint's own users, too."""

from datetime import datetime, timedelta
from typing import Final

import httpx
import pytest

from app import clock, ids
from app.db.pending_delivery import estimate
from tests import factories
from tests.api.shop import Shop
from tests.factories import Json

OPERATIONS: Final = ("recover", "replay-missing", "bulk-replay", "cancel-msgs")


def at(**ago: float) -> str:
    return (clock.now() - timedelta(**ago)).isoformat()


def query_of(operation: str, **more: object) -> Json:
    time = {"created_before": at()} if operation == "cancel-msgs" else {"since": at(hours=1)}
    return {"operation": operation, **time, **more}


async def estimated(client: httpx.AsyncClient, shop: Shop, operation: str, **more: object) -> Json:
    path = f"/app/{shop.application}/endpoint/{shop.endpoint}/replay/estimate"
    answer = await client.get(path, params=query_of(operation, **more))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_each_operation_is_estimated_by_what_it_would_do(client: httpx.AsyncClient, shop: Shop) -> None:
    for state in (2, 2, 2, 0, 4):
        await shop.delivery(await shop.message(), state)
    untried = [await shop.message() for _ in range(2)]
    await shop.due(untried[0])
    expired = await shop.message(payload=None)
    await shop.delivery(expired, 2)
    # What failed, and what failed and was canceled then; whose payload is gone is counted apart.
    assert await estimated(client, shop, "recover") == {"messages": 4, "expired": 1, "more": False}
    assert (await estimated(client, shop, "replay-missing"))["messages"] == 1
    assert (await estimated(client, shop, "bulk-replay"))["messages"] == 5
    assert (await estimated(client, shop, "bulk-replay", status=0))["messages"] == 1
    assert (await estimated(client, shop, "bulk-replay", event_types="invoice.other"))["messages"] == 0
    assert (await estimated(client, shop, "bulk-replay", event_types="invoice.paid,a"))["messages"] == 5
    assert (await estimated(client, shop, "bulk-replay", tag="t"))["messages"] == 0
    assert (await estimated(client, shop, "bulk-replay", channel="c"))["messages"] == 0
    assert (await estimated(client, shop, "bulk-replay", status_code_class=500))["messages"] == 0
    assert await estimated(client, shop, "cancel-msgs") == {"messages": 1, "expired": 0, "more": False}
    early = await estimated(client, shop, "cancel-msgs", created_before=at(hours=2))
    assert early["messages"] == 0
    assert (
        await shop.database.pool.fetchval(
            "SELECT count(*) FROM background_tasks WHERE application_id = $1", shop.application
        )
        == 0
    )


async def test_counting_ends_where_it_would_take_too_long_and_says_so(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = sorted([await shop.message(age=age) for age in (500, 400, 300, 200, 100)])
    for message in messages:
        await shop.delivery(message, 2)
        await shop.due(await shop.message())
    monkeypatch.setattr(estimate, "_STRETCH", 2)
    monkeypatch.setattr(estimate, "_BUDGET", 0)
    found = await estimated(client, shop, "recover")
    assert (found["messages"], found["more"]) == (2, True)
    assert datetime.fromisoformat(found["countedUntil"]) == ids.created_at(messages[1])
    monkeypatch.setattr(estimate, "_BUDGET", 30)
    assert await estimated(client, shop, "recover") == {"messages": 5, "expired": 0, "more": False}
    monkeypatch.setattr(estimate, "MOST_COUNTED", 3)
    found = await estimated(client, shop, "recover")
    assert (found["messages"], found["more"]) == (3, True)
    found = await estimated(client, shop, "cancel-msgs")
    assert (found["messages"], found["more"], "countedUntil" in found) == (3, True, False)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_estimate_is_refused_as_the_operation_would_be(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop, operation: str
) -> None:
    path = f"/app/{shop.application}/endpoint/{shop.endpoint}/replay/estimate"
    # Of all that can be, if no time is named.
    assert (await client.get(path, params={"operation": operation})).json()["messages"] == 0
    bad = (
        {"created_before": at(days=-1)} if operation == "cancel-msgs" else {"since": at(hours=1), "until": at(hours=2)}
    )
    assert (await client.get(path, params={"operation": operation, **bad})).status_code == 422
    assert (await stranger.get(path, params=query_of(operation))).status_code == 404
    if operation == "recover":
        assert (await client.get(path, params={"operation": operation, "since": at(days=15)})).status_code == 422
    await client.patch(f"/app/{shop.application}/endpoint/{shop.endpoint}", json={"disabled": True})
    status = (await client.get(path, params=query_of(operation))).status_code
    assert status == (200 if operation == "cancel-msgs" else 400)


async def test_an_endpoints_own_users_follow_its_tasks_and_no_others(
    client: httpx.AsyncClient, shop_portal: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop
) -> None:
    base = f"/app/{shop.application}/endpoint/{shop.endpoint}"
    since = clock.now() - timedelta(hours=1)
    for operation in OPERATIONS:
        body = {"createdBefore": at()} if operation == "cancel-msgs" else {"since": since.isoformat()}
        assert (await client.post(f"{base}/{operation}", json=body)).is_success
    page = (await shop_portal.get(f"{base}/replay")).json()
    kinds = ["endpoint.cancel", "endpoint.bulk-replay", "endpoint.replay", "endpoint.recover"]
    assert [task["task"] for task in page["data"]] == kinds
    last = page["data"][-1]
    assert datetime.fromisoformat(last["since"]) == since
    assert (last["status"], last["messagesSent"], "reached" in last) == ("running", 0, False)
    message = await shop.message(age=600)
    await shop.database.pool.execute(
        """UPDATE background_tasks SET data = '{"messagesSent": 7, "error": "Gone."}', status = 'failed',
           cursor = jsonb_build_object('after', $2::text) WHERE id = $1""",
        *(last["id"], message),
    )
    got = (await shop_portal.get(f"{base}/replay/{last['id']}")).json()
    assert (got["status"], got["messagesSent"], got["error"]) == ("failed", 7, "Gone.")
    assert datetime.fromisoformat(got["reached"]) == ids.created_at(message)
    assert (await stranger.get(f"{base}/replay")).status_code == 404
    assert (await stranger.get(f"{base}/replay/{last['id']}")).status_code == 404
    neighbour = (await factories.create_endpoint(client, shop.application))["id"]
    other = f"/app/{shop.application}/endpoint/{neighbour}/replay"
    assert (await client.get(other)).json()["data"] == []
    assert (await client.get(f"{other}/{last['id']}")).status_code == 404


async def test_the_tasks_of_an_endpoint_are_found_by_an_index(client: httpx.AsyncClient, shop: Shop) -> None:
    pool = shop.database.pool
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        rows = await connection.fetch(
            """EXPLAIN SELECT * FROM background_tasks WHERE organization_id = 'o' AND application_id = 'a'
               AND (arguments ->> 'endpoint_id') = 'ep_x' ORDER BY id DESC LIMIT 51"""
        )
    assert "background_tasks_endpoint" in "\n".join(row[0] for row in rows)
