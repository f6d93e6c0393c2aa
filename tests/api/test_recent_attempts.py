"""What was tried lately at all endpoints of an application."""

from datetime import timedelta

import httpx

from tests import factories
from tests.api.shop import Shop, ids_of, page_of


async def test_what_was_tried_lately_is_listed_over_all_endpoints_newest_first_with_its_messages(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    message = await shop.message(event_id="paid-1")
    other = str((await factories.create_endpoint(client, shop.application))["id"])
    first = await shop.attempt(message, age=30, code=500)
    second = await factories.record_attempt(
        shop.database.pool, shop.application, message, other, shop.now - timedelta(seconds=20)
    )
    third = await shop.attempt(message, age=10)
    await shop.attempt(message, age=3700)
    path = f"/app/{shop.application}/attempt"
    assert await ids_of(client, path) == [third, second, first]
    assert await ids_of(client, path, limit=1) == [third]
    assert await ids_of(client, path, status=2) == [first]
    assert await ids_of(client, path, status=1) == []
    shown = (await page_of(client, path))["data"][0]
    assert (shown["msg"]["eventId"], shown["msg"]["payload"], shown["response"]) == ("paid-1", {}, "{}")


async def test_what_was_tried_lately_takes_few_statements_however_many_endpoints(
    client: httpx.AsyncClient, shop: Shop, statements: list[str]
) -> None:
    for _ in range(5):
        endpoint = str((await factories.create_endpoint(client, shop.application))["id"])
        message = await shop.message()
        await factories.record_attempt(shop.database.pool, shop.application, message, endpoint, shop.now)
    statements.clear()
    assert len((await page_of(client, f"/app/{shop.application}/attempt"))["data"]) == 5
    assert len(statements) <= 3
