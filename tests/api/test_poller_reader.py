"""Readers of a poller whose position is kept: by iterators that confirm, and by offsets that are committed."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from svix.api import SvixAsync
from svix.api.message_poller import MessagePollerConsumerPollOptions
from svix.api_internal.message_pollerv2 import MessagePollerv2Async, MessagePollerv2ConsumerPollOptions
from svix.models import (
    ApplicationIn,
    MessageIn,
    PollerV2CommitIn,
    PollingEndpointConsumerSeekIn,
    StartingPosition,
)
from svix.models.poller_v2_poll_out import PollerV2PollOut

from app import clock
from app.db.poller import table
from app.db.session import Database
from tests import factories
from tests.api.shop import ids_of, page_of
from tests.api.test_poller import create_poller, publish
from tests.factories import Json


@pytest.fixture
async def path(client: httpx.AsyncClient, application: str) -> str:
    """The path of a poller's reader by iterators."""
    return f"/app/{application}/poller/{(await create_poller(client, application))['id']}/consumer/anna"


@pytest.fixture
def leasing(path: str) -> str:
    """The path of a reader by offsets of the same poller."""
    return path.replace("/poller/", "/polling-endpoint/")


async def test_a_page_is_shown_again_until_its_iterator_confirms_it(
    client: httpx.AsyncClient, application: str, path: str
) -> None:
    made = await publish(client, application, 5)
    for _ in range(2):
        page = await page_of(client, path, limit=2)
        assert ([message["id"] for message in page["data"]], page["done"]) == (made[:2], False)
    page = await page_of(client, path, limit=2, iterator=page["iterator"])
    assert [message["id"] for message in page["data"]] == made[2:4]
    # As one that crashed, and knows nothing but its name.
    assert await ids_of(client, path) == made[2:]
    page = await page_of(client, path, iterator=page["iterator"])
    assert [message["id"] for message in page["data"]] == made[4:]
    page = await page_of(client, path, iterator=page["iterator"])
    assert (page["data"], page["done"]) == ([], True)
    assert (await page_of(client, path))["data"] == []


async def test_each_reader_has_a_position_of_its_own(client: httpx.AsyncClient, application: str, path: str) -> None:
    made = await publish(client, application, 2)
    page = await page_of(client, path)
    await page_of(client, path, iterator=page["iterator"])
    other = path.replace("anna", "otto:1@example.com")
    assert await ids_of(client, other) == made
    assert await ids_of(client, path) == []
    assert await ids_of(client, path.replace("/poller/", "/polling-endpoint/")) == made


async def test_a_reader_is_put_at_a_time(
    client: httpx.AsyncClient, application: str, path: str, database: Database
) -> None:
    now = clock.now()
    old, new = [
        await factories.record_message(database.pool, application, now - timedelta(hours=age)) for age in (3, 1)
    ]
    for hours, found in ((2, [new]), (4, [old, new]), (0, [])):
        answer = await client.post(f"{path}/seek", json={"after": (now - timedelta(hours=hours)).isoformat()})
        assert answer.status_code == 200
        assert await ids_of(client, path) == found
        # The iterator that is answered stands for the same.
        assert await ids_of(client, path.partition("/consumer")[0], iterator=answer.json()["iterator"]) == found


@pytest.mark.parametrize(
    ("body", "loc"), [({}, ["body", "after"]), ({"after": 5}, ["body", "after"]), ({"after": "x"}, ["body", "after"])]
)
async def test_a_wrong_seek_is_refused_and_nothing_moves(
    client: httpx.AsyncClient, application: str, path: str, body: Json, loc: list[str]
) -> None:
    made = await publish(client, application, 1)
    answer = await client.post(f"{path}/seek", json=body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, loc)
    assert await ids_of(client, path) == made


async def test_what_is_leased_is_handed_out_again_unless_it_was_committed(
    client: httpx.AsyncClient, application: str, leasing: str
) -> None:
    made = await publish(client, application, 5)
    first = await page_of(client, leasing, limit=3, lease_duration_ms=60_000)
    PollerV2PollOut.model_validate(first)
    assert [(message["offset"], message["id"]) for message in first["data"]] == list(enumerate(made[:3], 1))
    assert not first["done"]
    # While somebody works on it, nobody else does.
    assert await page_of(client, leasing) == {"data": [], "done": True}
    assert (await client.post(f"{leasing}/commit", json={"offset": 3})).status_code == 204
    second = await page_of(client, leasing, limit=2, lease_duration_ms=0)
    assert [(message["offset"], message["id"]) for message in second["data"]] == list(enumerate(made[3:], 4))
    # That lease has ended, and nothing was committed.
    again = await page_of(client, leasing, lease_duration_ms=0)
    assert again["data"] == second["data"]
    assert (await client.post(f"{leasing}/commit", json={"offset": 4})).status_code == 204
    assert await ids_of(client, leasing, lease_duration_ms=0) == made[4:]
    # Whoever was slow does no harm: an offset means the same message for ever.
    assert (await client.post(f"{leasing}/commit", json={"offset": 2})).status_code == 204
    assert await ids_of(client, leasing, lease_duration_ms=0) == made[4:]
    assert (await client.post(f"{leasing}/commit", json={"offset": 5})).status_code == 204
    assert await page_of(client, leasing) == {"data": [], "done": True}
    (more,) = await publish(client, application, 1)
    (shown,) = (await page_of(client, leasing))["data"]
    assert (shown["id"], shown["offset"]) == (more, 6)


