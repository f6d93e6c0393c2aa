"""Applications over HTTP."""

import asyncio
from contextlib import AbstractAsyncContextManager

import httpx
from fastapi import FastAPI
from svix.models import ApplicationOut, ListResponseApplicationOut

from app import ids, tokens
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.factories import Json


async def names(client: httpx.AsyncClient) -> list[str]:
    return [item["name"] for item in (await client.get("/app")).json()["data"]]


def portal(
    app: FastAPI, settings: Settings, organization_id: str, application_id: str
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    assert settings.jwt_secret is not None
    secret = settings.jwt_secret.get_secret_value()
    return factories.client_of(app, tokens.issue_portal(secret, "HS256", organization_id, application_id))


async def test_a_new_application_is_answered_with_all_its_fields_and_found_by_id_and_uid(
    client: httpx.AsyncClient,
) -> None:
    body = {"name": "Acme", "uid": "acme-1", "throttleRate": 7, "metadata": {"plan": "gold"}}
    created = await client.post("/app", json=body)
    assert created.status_code == 201
    out = created.json()
    assert ids.is_id(out["id"], "app")
    assert {name: out[name] for name in body} == body
    assert out["rateLimit"] == 7
    assert out["createdAt"].endswith("Z")
    ApplicationOut.model_validate(out)
    for reference in (out["id"], "acme-1"):
        found = await client.get(f"/app/{reference}")
        assert (found.status_code, found.json()) == (200, out)


async def test_only_a_name_is_needed_and_what_is_not_set_is_left_out(client: httpx.AsyncClient) -> None:
    out = await factories.create_application(client, name="Solo")
    assert set(out) == {"id", "name", "metadata", "createdAt", "updatedAt"}
    assert out["metadata"] == {}


async def test_rate_limit_is_the_older_name_of_throttle_rate(client: httpx.AsyncClient) -> None:
    out = await factories.create_application(client, uid="older", rateLimit=65535)
    assert (out["throttleRate"], out["rateLimit"]) == (65535, 65535)
    patched = (await client.patch("/app/older", json={"rateLimit": None})).json()
    assert "throttleRate" not in patched
    assert "rateLimit" not in patched


async def test_unknown_fields_are_ignored(client: httpx.AsyncClient) -> None:
    out = await factories.create_application(client, colour="red", id="app_chosen")
    assert "colour" not in out
    assert ids.is_id(out["id"], "app")


async def test_a_uid_that_is_taken_is_a_conflict_and_nothing_is_written(client: httpx.AsyncClient) -> None:
    await factories.create_application(client, name="First", uid="same")
    second = await client.post("/app", json={"name": "Second", "uid": "same"})
    assert (second.status_code, second.json()["code"]) == (409, "conflict")
    assert second.json()["detail"] == "An application with that id or uid already exists"
    assert await names(client) == ["First"]


async def test_a_uid_is_free_for_another_organization(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    uid = factories.unique("shared")
    mine = await factories.create_application(client, uid=uid)
    theirs = await factories.create_application(stranger, uid=uid)
    assert mine["id"] != theirs["id"]


async def test_get_if_exists_answers_the_application_that_has_the_uid_unchanged(client: httpx.AsyncClient) -> None:
    first = await client.post("/app?get_if_exists=true", json={"name": "First", "uid": "once"})
    again = await client.post("/app?get_if_exists=true", json={"name": "Second", "uid": "once"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert await names(client) == ["First"]


async def test_get_if_exists_at_the_same_moment_creates_one_application(client: httpx.AsyncClient) -> None:
    body = {"name": "Raced", "uid": "raced"}
    answers = await asyncio.gather(*(client.post("/app?get_if_exists=true", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_put_creates_by_uid_then_replaces(client: httpx.AsyncClient) -> None:
    body: Json = {"name": "Put", "uid": "put-1", "throttleRate": 3, "metadata": {"a": "b"}}
    created = await client.put("/app/put-1", json=body)
    replaced = await client.put("/app/put-1", json={"name": "Again", "uid": "put-1"})
    assert (created.status_code, replaced.status_code) == (201, 200)
    out = replaced.json()
    assert (out["id"], out["name"], out["metadata"]) == (created.json()["id"], "Again", {})
    assert "throttleRate" not in out
    assert out["createdAt"] == created.json()["createdAt"]
    assert out["updatedAt"] > created.json()["updatedAt"]


async def test_put_by_uid_without_a_uid_in_the_body_stays_findable_by_it(client: httpx.AsyncClient) -> None:
    statuses = [(await client.put("/app/kept", json={"name": "Kept"})).status_code for _ in range(3)]
    assert statuses == [201, 200, 200]
    assert (await client.get("/app/kept")).json()["uid"] == "kept"
    assert await names(client) == ["Kept"]


async def test_put_by_id_replaces_and_may_change_the_uid(client: httpx.AsyncClient) -> None:
    app = await factories.create_application(client, uid="before")
    replaced = await client.put(f"/app/{app['id']}", json={"name": "Renamed", "uid": "after"})
    assert (replaced.status_code, replaced.json()["uid"]) == (200, "after")
    assert (await client.get("/app/before")).status_code == 404


async def test_put_at_the_same_moment_creates_one_application(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.put("/app/rush", json={"name": "Rush"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert await names(client) == ["Rush"]


async def test_put_never_makes_an_application_with_an_id_of_the_callers_choice(client: httpx.AsyncClient) -> None:
    answer = await client.put(f"/app/{ids.new_id('app')}", json={"name": "Chosen"})
    assert answer.status_code == 404
    assert await names(client) == []


async def test_put_to_a_uid_of_another_application_is_a_conflict_and_changes_nothing(
    client: httpx.AsyncClient,
) -> None:
    await factories.create_application(client, name="One", uid="one")
    await factories.create_application(client, name="Two", uid="two")
    assert (await client.put("/app/two", json={"name": "Stolen", "uid": "one"})).status_code == 409
    assert (await client.put("/app/three", json={"name": "Stolen", "uid": "one"})).status_code == 409
    assert await names(client) == ["One", "Two"]


async def test_patch_changes_only_what_it_holds(client: httpx.AsyncClient) -> None:
    app = await factories.create_application(client, uid="patched", throttleRate=9, metadata={"a": "b"})
    patched = await client.patch("/app/patched", json={"name": "New name"})
    assert patched.status_code == 200
    out = patched.json()
    assert {**out, "updatedAt": ""} == {**app, "name": "New name", "updatedAt": ""}
    assert out["updatedAt"] > app["updatedAt"]


async def test_patch_with_null_clears_what_may_be_empty(client: httpx.AsyncClient) -> None:
    app = await factories.create_application(client, uid="cleared", throttleRate=9)
    out = (await client.patch("/app/cleared", json={"uid": None, "throttleRate": None})).json()
    assert set(out) == {"id", "name", "metadata", "createdAt", "updatedAt"}
    assert (await client.get(f"/app/{app['id']}")).json() == out


async def test_patch_to_a_taken_uid_is_a_conflict_and_changes_nothing(client: httpx.AsyncClient) -> None:
    await factories.create_application(client, uid="held")
    other = await factories.create_application(client, uid="other")
    answer = await client.patch("/app/other", json={"uid": "held", "name": "Changed"})
    assert answer.status_code == 409
    assert (await client.get("/app/other")).json() == other


async def test_patches_at_the_same_moment_do_not_lose_each_other(client: httpx.AsyncClient) -> None:
    await factories.create_application(client, uid="both")
    changes: list[Json] = [{"name": "Both"}, {"throttleRate": 4}, {"metadata": {"k": "v"}}]
    await asyncio.gather(*(client.patch("/app/both", json=change) for change in changes))
    out = (await client.get("/app/both")).json()
    assert (out["name"], out["throttleRate"], out["metadata"]) == ("Both", 4, {"k": "v"})


async def test_a_deleted_application_is_gone_and_its_uid_free(client: httpx.AsyncClient) -> None:
    app = await factories.create_application(client, uid="reused")
    deleted = await client.delete("/app/reused")
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method, path in (("GET", app["id"]), ("GET", "reused"), ("PATCH", app["id"]), ("DELETE", app["id"])):
        answer = await client.request(method, f"/app/{path}", json={} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await names(client) == []
    again = await factories.create_application(client, uid="reused")
    assert again["id"] != app["id"]


async def test_deleting_an_application_deletes_its_endpoints_and_cancels_what_is_due(
    client: httpx.AsyncClient, database: Database
) -> None:
    app = await factories.create_application(client)
    await factories.create_event_type(client)
    endpoint = await factories.create_endpoint(client, app["id"])
    messages = [await factories.publish(client, app["id"]) for _ in range(3)]
    bystander = await factories.create_application(client, uid="bystander")
    other = await factories.create_endpoint(client, "bystander")
    await factories.publish(client, "bystander")
    # Of one message an earlier delivery ended, and was asked for again.
    await database.pool.execute(
        "INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts) VALUES ($1, $2, $3, 0, 1)",
        *(messages[0]["id"], endpoint["id"], app["id"]),
    )

    assert (await client.delete(f"/app/{app['id']}")).status_code == 204

    due = "SELECT endpoint_id FROM pending_deliveries WHERE application_id = ANY ($1)"
    rows = await database.pool.fetch(due, [app["id"], bystander["id"]])
    assert [row["endpoint_id"] for row in rows] == [other["id"]]
    ended = "SELECT message_id, state, attempts FROM deliveries WHERE application_id = $1"
    states = {tuple(row) for row in await database.pool.fetch(ended, app["id"])}
    assert states == {(messages[0]["id"], 0, 1), (messages[1]["id"], 4, 0), (messages[2]["id"], 4, 0)}
    live = "SELECT count(*) FROM endpoints WHERE application_id = $1 AND deleted_at IS NULL"
    assert await database.pool.fetchval(live, app["id"]) == 0
    refused = await client.post(f"/app/{app['id']}/msg", json={"eventType": "invoice.paid", "payload": {}})
    assert refused.status_code == 404


async def test_deleting_does_not_wait_for_a_delivery_that_is_being_recorded(
    client: httpx.AsyncClient, database: Database
) -> None:
    app = await factories.create_application(client)
    await factories.create_event_type(client)
    await factories.create_endpoint(client, app["id"])
    held, free = [(await factories.publish(client, app["id"]))["id"] for _ in range(2)]
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM pending_deliveries WHERE message_id = $1 FOR UPDATE", held)
        async with asyncio.timeout(3):
            assert (await client.delete(f"/app/{app['id']}")).status_code == 204
    left = await database.pool.fetch(
        "SELECT message_id FROM pending_deliveries WHERE message_id = ANY ($1)", [held, free]
    )
    assert [row["message_id"] for row in left] == [held]


async def test_a_list_is_paged_forth_and_back_in_both_orders(client: httpx.AsyncClient) -> None:
    made = [(await factories.create_application(client, name=f"n{n}"))["id"] for n in range(5)]
    made.sort()
    for order, expected in (("ascending", made), ("descending", made[::-1])):
        first = (await client.get(f"/app?limit=2&order={order}")).json()
        second = (await client.get(f"/app?limit=2&order={order}&iterator={first['iterator']}")).json()
        third = (await client.get(f"/app?limit=2&order={order}&iterator={second['iterator']}")).json()
        pages = [[item["id"] for item in page["data"]] for page in (first, second, third)]
        assert pages == [expected[:2], expected[2:4], expected[4:]]
        assert [page["done"] for page in (first, second, third)] == [False, False, True]
        assert (first["iterator"], second["prevIterator"]) == (expected[1], f"-{expected[2]}")
        back = (await client.get(f"/app?limit=2&order={order}&iterator={second['prevIterator']}")).json()
        assert (back["data"], back["done"]) == (first["data"], True)


async def test_a_list_leaves_out_applications_by_their_endpoints(client: httpx.AsyncClient, database: Database) -> None:
    for name in ("active", "none", "disabled", "play", "gone"):
        await factories.create_application(client, name=name, uid=name)
    await factories.create_endpoint(client, "active")
    await factories.create_endpoint(client, "active", disabled=True)
    await factories.create_endpoint(client, "disabled", disabled=True)
    played = await factories.create_endpoint(client, "play")
    play = "https://play.svix.com/in/e_1/"
    await database.pool.execute("UPDATE endpoints SET url = $2 WHERE id = $1", played["id"], play)
    gone = await factories.create_endpoint(client, "gone")
    await client.delete(f"/app/gone/endpoint/{gone['id']}")

    async def names(*excluded: str, query: str = "") -> list[str]:
        parameters = "&".join(f"exclude_apps_with_{what}_endpoints=true" for what in excluded)
        answer = await client.get(f"/app?{parameters}{query}")
        assert answer.status_code == 200
        return [item["name"] for item in answer.json()["data"]]

    assert await names() == ["active", "none", "disabled", "play", "gone"]
    assert await names("no") == ["active", "disabled", "play"]
    assert await names("disabled") == ["active", "none", "play", "gone"]
    assert await names("svix_play") == ["active", "none", "disabled", "gone"]
    assert await names("no", "disabled", "svix_play") == ["active"]
    assert await names("no", query="&limit=2&order=descending") == ["play", "disabled"]


async def test_a_list_goes_on_from_an_application_that_is_gone_meanwhile(client: httpx.AsyncClient) -> None:
    for name in ("first", "second", "third"):
        await factories.create_application(client, name=name, uid=name)
    iterator = (await client.get("/app?limit=2")).json()["iterator"]
    await client.delete("/app/second")
    assert [item["name"] for item in (await client.get(f"/app?iterator={iterator}")).json()["data"]] == ["third"]


async def test_applications_are_listed_oldest_first(client: httpx.AsyncClient) -> None:
    for name in ("old", "middle", "new"):
        await factories.create_application(client, name=name)
        await asyncio.sleep(0.005)  # Ids sort by time, in steps of four milliseconds.
    assert await names(client) == ["old", "middle", "new"]


async def test_an_empty_list_has_a_null_iterator_which_the_sdk_needs(client: httpx.AsyncClient) -> None:
    page = (await client.get("/app")).json()
    assert page == {"data": [], "iterator": None, "done": True}
    ListResponseApplicationOut.model_validate(page)


async def test_a_list_of_50_takes_at_most_three_statements(client: httpx.AsyncClient, statements: list[str]) -> None:
    await asyncio.gather(*(factories.create_application(client) for _ in range(51)))
    statements.clear()
    page = (await client.get("/app")).json()
    assert (len(page["data"]), page["done"]) == (50, False)
    assert 1 <= len(statements) <= 3


async def test_nobody_sees_or_changes_the_applications_of_others(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    app = await factories.create_application(client, uid=factories.unique("private"))
    unknown = (await stranger.get(f"/app/{ids.new_id('app')}")).json()["detail"]
    for reference in (app["id"], app["uid"]):
        for method, body in (("GET", None), ("PATCH", {"name": "Mine"}), ("DELETE", None)):
            answer = await stranger.request(method, f"/app/{reference}", json=body)
            assert (answer.status_code, answer.json()["detail"]) == (404, unknown)
    assert (await stranger.put(f"/app/{app['id']}", json={"name": "Mine"})).status_code == 404
    assert await names(stranger) == []
    assert (await client.get(f"/app/{app['id']}")).json() == app


async def test_a_portal_sees_its_own_application_only_and_changes_nothing(
    app: FastAPI, settings: Settings, client: httpx.AsyncClient, organization_id: str
) -> None:
    own = await factories.create_application(client, uid="own")
    other = await factories.create_application(client, uid="other")
    async with portal(app, settings, organization_id, own["id"]) as visitor:
        assert (await visitor.get("/app/own")).json() == own
        assert (await visitor.get(f"/app/{other['id']}")).status_code == 404
        calls = [("GET", "/app"), ("POST", "/app"), ("PUT", "/app/own"), ("PATCH", "/app/own"), ("DELETE", "/app/own")]
        for method, path in calls:
            body = {"name": "Mine"} if method != "GET" else None
            answer = await visitor.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient access")
    assert (await client.get("/app/own")).json() == own
