"""The find page: one box that leads to whatever has the name."""

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from tests import factories
from tests.web.browsing import signed_in
from tests.web.reading import read


async def test_every_name_leads_to_its_page(
    app: FastAPI, client: httpx.AsyncClient, token: str, database: Database
) -> None:
    operator = await signed_in(app, token)
    uids = {name: factories.unique(name) for name in ("acme", "till", "paid", "pay", "type")}
    application = (await factories.create_application(client, uid=uids["acme"]))["id"]
    endpoint = (await factories.create_endpoint(client, application, uid=uids["till"]))["id"]
    await factories.create_event_type(client, uids["type"])
    message = (await factories.publish(client, application, uids["type"], eventId=uids["paid"]))["id"]
    attempt = await factories.record_attempt(database.pool, application, message, endpoint)
    source = (await factories.create_source(client, uid=uids["pay"]))["id"]
    places = {
        f"/app/{application}": (application, uids["acme"]),
        f"/app/{application}/endpoint/{endpoint}": (endpoint, uids["till"]),
        f"/app/{application}/msg/{message}": (message, uids["paid"]),
        f"/app/{application}/msg/{message}/attempt/{attempt}": (attempt,),
        f"/source/{source}": (source, uids["pay"]),
        f"/event-type/{uids['type']}": (uids["type"],),
    }
    for place, names in places.items():
        for name in names:
            answer = await operator.get(f"/find?reference=%20{name}")
            assert (answer.status_code, answer.headers["location"]) == (303, f"/dashboard{place}"), name


async def test_of_several_that_have_a_name_all_are_shown(app: FastAPI, client: httpx.AsyncClient, token: str) -> None:
    operator, name = await signed_in(app, token), factories.unique("same")
    application = (await factories.create_application(client, uid=name))["id"]
    other = (await factories.create_application(client))["id"]
    endpoints = [(await factories.create_endpoint(client, each, uid=name))["id"] for each in (application, other)]
    answer = await operator.get(f"/find?reference={name}")
    links = [element.attributes.get("href") for element in read(answer.text).named("a")]
    assert f"/dashboard/app/{application}" in links
    assert f"/dashboard/app/{application}/endpoint/{endpoints[0]}" in links
    assert f"/dashboard/app/{other}/endpoint/{endpoints[1]}" in links


@pytest.mark.parametrize(
    "reference", ["msg_3MRZ2ZClFWIAvE1zi0Fn4UAryux", "nobody", "a/b", ".", "..", "ä", "x" * 300, "src_", "a?b#c%2F"]
)
async def test_a_name_that_nothing_has_is_said_to_be_none(app: FastAPI, token: str, reference: str) -> None:
    operator = await signed_in(app, token)
    answer = await operator.http.get("/dashboard/find", params={"reference": reference})
    assert answer.status_code == 200
    assert "Nothing has that name." in answer.text


async def test_nothing_of_another_organization_is_found(app: FastAPI, token: str, stranger: httpx.AsyncClient) -> None:
    uid = factories.unique("theirs")
    application = (await factories.create_application(stranger, uid=uid))["id"]
    endpoint = (await factories.create_endpoint(stranger, application, uid=uid))["id"]
    operator = await signed_in(app, token)
    for reference in (uid, application, endpoint):
        assert "Nothing has that name." in await operator.page(f"/find?reference={reference}")


@pytest.mark.parametrize("name", ["a%3Fb", "a%23b", "%2e%2e", "a%25b", "%00", "%0d%0a"])
async def test_a_name_in_an_address_stays_one_name(app: FastAPI, token: str, name: str) -> None:
    operator = await signed_in(app, token)
    for path in (f"/app/{name}/endpoint", f"/event-type/{name}", f"/source/{name}/log"):
        assert (await operator.get(path)).status_code in {404, 422}, path
