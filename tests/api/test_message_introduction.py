"""Messages that bring their application: both are there afterwards, or neither is."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.api_server import both_ways
from tests.api.publishing import KEY, Counts, body
from tests.factories import Json

pytestmark = both_ways


def with_application(uid: str | None, **fields: Any) -> Json:
    return body(application={"name": "Acme Inc.", "uid": uid, "metadata": {"a": "b"}, "throttleRate": 5}, **fields)


async def applications(client: httpx.AsyncClient) -> list[Json]:
    found: list[Json] = (await client.get("/app")).json()["data"]
    return found


async def test_an_application_is_created_with_its_first_message_and_used_by_the_next(
    client: httpx.AsyncClient, database: Database, organization_id: str
) -> None:
    uid = factories.unique("acme")
    first = await client.post(f"/app/{uid}/msg", json=with_application(uid, eventId="e-1", tags=["a"]))
    assert (first.status_code, first.json()["eventId"]) == (202, "e-1")
    (made,) = await applications(client)
    assert (made["uid"], made["name"], made["metadata"], made["throttleRate"]) == (uid, "Acme Inc.", {"a": "b"}, 5)
    assert (await client.get(f"/app/{uid}/msg/{first.json()['id']}")).json() == first.json()
    # What it brings is only read if there is none.
    other = {"name": "Other", "uid": "another"}
    second = await client.post(f"/app/{uid}/msg?with_content=false", json=body(application=other))
    third = await client.post(f"/app/{made['id']}/msg", json=body(application=other))
    assert (second.status_code, second.json()["payload"], third.status_code) == (202, {}, 202)
    assert await applications(client) == [made]
    entries = await database.pool.fetch(
        "SELECT operation, target FROM audit_entries WHERE organization_id = $1", organization_id
    )
    assert [tuple(entry) for entry in entries] == [("v1.message.create", made["id"])]


@pytest.mark.parametrize(
    ("path", "uid", "kind"),
    [
        ("new", None, "application_uid_missing"),
        ("new", "other", "application_uid_mismatch"),
        ("app_3MQq67JGwPebVcHQeR3QIVIvdAz", "other", "application_uid_mismatch"),
    ],
)
async def test_an_application_must_have_the_uid_of_the_path(
    client: httpx.AsyncClient, counts: Counts, path: str, uid: str | None, kind: str
) -> None:
    answer = await client.post(f"/app/{path}/msg", json=with_application(uid), headers={KEY: "k"})
    assert answer.status_code == 422
    (found,) = answer.json()["detail"]
    assert (found["loc"], found["type"]) == (["body", "application", "uid"], kind)
    assert await applications(client) == []
    assert await counts() == {"messages": 0, "event ids": 0, "keys": 0}


async def test_twenty_who_bring_one_application_at_once_make_one(client: httpx.AsyncClient, counts: Counts) -> None:
    uid = factories.unique("acme")
    requests = [client.post(f"/app/{uid}/msg", json=with_application(uid, payload={"n": n})) for n in range(20)]
    answers = await asyncio.gather(*requests)
    assert {answer.status_code for answer in answers} == {202}
    assert len(await applications(client)) == 1
    assert (await counts())["messages"] == 20


async def test_the_same_request_at_once_and_again_makes_one_application_and_one_message(
    client: httpx.AsyncClient, counts: Counts
) -> None:
    uid = factories.unique("acme")
    requests = [client.post(f"/app/{uid}/msg", json=with_application(uid), headers={KEY: "k"}) for _ in range(5)]
    answers = [*await asyncio.gather(*requests)]
    answers.append(await client.post(f"/app/{uid}/msg", json=with_application(uid), headers={KEY: "k"}))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert await counts() == {"messages": 1, "event ids": 0, "keys": 1}


async def test_a_deleted_application_is_created_anew(client: httpx.AsyncClient) -> None:
    uid = factories.unique("acme")
    assert (await client.post(f"/app/{uid}/msg", json=with_application(uid))).status_code == 202
    (old,) = await applications(client)
    assert (await client.delete(f"/app/{uid}")).status_code == 204
    assert (await client.post(f"/app/{uid}/msg", json=with_application(uid))).status_code == 202
    (new,) = await applications(client)
    assert (new["uid"], new["id"] != old["id"]) == (uid, True)


async def test_without_its_message_there_is_no_application(
    client: httpx.AsyncClient, database: Database, counts: Counts
) -> None:
    uid = factories.unique("acme")
    await database.pool.execute(
        f"""
        CREATE FUNCTION "{uid}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.event_id = '{uid}' THEN RAISE EXCEPTION USING ERRCODE = '57014'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER "{uid}" BEFORE INSERT ON message_event_ids FOR EACH ROW EXECUTE FUNCTION "{uid}"();
        """
    )
    try:
        answer = await client.post(f"/app/{uid}/msg", json=with_application(uid, eventId=uid), headers={KEY: "k"})
    finally:
        await database.pool.execute(f'DROP FUNCTION "{uid}" CASCADE')
    assert answer.status_code == 503
    assert await applications(client) == []
    # And nothing of it is remembered.
    answer = await client.post(f"/app/{uid}/msg", json=with_application(uid, eventId=uid), headers={KEY: "k"})
    assert answer.status_code == 202
    assert await counts() == {"messages": 1, "event ids": 1, "keys": 1}


async def test_a_message_for_a_bad_time_brings_no_application(client: httpx.AsyncClient) -> None:
    uid = factories.unique("acme")
    late = with_application(uid, deliverAt="2020-01-01T00:00:00Z")
    assert (await client.post(f"/app/{uid}/msg", json=late)).status_code == 422
    assert await applications(client) == []


async def test_another_organizations_uid_is_free(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    uid = factories.unique("acme")
    foreign = await factories.create_application(stranger, uid=uid)
    assert (await client.post(f"/app/{uid}/msg", json=with_application(uid))).status_code == 202
    (made,) = await applications(client)
    assert made["id"] != foreign["id"]
    assert (await stranger.get(f"/app/{uid}/msg")).json()["data"] == []


async def test_a_portal_creates_no_application(
    client: httpx.AsyncClient, application: str, app: FastAPI, settings: Settings, organization_id: str
) -> None:
    answer = await client.post(f"/auth/app-portal-access/{application}", json={})
    async with factories.client_of(app, answer.json()["token"]) as portal:
        refused = await portal.post("/app/new/msg", json=with_application("new"))
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient access")
    assert len(await applications(client)) == 1
