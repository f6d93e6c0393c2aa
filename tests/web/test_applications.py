"""The pages of applications: found, created, changed, deleted, and opened as their own users see them."""

import httpx
import pytest
from fastapi import FastAPI

from tests import factories
from tests.web.browsing import Operator, read, signed_in
from tests.web.portals import Visitor


@pytest.fixture
async def operator(app: FastAPI, token: str) -> Operator:
    return await signed_in(app, token)


async def test_an_application_is_created_and_found_by_its_uid(operator: Operator, client: httpx.AsyncClient) -> None:
    uid = factories.unique("acme")
    fields = {"name": "Acme & Söhne", "uid": uid, "rate": "50", "metadata": '{"plan": "gold"}'}
    path = await operator.done("/app-new", fields)
    kept = (await client.get(f"/app/{uid}")).json()
    assert path == f"/app/{kept['id']}"
    assert (kept["name"], kept["throttleRate"], kept["metadata"]) == ("Acme & Söhne", 50, {"plan": "gold"})
    assert "The application is created." in await operator.page(path)
    assert "Acme & Söhne" in await operator.page("/app")
    found = await operator.get(f"/app?find={uid}")
    assert (found.status_code, found.headers["location"]) == (303, f"/dashboard{path}")
    for nothing in ("nobody", "no/body", "ä b"):
        assert f"There is no application with the id or uid {nothing}" in read(
            await operator.http.get("/dashboard/app", params={"find": nothing})
        )


async def test_what_the_api_refuses_stands_at_its_field_with_what_was_typed(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    taken = factories.unique("taken")
    await factories.create_application(client, uid=taken)
    for fields, text in (
        ({"name": "Acme", "uid": taken}, "uid"),
        ({"name": "Acme", "uid": "a b"}, "uid must match"),
        ({"name": "Acme", "rate": "many"}, "integer"),
        ({"name": "Acme", "metadata": "{"}, "This is not JSON"),
        ({"name": "Acme", "metadata": "[]"}, "This must be a JSON object"),
        ({"name": "Acme", "metadata": '{"a":' * 300 + "1" + "}" * 300}, "Recursion limit reached"),
    ):
        answer = await operator.post("/app-new", fields)
        assert answer.status_code in {409, 422}
        assert text in read(answer)
        assert 'value="Acme"' in answer.text
    assert [one["uid"] for one in (await client.get("/app")).json()["data"]] == [taken]


async def test_settings_are_changed_and_emptied(operator: Operator, client: httpx.AsyncClient) -> None:
    made = await factories.create_application(client, uid=factories.unique("u"), throttleRate=5, metadata={"a": "b"})
    path = f"/app/{made['id']}/settings"
    shown = (await operator.get(path)).text
    assert 'value="Acme Inc."' in shown
    assert made["uid"] in shown
    assert await operator.done(path, {"name": "Renamed", "uid": "", "rate": "", "metadata": ""}) == path
    kept = (await client.get(f"/app/{made['id']}")).json()
    assert (kept["name"], kept.get("uid"), kept.get("throttleRate"), kept["metadata"]) == ("Renamed", None, None, {})


async def test_an_application_is_deleted_only_by_its_name(operator: Operator, client: httpx.AsyncClient) -> None:
    made = await factories.create_application(client, name="Acme Inc.")
    answer = await operator.post(f"/app/{made['id']}/delete", {"typed": "acme inc."})
    assert answer.status_code == 422
    assert "Nothing was deleted" in read(answer)
    assert (await client.get(f"/app/{made['id']}")).status_code == 200
    assert await operator.done(f"/app/{made['id']}/delete", {"typed": "Acme Inc."}) == "/app"
    assert (await client.get(f"/app/{made['id']}")).status_code == 404
    assert (await operator.get(f"/app/{made['id']}")).status_code == 404


async def test_the_overview_shows_how_endpoints_do(operator: Operator, client: httpx.AsyncClient) -> None:
    made = await factories.create_application(client)
    assert "There are no endpoints yet." in await operator.page(f"/app/{made['id']}")
    for name in "abcd":
        await factories.create_event_type(client, name)
    await factories.create_endpoint(client, made["id"], description="Production", eventTypes=["a", "b", "c", "d"])
    await factories.create_endpoint(client, made["id"], disabled=True)
    text = await operator.page(f"/app/{made['id']}")
    assert "Production" in text
    assert "a , b , c and 1 more" in text
    assert " enabled " in text
    assert " disabled " in text


@pytest.mark.parametrize(("access", "status"), [("all", 303), ("read", 403)])
async def test_the_portal_is_opened_as_the_customer_has_it(
    app: FastAPI, operator: Operator, client: httpx.AsyncClient, access: str, status: int
) -> None:
    made = await factories.create_application(client)
    answer = await operator.post(f"/app/{made['id']}/portal", {"access": access})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    link = next(word for word in read(answer).split() if "/login#key=" in word)
    visitor = Visitor(app)
    assert (await visitor.follow(link)).status_code == 303
    path = f"/portal/app/{made['id']}/endpoint-new"
    assert (await visitor.post(path, {"url": factories.URL, "subscribed": "all"})).status_code == status
    # Only the dashboard has pages about applications.
    assert (await visitor.get(f"/portal/app/{made['id']}")).status_code == 404
    assert (await visitor.get("/portal/app")).status_code == 404


async def test_applications_of_others_are_not_found(operator: Operator, stranger: httpx.AsyncClient) -> None:
    other = await factories.create_application(stranger, name="Secret Customer")
    assert "Secret Customer" not in await operator.page("/app")
    for path in ("", "/settings", "/endpoint"):
        assert (await operator.get(f"/app/{other['id']}{path}")).status_code == 404
    assert (await operator.post(f"/app/{other['id']}/portal")).status_code == 404
    assert (await operator.post(f"/app/{other['id']}/delete", {"typed": "Secret Customer"})).status_code == 404


@pytest.mark.parametrize("name", ["%2e", "%2e%2e"])
async def test_what_leads_to_another_path_is_the_name_of_nothing(
    app: FastAPI, client: httpx.AsyncClient, token: str, name: str
) -> None:
    operator = await signed_in(app, token)
    made = (await factories.create_application(client))["id"]
    # As a path of the API it would be the application.
    assert (await operator.post(f"/app/{made}/endpoint/{name}/delete")).status_code == 404
    for page in (f"/app/{made}/endpoint/{name}", f"/app/{made}/msg/{name}", f"/app/{name}", f"/app/{name}/endpoint"):
        assert (await operator.get(page)).status_code == 404, page
    assert "has no message of the name" in (await operator.get(f"/app/{made}/msg?reference={name}")).text
    assert (await operator.get(f"/app?find={name}")).status_code == 200
    assert (await client.get(f"/app/{made}")).status_code == 200
