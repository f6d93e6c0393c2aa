"""Explanations: what is said of a message is what the statement that published it did, for each endpoint."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx
import pytest

from app import clock, ids
from app.db.session import Database
from app.db.shard.model import shard_of
from app.settings import Settings
from tests import factories
from tests.api.shop import Shop, page_of
from tests.factories import Json

TYPES: Final = ("invoice.paid", "invoice.sent", "user.created")
CHANNELS: Final = ("eu", "us", "asia")


async def explained(client: httpx.AsyncClient, application: str, message: str, **params: object) -> dict[str, Json]:
    """What is said of a message, by the endpoints' ids."""
    page = await page_of(client, f"/app/{application}/msg/{message}/explain", **params)
    return {one["endpointId"]: one for one in page["data"]}


def codes(one: Json) -> list[str]:
    assert all(reason["text"].endswith(".") for reason in one["reasons"])
    return [reason["code"] for reason in one["reasons"]]


@dataclass
class World:
    """An application to which random things happen, and what follows from them by the words of the documentation."""

    client: httpx.AsyncClient
    application: str
    rng: random.Random
    settings: dict[str, Json] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    # By message: of each endpoint that there was, why the message is not for it.
    expected: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def some(self, names: Sequence[str]) -> list[str] | None:
        return self.rng.sample(names, self.rng.randint(1, 2)) if self.rng.random() < 0.6 else None

    def wishes(self) -> Json:
        return {
            "filterTypes": self.some(TYPES),
            "channels": self.some(CHANNELS),
            "disabled": self.rng.random() < 0.25,
        }

    async def step(self) -> None:
        match self.rng.choices(("publish", "change", "create", "delete"), (6, 3, 1, 1))[0]:
            case "publish":
                await self.publish()
            case "change" if self.settings:
                await self.change(self.rng.choice(list(self.settings)))
            case "delete" if self.settings:
                await self.delete(self.rng.choice(list(self.settings)))
            case _:
                await self.create()

    async def create(self) -> None:
        wishes = self.wishes()
        made = await factories.create_endpoint(self.client, self.application, **wishes)
        self.settings[made["id"]] = wishes

    async def change(self, endpoint: str) -> None:
        wishes = self.wishes()
        said = {name: wishes[name] for name in self.rng.sample(list(wishes), self.rng.randint(1, 3))}
        # Not a wish, and so without meaning for what it gets.
        said["description"] = factories.unique("it")
        path = f"/app/{self.application}/endpoint/{endpoint}"
        assert (await self.client.patch(path, json=said)).is_success
        self.settings[endpoint] = {**self.settings[endpoint], **said}

    async def delete(self, endpoint: str) -> None:
        assert (await self.client.delete(f"/app/{self.application}/endpoint/{endpoint}")).is_success
        del self.settings[endpoint]
        self.gone.add(endpoint)

    async def publish(self) -> None:
        about: dict[str, Any] = {"event_type": self.rng.choice(TYPES)}
        if (channels := self.some(CHANNELS)) is not None:
            about["channels"] = channels
        if self.rng.random() < 0.2:
            about["deliverAt"] = (clock.now() + timedelta(minutes=5)).isoformat()
        message = await factories.publish(self.client, self.application, **about)
        refused = {key: _refused(one, about["event_type"], channels) for key, one in self.settings.items()}
        self.expected[message["id"]] = refused


def _refused(settings: Json, event_type: str, channels: Sequence[str] | None) -> list[str]:
    found = ["disabled"] if settings["disabled"] else []
    if settings["filterTypes"] and event_type not in settings["filterTypes"]:
        found.append("event_type")
    if settings["channels"] and not set(settings["channels"]) & set(channels or ()):
        found.append("channel")
    return found


async def made_of(pool: asyncpg.Pool, message: str) -> set[str]:
    """The endpoints for which a message was queued, or had been before they were deleted."""
    rows = await pool.fetch(
        "SELECT endpoint_id FROM pending_deliveries WHERE message_id = $1"
        " UNION SELECT endpoint_id FROM deliveries WHERE message_id = $1",
        message,
    )
    return {row["endpoint_id"] for row in rows}