async def test_a_lease_that_was_larger_than_is_asked_now_loses_nothing(
    client: httpx.AsyncClient, application: str, leasing: str
) -> None:
    made = await publish(client, application, 4)
    assert await ids_of(client, leasing, limit=3, lease_duration_ms=0) == made[:3]
    found: list[str] = []
    while page := (await page_of(client, leasing, limit=2, lease_duration_ms=0))["data"]:
        found += [message["id"] for message in page]
        await client.post(f"{leasing}/commit", json={"offset": page[-1]["offset"]})
    assert found == made


@pytest.mark.parametrize("offset", [2, 2**62, 2**63, -1, "1", 1.5, None])
async def test_what_was_not_handed_out_is_not_committed(
    client: httpx.AsyncClient, application: str, leasing: str, offset: object
) -> None:
    made = await publish(client, application, 1)
    assert await ids_of(client, leasing, lease_duration_ms=0) == made
    answer = await client.post(f"{leasing}/commit", json={"offset": offset})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "offset"])
    assert await ids_of(client, leasing, lease_duration_ms=0) == made


async def test_of_many_who_poll_at_once_one_gets_the_lease(
    client: httpx.AsyncClient, application: str, leasing: str
) -> None:
    made = await publish(client, application, 3)
    pages = await asyncio.gather(*(ids_of(client, leasing) for _ in range(8)))
    assert sorted(pages) == [[]] * 7 + [made]


async def test_what_was_leased_and_is_forgotten_by_now_is_passed_over(
    client: httpx.AsyncClient, application: str, leasing: str, database: Database
) -> None:
    made = await publish(client, application, 4)
    assert await ids_of(client, leasing, limit=2, lease_duration_ms=0) == made[:2]
    await database.pool.execute("DELETE FROM messages WHERE id = $1", made[0])
    (left,) = (await page_of(client, leasing, limit=1, lease_duration_ms=0))["data"]
    assert (left["id"], left["offset"]) == (made[1], 2)
    await database.pool.execute("DELETE FROM messages WHERE id = $1", made[1])
    rest = (await page_of(client, leasing))["data"]
    assert [(message["offset"], message["id"]) for message in rest] == list(enumerate(made[2:], 3))


async def test_a_reader_by_offsets_begins_where_it_is_told(
    client: httpx.AsyncClient, application: str, leasing: str
) -> None:
    made = await publish(client, application, 1)
    late = leasing.replace("anna", "late")
    # Ids know four milliseconds.
    await asyncio.sleep(0.005)
    assert await ids_of(client, late, starting_position="latest") == []
    more = await publish(client, application, 1)
    # Only who has not polled before is asked.
    assert await ids_of(client, late, starting_position="earliest") == more
    assert await ids_of(client, leasing, starting_position="earliest") == made + more


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 251}, "limit"),
        ({"lease_duration_ms": -1}, "lease_duration_ms"),
        ({"lease_duration_ms": 43_200_001}, "lease_duration_ms"),
    ],
)
async def test_a_wrong_wish_for_a_lease_is_refused(
    client: httpx.AsyncClient, leasing: str, query: Json, name: str
) -> None:
    answer = await client.get(leasing, params=query)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", name])


