"""The ledger over the API: an organization sees its own, and nobody another's."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app import clock, ids
from app.api.ledger.service import LedgerService
from app.db.session import Database
from app.errors import Unavailable
from app.settings import Settings
from tests import factories
from tests.api.shop import Shop


async def test_an_organization_proves_that_nothing_of_it_is_lost(
    client: httpx.AsyncClient, database: Database, shop: Shop
) -> None:
    other = (await factories.create_application(client))["id"]
    # By hand, because a worker may be delivering in this database.
    pool = database.pool
    delivered, waiting, lost = [await factories.record_message(pool, shop.application) for _ in range(3)]
    await pool.execute("UPDATE messages SET deliveries = 1 WHERE application_id = $1", shop.application)
    await factories.record_delivery(pool, shop.application, delivered, shop.endpoint)
    later = clock.now() + timedelta(hours=1)
    await factories.queue_delivery(pool, shop.application, waiting, shop.endpoint, later)
    await factories.publish(client, other)
    answer = await client.get("/ledger")
    assert answer.status_code == 200
    ledger = answer.json()
    balance = dict.fromkeys(("failed", "canceled", "surplus", "uncounted"), 0)
    of_shop = balance | {
        "messages": 3,
        "accepted": 3,
        "delivered": 1,
        "due": 1,
        "skipped": 0,
        "missing": 1,
    }
    of_other = balance | {"messages": 1, "accepted": 1, "delivered": 0, "due": 0, "skipped": 1, "missing": 0}
    assert ledger["applications"] == [
        of_shop | {"applicationId": shop.application},
        of_other | {"applicationId": other},
    ]
    assert ledger["total"] == {key: of_shop[key] + of_other[key] for key in of_shop}
    assert (ledger["balanced"], ledger["onTime"], ledger["complete"]) == (False, True, True)
    (finding,) = ledger["findings"]
    assert "resend" in finding.pop("text")
    assert finding.pop("since").endswith("Z")
    assert finding == {
        "kind": "missing",
        "applicationId": shop.application,
        "messageId": lost,
        "endpointId": shop.endpoint,
    }
    assert (ledger["queue"]["pending"], ledger["queue"]["due"]) == (1, 0)
    assert waiting not in answer.text


async def test_a_time_says_how_far_back_it_goes(client: httpx.AsyncClient, database: Database, shop: Shop) -> None:
    for hours in (1, 30):
        await factories.record_message(database.pool, shop.application, clock.now() - timedelta(hours=hours))
    by_default = (await client.get("/ledger")).json()
    assert by_default["total"]["messages"] == 1
    since = (clock.now() - timedelta(hours=40)).replace(microsecond=0, tzinfo=None).isoformat()
    asked = (await client.get("/ledger", params={"since": since})).json()
    assert (asked["total"]["messages"], asked["since"]) == (2, f"{since}Z")
    assert (await client.get("/ledger", params={"since": "yesterday"})).status_code == 400
    for extreme, status in (
        ("0001-01-01T00:00:00+14:00", 422),
        ("0001-01-01T00:00:00Z", 200),
        ("9999-12-31T00:00Z", 200),
    ):
        assert (await client.get("/ledger", params={"since": extreme})).status_code == status


async def test_another_organization_and_a_portal_see_nothing_of_it(
    stranger: httpx.AsyncClient,
    shop_portal: httpx.AsyncClient,
    anonymous: httpx.AsyncClient,
    client: httpx.AsyncClient,
    shop: Shop,
) -> None:
    await factories.publish(client, shop.application)
    foreign = (await stranger.get("/ledger")).json()
    assert (foreign["applications"], foreign["findings"], foreign["queue"]["pending"]) == ([], [], 0)
    assert set(foreign["total"].values()) == {0}
    assert (await shop_portal.get("/ledger")).status_code == 403
    assert (await anonymous.get("/ledger")).status_code == 401
    await shop_portal.aclose()


async def test_an_organization_that_nobody_knows_has_an_empty_ledger(client: httpx.AsyncClient) -> None:
    ledger = (await client.get("/ledger")).json()
    assert (ledger["balanced"], ledger["onTime"], ledger["total"]["accepted"]) == (True, True, 0)


async def test_a_database_that_is_away_is_a_503(settings: Settings, closed_port: int) -> None:
    service = LedgerService(f"postgresql://nobody@127.0.0.1:{closed_port}/x")
    with pytest.raises(Unavailable):
        await service.draw_up(ids.new_id("org"), None)
    assert settings.db_dsn is not None
    # Whoever failed did not keep the turn.
    async with asyncio.timeout(5):
        assert (await LedgerService(settings.db_dsn).draw_up(ids.new_id("org"), None)).balanced