async def check_world(client: httpx.AsyncClient, pool: asyncpg.Pool, seed: int, steps: int) -> int:
    """Have things happen, and compare what is said of each message with what was made of it; how many were said."""
    application = (await factories.create_application(client))["id"]
    world = World(client, application, random.Random(seed))
    for _ in range(4):
        await world.create()
    for _ in range(steps):
        await world.step()
    count = 0
    for message, refused in world.expected.items():
        made, said = await made_of(pool, message), await explained(client, application, message)
        assert {key for key, one in said.items() if one["matched"]} == made
        # Each that there is, and of the deleted ones those for which something was made.
        assert said.keys() == world.settings.keys() | made
        assert made == {key for key, why in refused.items() if not why}
        for key, one in said.items():
            count += 1
            if key in made:
                state = {"deleted": "canceled"}.get("deleted" if key in world.gone else "", "pending")
                assert one["statusText"] == state, (seed, one)
                continue
            # Of one that did not exist it is said, too, why it would not get it today.
            because = refused.get(key) or ["created_later", *_refused_today(world, key, said)]
            assert codes(one) == because, (seed, message, one)
            assert "statusText" not in one
            assert one["attemptCount"] == one["attemptsLeft"] == 0
    return count


def _refused_today(world: World, endpoint: str, said: dict[str, Json]) -> list[str]:
    today = codes(said[endpoint])[1:]
    settings = world.settings[endpoint]
    assert ("disabled" in today) == settings["disabled"]
    return today


@pytest.fixture
async def types(client: httpx.AsyncClient) -> None:
    for name in TYPES:
        await factories.create_event_type(client, name)


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_said_is_what_publishing_did_whatever_was_changed_since(
    client: httpx.AsyncClient, database: Database, types: None, seed: int
) -> None:
    assert await check_world(client, database.pool, seed, 40) > 20


@pytest.mark.chaos
async def test_what_is_said_is_what_publishing_did_in_many_worlds(
    client: httpx.AsyncClient, database: Database, types: None
) -> None:
    for seed in range(100, 120):
        await check_world(client, database.pool, seed, 80)