async def test_names_of_readers_are_not_made_up_without_end(
    client: httpx.AsyncClient, path: str, leasing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.api.poller.service.MOST_READERS", 2)
    assert table.MOST_READERS == 1000
    iterator = (await page_of(client, path))["iterator"]
    await page_of(client, path, iterator=iterator)
    await page_of(client, leasing)
    for name in ("other", "another"):
        asked = [
            await client.get(path.replace("anna", name), params={"iterator": iterator}),
            await client.post(f"{path.replace('anna', name)}/seek", json={"after": "2026-01-01T00:00:00Z"}),
            await client.get(leasing.replace("anna", name)),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in asked] == [(400, "limit_reached")] * 3
    # Those who are known go on.
    await page_of(client, path, iterator=iterator)
    await page_of(client, leasing)


async def test_a_poller_takes_its_readers_along(
    client: httpx.AsyncClient, application: str, path: str, leasing: str, database: Database
) -> None:
    await page_of(client, leasing)
    await client.post(f"{path}/seek", json={"after": "2026-01-01T00:00:00Z"})
    kept = "SELECT count(*) FROM poller_readers WHERE application_id = $1"
    assert await database.pool.fetchval(kept, application) == 2
    assert (await client.delete(path.partition("/consumer")[0])).status_code == 204
    assert await database.pool.fetchval(kept, application) == 0
    assert (await client.get(path)).status_code == 404
    assert (await client.get(leasing)).status_code == 404
    assert (await client.post(f"{leasing}/commit", json={"offset": 0})).status_code == 404


@pytest.mark.parametrize("by_offset", [False, True], ids=["by iterator", "by offset"])
async def test_a_poller_that_is_deleted_meanwhile_is_not_found_by_a_new_reader(
    client: httpx.AsyncClient, path: str, leasing: str, database: Database, by_offset: bool
) -> None:
    waiting = """SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%poller_readers%'
        AND datname = current_database()"""

    async def ask() -> httpx.Response:
        if by_offset:
            return await client.get(leasing)
        return await client.post(f"{path}/seek", json={"after": "2026-01-01T00:00:00Z"})

    async with database.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("DELETE FROM pollers WHERE id = $1", path.split("/")[4])
            asked = asyncio.create_task(ask())
            # It has found the poller, and waits for what becomes of it.
            while not await database.pool.fetchval(waiting):
                await asyncio.sleep(0.01)
        answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_seeking_is_in_the_audit_log_and_committing_is_not(
    client: httpx.AsyncClient, application: str, path: str, leasing: str
) -> None:
    await publish(client, application, 1)
    await page_of(client, leasing)
    assert (await client.post(f"{leasing}/commit", json={"offset": 1})).status_code == 204
    assert (await client.post(f"{path}/seek", json={"after": "2026-01-01T00:00:00Z"})).status_code == 200
    entries = (await page_of(client, "/audit-log"))["data"]
    told = {entry["operation"] for entry in entries}
    assert told == {"v1.application.create", "v1.poller.create", "v1.message.poller.consumer-seek"}


async def test_the_sdk_polls_as_a_reader(svix: SvixAsync, app: FastAPI, token: str) -> None:
    application = await svix.application.create(ApplicationIn(name="Acme"))
    async with factories.client_of(app, token) as client:
        assert isinstance(client, httpx.AsyncClient)
        made = (await create_poller(client, application.id))["id"]
    sent = await svix.message.create(application.id, MessageIn(event_type="a.b", payload={"n": 1}))
    poller = svix.message.poller
    page = await poller.consumer_poll(application.id, made, "anna", MessagePollerConsumerPollOptions(limit=5))
    assert [message.id for message in page.data] == [sent.id]
    rest = await poller.consumer_poll(
        application.id, made, "anna", MessagePollerConsumerPollOptions(iterator=page.iterator)
    )
    assert rest.data == []
    after = sent.timestamp - timedelta(minutes=1)
    sought = await poller.consumer_seek(application.id, made, "anna", PollingEndpointConsumerSeekIn(after=after))
    again = await poller.consumer_poll(application.id, made, "anna")
    assert [message.id for message in again.data] == [sent.id]
    assert sought.iterator


async def test_the_sdk_leases_and_commits(svix: SvixAsync, app: FastAPI, token: str) -> None:
    application = await svix.application.create(ApplicationIn(name="Acme"))
    async with factories.client_of(app, token) as client:
        assert isinstance(client, httpx.AsyncClient)
        made = (await create_poller(client, application.id))["id"]
    sent = await svix.message.create(application.id, MessageIn(event_type="a.b", payload={"n": 1}))
    # The package has it for its own use only.
    poller = MessagePollerv2Async(svix._client, svix._httpx_client)
    asked = MessagePollerv2ConsumerPollOptions(
        limit=5, lease_duration_ms=0, starting_position=StartingPosition.EARLIEST
    )
    for _ in range(2):
        page = await poller.consumer_poll(application.id, made, "anna", asked)
        assert [(message.id, message.offset) for message in page.data] == [(sent.id, 1)]
    await poller.consumer_commit(application.id, made, "anna", PollerV2CommitIn(offset=1))
    assert (await poller.consumer_poll(application.id, made, "anna", asked)).data == []
