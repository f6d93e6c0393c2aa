"""Endpoints by their names, wherever in the organization they are."""

import httpx
import pytest
from fastapi import FastAPI

from app import ids, tokens
from app.settings import Settings
from tests import factories
from tests.factories import Json


async def find(client: httpx.AsyncClient, reference: str, **params: str | int) -> Json:
    answer = await client.get("/endpoint/find", params={"reference": reference, **params})
    assert answer.status_code == 200, answer.text
    page: Json = answer.json()
    return page


async def test_an_endpoint_is_found_by_its_id_with_its_application_until_it_is_deleted(
    client: httpx.AsyncClient,
) -> None:
    application = await factories.create_application(client, uid=factories.unique("acme"))
    endpoint = await factories.create_endpoint(client, application["id"], disabled=True)
    (found,) = (await find(client, endpoint["id"]))["data"]
    assert found == {
        "id": endpoint["id"],
        "url": endpoint["url"],
        "disabled": True,
        "appId": application["id"],
        "appUid": application["uid"],
        "appName": application["name"],
    }
    assert (await find(client, ids.new_id("ep")))["data"] == []
    await client.delete(f"/app/{application['id']}/endpoint/{endpoint['id']}")
    assert (await find(client, endpoint["id"]))["data"] == []


@pytest.mark.parametrize("most", [10_000, 2])
async def test_a_uid_is_looked_for_in_all_applications_page_by_page(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("app.api.endpoint.finding._MOST_APPLICATIONS", most)
    uid, wanted = factories.unique("till"), []
    for number in range(5):
        application = (await factories.create_application(client))["id"]
        named = await factories.create_endpoint(client, application, uid=uid if number != 1 else factories.unique("x"))
        wanted += [(application, named["id"])] if number != 1 else []
    found, page = [], await find(client, uid, limit=2)
    for _ in range(10):
        found += [(item["appId"], item["id"]) for item in page["data"]]
        if page["done"]:
            break
        page = await find(client, uid, limit=2, iterator=page["iterator"])
    assert (found, page["done"]) == (wanted, True)


async def test_nothing_of_another_organization_is_found_and_portals_may_not_look(
    app: FastAPI,
    client: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    settings: Settings,
    organization_id: str,
) -> None:
    application = (await factories.create_application(client))["id"]
    uid = factories.unique("till")
    endpoint = (await factories.create_endpoint(client, application, uid=uid))["id"]
    for reference in (endpoint, uid):
        assert (await find(stranger, reference))["data"] == []
    assert settings.jwt_secret is not None
    secret = settings.jwt_secret.get_secret_value()
    token = tokens.issue_portal(secret, settings.jwt_algorithm, organization_id, application)
    async with factories.client_of(app, token) as portal:
        assert (await portal.get("/endpoint/find", params={"reference": endpoint})).status_code == 403


async def test_an_iterator_of_another_list_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/endpoint/find", params={"reference": "a", "iterator": ids.new_id("ep")})
    assert answer.status_code == 422
