"""Event types over HTTP."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from svix.models import EventTypeOut, ListResponseEventTypeOut

from app import tokens
from app.settings import Settings
from tests import factories
from tests.factories import Json

SCHEMAS: Json = {"1": {"type": "object", "properties": {"amount": {"type": "number", "maximum": 1.5}}}}


async def names(client: httpx.AsyncClient, query: str = "") -> list[str]:
    return [item["name"] for item in (await client.get(f"/event-type{query}")).json()["data"]]


async def test_a_new_event_type_is_answered_with_all_its_fields_and_found_by_name(client: httpx.AsyncClient) -> None:
    body = {
        "name": "invoice.paid",
        "description": "Paid.",
        "deprecated": True,
        "schemas": SCHEMAS,
        "featureFlags": ["beta", "gold"],
        "groupName": "invoice",
    }
    created = await client.post("/event-type", json=body)
    assert created.status_code == 201
    out = created.json()
    assert {name: out[name] for name in body} == body
    assert (out["archived"], out["featureFlag"]) == (False, "beta")
    EventTypeOut.model_validate(out)
    found = await client.get("/event-type/invoice.paid")
    assert (found.status_code, found.json()) == (200, out)


async def test_a_portal_gets_the_event_types_that_its_flags_unlock(
    app: FastAPI, client: httpx.AsyncClient, settings: Settings, organization_id: str
) -> None:
    application = (await factories.create_application(client))["id"]
    await factories.create_event_type(client, "open", schemas=SCHEMAS)
    for flag in ("beta", "gold"):
        await factories.create_event_type(client, f"of.{flag}", schemas=SCHEMAS, featureFlags=[flag])
    assert settings.jwt_secret is not None
    secret = settings.jwt_secret.get_secret_value()
    token = tokens.issue_portal(secret, settings.jwt_algorithm, organization_id, application, ["beta"])
    async with factories.client_of(app, token) as portal:
        answers = [await portal.get(f"/event-type/{name}") for name in ("open", "of.beta", "of.gold")]
    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert answers[1].json() == (await client.get("/event-type/of.beta")).json()


async def test_a_search_finds_what_stands_in_names_descriptions_and_groups(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client, "invoice.paid")
    await factories.create_event_type(client, "user.created", description="Not an INVOICE.")
    await factories.create_event_type(client, "credit.note", groupName="invoices")
    await factories.create_event_type(client, "a_b", description="100% of it")
    assert await names(client, "?search=Invoice") == ["credit.note", "invoice.paid", "user.created"]
    assert await names(client, "?search=invoice&limit=1&iterator=credit.note") == ["invoice.paid"]
    # They stand for themselves only.
    assert [await names(client, f"?search={text}") for text in ("%25", "_", "a_b", "aXb")] == [["a_b"]] * 3 + [[]]
    assert (await client.get("/event-type", params={"search": "x" * 257})).status_code == 422


async def test_what_is_not_set_is_left_out(client: httpx.AsyncClient) -> None:
    out = await factories.create_event_type(client)
    assert set(out) == {"name", "description", "archived", "deprecated", "createdAt", "updatedAt"}


async def test_feature_flag_is_the_older_name_of_a_list_of_one(client: httpx.AsyncClient) -> None:
    out = await factories.create_event_type(client, "flagged", featureFlag="beta")
    assert (out["featureFlags"], out["featureFlag"]) == (["beta"], "beta")
    changed = (await client.patch("/event-type/flagged", json={"featureFlag": "gold"})).json()
    assert changed["featureFlags"] == ["gold"]
    cleared = (await client.patch("/event-type/flagged", json={"featureFlag": None})).json()
    assert "featureFlags" not in cleared


async def test_a_name_that_is_taken_is_a_conflict_and_nothing_is_written(client: httpx.AsyncClient) -> None:
    first = await factories.create_event_type(client, "once")
    second = await client.post("/event-type", json={"name": "once", "description": "Other."})
    assert (second.status_code, second.json()["code"]) == (409, "event_type_exists")
    assert second.json()["detail"] == "An event_type with this name already exists"
    assert (await client.get("/event-type/once")).json() == first


async def test_of_two_that_create_the_same_name_at_once_one_is_refused(client: httpx.AsyncClient) -> None:
    body = {"name": "raced", "description": "Raced."}
    answers = await asyncio.gather(*(client.post("/event-type", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_a_deleted_event_type_is_archived_and_comes_back_when_created_again(client: httpx.AsyncClient) -> None:
    first = await factories.create_event_type(client, "back", schemas=SCHEMAS, groupName="old")
    for _ in range(2):  # Archiving what is archived is no error.
        deleted = await client.delete("/event-type/back")
        assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await client.get("/event-type/back")).json()["archived"] is True
    assert await names(client) == []
    assert await names(client, "?include_archived=true") == ["back"]

    again = await factories.create_event_type(client, "back", description="New.")
    assert (again["archived"], again["description"], again["createdAt"]) == (False, "New.", first["createdAt"])
    assert "schemas" not in again
    assert "groupName" not in again
    assert await names(client) == ["back"]


async def test_an_endpoint_cannot_newly_subscribe_to_an_archived_event_type(client: httpx.AsyncClient) -> None:
    app = await factories.create_application(client)
    await factories.create_event_type(client, "gone")
    await client.delete("/event-type/gone")
    body = {"url": factories.URL, "eventTypes": ["gone"]}
    refused = await client.post(f"/app/{app['id']}/endpoint", json=body)
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "eventTypes"])


async def test_an_expunged_event_type_is_gone(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client, "gone")
    assert (await client.delete("/event-type/gone?expunge=true")).status_code == 204
    assert (await client.get("/event-type/gone")).status_code == 404
    assert await names(client, "?include_archived=true") == []
    assert (await client.delete("/event-type/gone?expunge=true")).status_code == 404


async def test_put_creates_then_replaces(client: httpx.AsyncClient) -> None:
    body: Json = {"description": "First.", "schemas": SCHEMAS, "featureFlag": "beta", "deprecated": True}
    created = await client.put("/event-type/put.it", json=body)
    replaced = await client.put("/event-type/put.it", json={"description": "Second.", "archived": True})
    assert (created.status_code, replaced.status_code) == (201, 200)
    assert created.json()["schemas"] == SCHEMAS
    out = replaced.json()
    assert set(out) == {"name", "description", "archived", "deprecated", "createdAt", "updatedAt"}
    assert (out["archived"], out["deprecated"], out["createdAt"]) == (True, False, created.json()["createdAt"])
    restored = (await client.put("/event-type/put.it", json={"description": "Third."})).json()
    assert restored["archived"] is False


async def test_patch_changes_only_what_it_holds(client: httpx.AsyncClient) -> None:
    before = await factories.create_event_type(client, "patched", schemas=SCHEMAS, featureFlags=["a"], groupName="g")
    patched = await client.patch("/event-type/patched", json={"description": "Changed."})
    assert patched.status_code == 200
    out = patched.json()
    assert {**out, "updatedAt": ""} == {**before, "description": "Changed.", "updatedAt": ""}
    assert out["updatedAt"] > before["updatedAt"]
    cleared = {"schemas": None, "featureFlags": None, "groupName": None, "archived": True, "deprecated": True}
    out = (await client.patch("/event-type/patched", json=cleared)).json()
    assert not {"schemas", "featureFlags", "featureFlag", "groupName"} & set(out)
    assert (out["archived"], out["deprecated"], out["description"]) == (True, True, "Changed.")


async def test_a_list_is_by_name_in_both_orders_and_paged_forth_and_back(client: httpx.AsyncClient) -> None:
    # Some begin as an iterator that walks back does.
    made = ["-dash", "-dash.two", "a.b", "b", "c"]
    for name in reversed(made):
        await factories.create_event_type(client, name)
    for order in ("ascending", "descending"):
        seen: list[str] = []
        iterator, back = None, []
        while True:
            query = {"limit": 1, "order": order, **({"iterator": iterator} if iterator else {})}
            page = (await client.get("/event-type", params=query)).json()
            seen += [item["name"] for item in page["data"]]
            back.append(page["prevIterator"])
            iterator = page["iterator"]
            if page["done"]:
                break
        assert seen == made
        for index, prev in enumerate(back[1:]):
            page = (await client.get("/event-type", params={"limit": 1, "iterator": prev})).json()
            assert [item["name"] for item in page["data"]] == [made[index]]


async def test_an_iterator_is_the_name(client: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await factories.create_event_type(client, name)
    assert (await client.get("/event-type?limit=2")).json()["iterator"] == "b"
    assert await names(client, "?iterator=b") == ["c"]
    assert await names(client, "?iterator=-c") == ["a", "b"]


async def test_a_list_holds_schemas_only_when_the_content_is_asked_for(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client, "with.schema", schemas=SCHEMAS)
    plain = (await client.get("/event-type")).json()
    full = (await client.get("/event-type?with_content=true")).json()
    assert "schemas" not in plain["data"][0]
    assert full["data"][0]["schemas"] == SCHEMAS
    ListResponseEventTypeOut.model_validate(plain)


async def test_an_empty_list_has_a_null_iterator_which_the_sdk_needs(client: httpx.AsyncClient) -> None:
    page = (await client.get("/event-type")).json()
    assert page == {"data": [], "iterator": None, "done": True}
    ListResponseEventTypeOut.model_validate(page)


async def test_a_list_of_50_takes_at_most_three_statements(client: httpx.AsyncClient, statements: list[str]) -> None:
    await asyncio.gather(*(factories.create_event_type(client, f"type.{n:02}", featureFlag="f") for n in range(51)))
    statements.clear()
    page = (await client.get("/event-type?with_content=true")).json()
    assert (len(page["data"]), page["done"]) == (50, False)
    assert 1 <= len(statements) <= 3


async def test_event_types_belong_to_their_organization(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    mine = await factories.create_event_type(client, "same.name")
    for method, body in (("GET", None), ("PATCH", {"description": "Theirs."}), ("DELETE", None)):
        answer = await stranger.request(method, "/event-type/same.name", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await stranger.delete("/event-type/same.name?expunge=true")).status_code == 404
    assert await names(stranger) == []
    await factories.create_event_type(stranger, "same.name", description="Theirs.")
    assert (await stranger.put("/event-type/same.name", json={"description": "Again."})).status_code == 200
    assert (await client.get("/event-type/same.name")).json() == mine


@pytest.mark.parametrize(
    ("flags", "seen"), [([], ["open"]), (["gold"], ["golden", "open"]), (["beta", "x"], ["open", "tested"])]
)
async def test_a_portal_lists_what_its_feature_flags_unlock_and_changes_nothing(
    app: FastAPI,
    settings: Settings,
    client: httpx.AsyncClient,
    organization_id: str,
    flags: list[str],
    seen: list[str],
) -> None:
    own = await factories.create_application(client)
    await factories.create_event_type(client, "open")
    await factories.create_event_type(client, "golden", featureFlags=["gold", "platinum"])
    await factories.create_event_type(client, "tested", featureFlag="beta")
    assert await names(client) == ["golden", "open", "tested"]
    assert settings.jwt_secret is not None
    secret = settings.jwt_secret.get_secret_value()
    token = tokens.issue_portal(secret, settings.jwt_algorithm, organization_id, own["id"], flags)
    async with factories.client_of(app, token) as visitor:
        assert await names(visitor) == seen
        for method, path in (("POST", ""), ("PUT", "/open"), ("PATCH", "/open"), ("DELETE", "/open")):
            body = None if method == "DELETE" else {"name": "new", "description": "Mine."}
            answer = await visitor.request(method, f"/event-type{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient access")
    assert await names(client) == ["golden", "open", "tested"]
