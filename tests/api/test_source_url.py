"""URLs and applications of sources: how long they are good for, and what ends with what."""

import httpx
from fastapi import FastAPI

from app import ids
from app.db.session import Database
from app.db.source.lookup import find_by_token
from app.settings import Settings
from tests import factories
from tests.api.test_source import SOURCE, body, create, patch, token_of, violations


async def test_a_source_may_become_one_of_another_provider_and_have_no_url(
    client: httpx.AsyncClient, database: Database
) -> None:
    made = await create(client, uid="one")
    cron = {"schedule": "0 4 * * *", "payload": "{}"}
    answer = await client.put(f"{SOURCE}/one", json=body(type="cron", config=cron))
    assert "ingestUrl" not in answer.json()
    assert await find_by_token(database.pool, token_of(made["ingestUrl"])) is None
    assert (await client.post(f"{SOURCE}/one/token/rotate")).status_code == 400
    back = (await client.put(f"{SOURCE}/one", json=body())).json()
    assert back["ingestUrl"] != made["ingestUrl"]
    assert await database.pool.fetchval("SELECT next_run_at FROM sources WHERE id = $1", made["id"]) is None


async def test_a_url_that_was_rotated_is_good_for_two_days_and_there_are_three_rotations_in_them(
    client: httpx.AsyncClient, database: Database
) -> None:
    made = await create(client)
    urls = [made["ingestUrl"]]
    for _ in range(3):
        answer = await client.post(f"{SOURCE}/{made['id']}/token/rotate")
        assert answer.status_code == 200, answer.text
        urls.append(answer.json()["ingestUrl"])
    assert len(set(urls)) == 4
    assert (await client.get(f"{SOURCE}/{made['id']}")).json()["ingestUrl"] == urls[-1]
    found = [await find_by_token(database.pool, token_of(url)) for url in urls]
    assert [source is not None and source.id for source in found] == [made["id"]] * 4
    refused = await client.post(f"{SOURCE}/{made['id']}/token/rotate")
    assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
    ages = await database.pool.fetch(
        "SELECT expires_at - created_at AS good FROM source_tokens WHERE source_id = $1 AND expires_at IS NOT NULL",
        made["id"],
    )
    assert all(48 * 3600 <= row["good"].total_seconds() < 48 * 3600 + 60 for row in ages)
    # Two days later.
    await database.pool.execute(
        "UPDATE source_tokens SET expires_at = expires_at - interval '48 hours' WHERE source_id = $1", made["id"]
    )
    assert await find_by_token(database.pool, token_of(urls[0])) is None
    assert (await client.post(f"{SOURCE}/{made['id']}/token/rotate")).status_code == 200
    assert await database.pool.fetchval("SELECT count(*) FROM source_tokens WHERE source_id = $1", made["id"]) == 2


async def test_what_was_made_for_a_source_is_deleted_with_it(client: httpx.AsyncClient, database: Database) -> None:
    made = await create(client, uid="mine")
    assert (await client.delete(f"{SOURCE}/mine")).status_code == 204
    assert (await client.get(f"{SOURCE}/{made['id']}")).status_code == 404
    assert (await client.get(f"/app/{made['applicationId']}")).status_code == 404
    assert await find_by_token(database.pool, token_of(made["ingestUrl"])) is None
    assert (await create(client, uid="mine"))["id"] != made["id"]


async def test_what_others_need_stays_when_a_source_is_deleted(client: httpx.AsyncClient) -> None:
    named = (await factories.create_application(client, uid="shop"))["id"]
    await client.delete(f"{SOURCE}/{(await create(client, applicationId='shop'))['id']}")
    assert (await client.get("/app/shop")).json()["id"] == named
    first = await create(client)
    second = await create(client, applicationId=first["applicationId"])
    await client.delete(f"{SOURCE}/{first['id']}")
    assert (await client.get(f"{SOURCE}/{second['id']}")).status_code == 200
    assert (await client.get(f"/app/{first['applicationId']}")).status_code == 200
    moved = await create(client)
    assert (await patch(client, moved["id"], applicationId="shop"))["applicationId"] == named
    await client.delete(f"{SOURCE}/{moved['id']}")
    assert (await client.get(f"/app/{moved['applicationId']}")).status_code == 200


async def test_a_source_ends_with_the_application_that_it_delivers_to(
    client: httpx.AsyncClient, database: Database
) -> None:
    application = (await factories.create_application(client))["id"]
    made = await create(client, applicationId=application)
    assert (await client.delete(f"/app/{application}")).status_code == 204
    assert (await client.get(f"{SOURCE}/{made['id']}")).status_code == 404
    assert await find_by_token(database.pool, token_of(made["ingestUrl"])) is None


async def test_another_organizations_application_is_no_target(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    theirs = (await factories.create_application(stranger, uid="theirs"))["id"]
    for reference in (theirs, "theirs", ids.new_id("app")):
        assert violations(await client.post(SOURCE, json=body(applicationId=reference))) == [["body", "applicationId"]]
    made = await create(client)
    answer = await client.patch(f"{SOURCE}/{made['id']}", json={"applicationId": theirs})
    assert violations(answer) == [["body", "applicationId"]]


async def test_urls_begin_with_the_address_that_is_set(
    client: httpx.AsyncClient, token: str, settings: Settings
) -> None:
    made = await create(client)
    elsewhere = settings.model_copy(update={"public_url": "https://hooks.example.com/"})
    async with factories.running(elsewhere) as app, factories.client_of(app, token) as other:
        url = (await other.get(f"{SOURCE}/{made['id']}")).json()["ingestUrl"]
    assert url == f"https://hooks.example.com/in/{token_of(made['ingestUrl'])}"


async def test_the_portal_of_a_source_is_that_of_its_application(app: FastAPI, client: httpx.AsyncClient) -> None:
    made = await create(client)
    answer = await client.post(f"{SOURCE}/{made['id']}/dashboard", json={"readOnly": True})
    assert answer.status_code == 200, answer.text
    async with factories.client_of(app, answer.json()["token"]) as portal:
        path = f"/app/{made['applicationId']}/endpoint"
        assert (await portal.get(path)).status_code == 200
        assert (await portal.post(path, json={"url": factories.URL})).status_code == 403
        assert (await portal.get(f"{SOURCE}/{made['id']}")).status_code == 403
    for expiry in (3599, 7 * 86400 + 1):
        refused = await client.post(f"{SOURCE}/{made['id']}/dashboard", json={"expiry": expiry})
        assert violations(refused) == [["body", "expiry"]]


async def test_an_applications_inbound_url_is_another_each_time_and_the_earlier_one_ends(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    urls = []
    for _ in range(5):
        answer = await client.post(f"/app/{application}/inbound/rotate-url")
        assert answer.status_code == 200, answer.text
        urls.append(answer.json()["url"])
    found = [await find_by_token(database.pool, token_of(url)) for url in urls]
    assert [source and source.application_id for source in found] == [None] * 4 + [application]
    (source,) = (await client.get(SOURCE)).json()["data"]
    assert (source["uid"], source["type"], source["ingestUrl"]) == (
        f"inbound-{application}",
        "generic-webhook",
        urls[-1],
    )