async def test_what_waits_says_when_it_is_tried_next_and_what_was_tried(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message()
    await shop.delivery(message, 1)
    attempt = await shop.attempt(message, code=0, response=b"the connection was refused")
    at = await shop.due(message, 600, tries=1)
    one = (await explained(client, shop.application, message))[shop.endpoint]
    assert codes(one) == ["retry"]
    assert (one["matched"], one["status"], one["statusText"]) == (True, 1, "pending")
    assert datetime.fromisoformat(one["nextAttempt"]) == at
    assert (one["attemptCount"], one["attemptsLeft"]) == (1, 7)
    last = one["lastAttempt"]
    assert (last["id"], last["status"], last["responseStatusCode"]) == (attempt, 2, 0)
    assert last["cause"] == "the connection was refused"
    assert one["endpointUid"] == "till"


async def test_an_answer_of_a_receiver_is_not_shown_as_a_cause(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message()
    await shop.delivery(message, 2)
    await shop.attempt(message, 50, 500, b"secret words")
    newest = await shop.attempt(message, 40, 503, b"other words")
    one = (await explained(client, shop.application, message))[shop.endpoint]
    assert one["lastAttempt"]["id"] == newest
    assert "cause" not in one["lastAttempt"]
    assert one["statusText"] == "fail"


async def test_a_message_is_named_by_its_event_id_and_unknown_to_others(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop, shop_portal: httpx.AsyncClient
) -> None:
    made = await factories.publish(client, shop.application, eventId="invoice-4711")
    said = await explained(shop_portal, shop.application, "invoice-4711")
    assert said == await explained(client, shop.application, made["id"])
    assert codes(said[shop.endpoint]) == ["due"]
    other = (await factories.create_application(client))["id"]
    for asking, application, message in (
        (client, shop.application, ids.new_id("msg")),
        (client, other, made["id"]),
        (shop_portal, other, made["id"]),
        (stranger, shop.application, made["id"]),
    ):
        assert (await asking.get(f"/app/{application}/msg/{message}/explain")).status_code == 404


async def test_a_test_message_is_explained_to_those_who_did_not_get_it(
    client: httpx.AsyncClient, shop: Shop, database: Database
) -> None:
    schemas = {"1": {"type": "object", "examples": [{"id": "in_1"}]}}
    await factories.create_event_type(client, "invoice.paid", schemas=schemas)
    other = (await factories.create_endpoint(client, shop.application))["id"]
    await database.pool.execute("UPDATE endpoints SET created_at = created_at - interval '1 hour'")
    sent = await client.post(
        f"/app/{shop.application}/endpoint/{shop.endpoint}/send-example", json={"eventType": "invoice.paid"}
    )
    said = await explained(client, shop.application, sent.json()["id"])
    assert codes(said[shop.endpoint]) == ["due"]
    assert said[shop.endpoint]["attemptsLeft"] == 1
    assert codes(said[other]) == ["sent_to_one"]


async def test_what_a_worker_noted_of_an_endpoint_explains_what_waits(
    client: httpx.AsyncClient, shop: Shop, database: Database
) -> None:
    message = (await factories.publish(client, shop.application))["id"]
    path, pool = f"/app/{shop.application}/endpoint/{shop.endpoint}", database.pool

    async def now() -> list[str]:
        return codes((await explained(client, shop.application, message))[shop.endpoint])

    await pool.execute(
        "INSERT INTO endpoint_health (endpoint_id, opened_at, paused_until, revision)"
        " SELECT id, now(), now() + interval '1 minute', revision FROM endpoints WHERE id = $1",
        shop.endpoint,
    )
    assert await now() == ["paused", "breaker_open"]
    # Whoever changes the endpoint wants it tried at once: what was learned before says nothing.
    assert (await client.patch(path, json={"rateLimit": 5})).is_success
    assert await now() == ["due"]
    await pool.execute(
        "UPDATE endpoint_health SET opened_at = NULL, paused_until = NULL, throttled_since = now(), revision = ("
        " SELECT revision FROM endpoints WHERE id = $1) WHERE endpoint_id = $1",
        shop.endpoint,
    )
    assert await now() == ["throttled"]
    assert (await client.patch(path, json={"rateLimit": None})).is_success
    await pool.execute("UPDATE pending_deliveries SET next_attempt_at = now() - interval '1 minute'")
    shard = shard_of(shop.endpoint)
    before = await pool.fetchrow("SELECT * FROM shards WHERE shard = $1", shard)
    assert before is not None
    await pool.execute("UPDATE shards SET leased_until = '-infinity' WHERE shard = $1", shard)
    assert await now() == ["no_worker"]
    await pool.execute("UPDATE shards SET leased_until = now() + interval '10 s' WHERE shard = $1", shard)
    assert await now() == ["due"]
    restored = "UPDATE shards SET leased_until = $2 WHERE shard = $1"
    await pool.execute(restored, shard, before["leased_until"])
    assert (await client.patch(path, json={"disabled": True})).is_success
    assert await now() == ["disabled"]
    assert (await client.delete(f"/app/{shop.application}/msg/{message}/content")).is_success
    assert (await client.patch(path, json={"disabled": False})).is_success
    assert await now() == ["payload_gone"]


async def test_what_is_kept_of_a_message_decides_what_can_be_said(
    client: httpx.AsyncClient, shop: Shop, database: Database, settings: Settings
) -> None:
    pool, path = database.pool, f"/app/{shop.application}/endpoint/{shop.endpoint}"

    async def said_of(message: str) -> list[str]:
        return codes((await explained(client, shop.application, message))[shop.endpoint])

    message = await shop.message()
    await shop.delivery(message, 4)
    assert await said_of(message) == ["canceled"]
    await pool.execute("UPDATE deliveries SET called_off = true WHERE message_id = $1", message)
    assert await said_of(message) == ["called_off"]
    await pool.execute("UPDATE endpoints SET created_at = '2014-06-01', updated_at = '2014-06-01'")
    message = await shop.message()
    assert await said_of(message) == ["unknown"]
    await pool.execute("UPDATE messages SET deliveries = 1 WHERE id = $1", message)
    assert await said_of(message) == ["history_gone"]
    await pool.execute("UPDATE messages SET deliveries = 0, source_id = 'src_1' WHERE id = $1", message)
    await pool.execute("INSERT INTO held_messages (source_id, message_id) VALUES ('src_1', $1)", message)
    assert await said_of(message) == ["source_paused"]
    await pool.execute("DELETE FROM held_messages")
    # A change that no entry of the audit log tells of any more, because it is too old.
    old = await shop.message(age=(settings.audit_retention_days + 1) * 86_400)
    assert (await client.patch(path, json={"disabled": True})).is_success
    await pool.execute("DELETE FROM audit_entries WHERE target = $1", shop.endpoint)
    assert await said_of(old) == ["changed_since", "disabled"]


async def test_who_waits_in_a_line_is_told_behind_whom(client: httpx.AsyncClient, application: str) -> None:
    endpoint = (await factories.create_endpoint(client, application, orderedBy="/key"))["id"]
    keys = ("a", "b", "a", "a")
    messages = [(await factories.publish(client, application, payload={"key": key}))["id"] for key in keys]
    said = [(await explained(client, application, message))[endpoint] for message in messages]
    assert [codes(one) for one in said] == [["due"], ["due"], ["in_line"], ["in_line"]]
    assert [one["ahead"] for one in said] == [0, 0, 1, 2]
    assert [one.get("aheadMsgId") for one in said] == [None, None, messages[0], messages[0]]
    assert ["nextAttempt" in one for one in said] == [True, True, False, False]


async def test_a_retry_schedule_of_the_event_type_says_how_often_it_is_tried(
    client: httpx.AsyncClient, application: str
) -> None:
    await factories.create_event_type(client, "invoice.paid")
    path = "/event-type/invoice.paid/retry-schedule"
    assert (await client.put(path, json={"retrySchedule": [{"secs": 5, "nanos": 0}] * 2})).is_success
    endpoint = (await factories.create_endpoint(client, application))["id"]
    message = await factories.publish(client, application)
    assert (await explained(client, application, message["id"]))[endpoint]["attemptsLeft"] == 3


async def test_pages_hold_each_endpoint_once_both_ways(client: httpx.AsyncClient, application: str) -> None:
    made = [(await factories.create_endpoint(client, application))["id"] for _ in range(7)]
    message = (await factories.publish(client, application))["id"]
    # Deleted, and still there, because something was made for it.
    assert (await client.delete(f"/app/{application}/endpoint/{made[3]}")).is_success
    path, found, back = f"/app/{application}/msg/{message}/explain", list[str](), list[str]()
    page = await page_of(client, path, limit=3)
    while True:
        found += [one["endpointId"] for one in page["data"]]
        if page["done"]:
            break
        page = await page_of(client, path, limit=3, iterator=page["iterator"])
    assert found == sorted(made)
    while page["data"]:
        back = [one["endpointId"] for one in page["data"]] + back
        page = await page_of(client, path, limit=3, iterator=page["prevIterator"])
    assert back == found
    downwards = await page_of(client, path, limit=7, order="descending")
    assert [one["endpointId"] for one in downwards["data"]] == found[::-1]


async def test_a_hundred_endpoints_are_explained_in_a_few_statements(
    client: httpx.AsyncClient, application: str, database: Database, statements: list[str]
) -> None:
    endpoint = (await factories.create_endpoint(client, application, channels=["eu"]))["id"]
    message = (await factories.publish(client, application))["id"]
    await database.pool.execute(
        "INSERT INTO endpoints (id, application_id, url, secrets, shard, channels, created_at, updated_at)"
        " SELECT 'ep_' || lpad(i::text, 27, '0'), application_id, url, secrets, shard, channels, created_at, now()"
        " FROM endpoints, generate_series(1, 99) i WHERE id = $1",
        endpoint,
    )
    statements.clear()
    said = await explained(client, application, message, limit=100)
    assert len(said) == 100
    assert len(statements) == 5
