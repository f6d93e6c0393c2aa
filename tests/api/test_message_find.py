"""Messages by their names, wherever in the organization they are."""

import httpx
import pytest

from app import ids
from tests import factories
from tests.api.shop import Shop
from tests.factories import Json


async def find(client: httpx.AsyncClient, reference: str, **params: str | int) -> Json:
    answer = await client.get("/message/find", params={"reference": reference, **params})
    assert answer.status_code == 200, answer.text
    page: Json = answer.json()
    return page


async def test_a_message_is_found_by_its_id_its_event_id_and_its_attempts_with_its_application(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    event_id = factories.unique("paid")
    message = await shop.message(event_id=event_id)
    attempt = await shop.attempt(message)
    for reference in (message, event_id, attempt):
        page = await find(client, reference)
        (found,) = page["data"]
        assert (found["id"], found["eventId"], found["appId"]) == (message, event_id, shop.application)
        assert page["done"] is True
    assert (await find(client, ids.new_id("msg")))["data"] == []
    assert (await find(client, ids.new_id("atmpt")))["data"] == []


@pytest.mark.parametrize("most", [10_000, 2])
async def test_an_event_id_is_looked_for_in_all_applications_page_by_page(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("app.db.message.across.MOST_APPLICATIONS", most)
    event_id, wanted = factories.unique("paid"), []
    for number in range(5):
        application = (await factories.create_application(client))["id"]
        if number != 1:
            published = await factories.publish(client, application, eventId=event_id)
            wanted.append((application, published["id"]))
    found, page = [], await find(client, event_id, limit=2)
    for _ in range(10):
        found += [(item["appId"], item["id"]) for item in page["data"]]
        if page["done"]:
            break
        page = await find(client, event_id, limit=2, iterator=page["iterator"])
    assert found == wanted
    assert page["done"] is True


async def test_nothing_of_another_organization_is_found_and_portals_may_not_look(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop
) -> None:
    event_id = factories.unique("paid")
    message = await shop.message(event_id=event_id)
    attempt = await shop.attempt(message)
    for reference in (message, event_id, attempt):
        assert (await find(stranger, reference))["data"] == []


async def test_an_iterator_of_another_list_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/message/find", params={"reference": "a", "iterator": ids.new_id("msg")})
    assert answer.status_code == 422
