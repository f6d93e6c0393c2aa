"""Hop 3: what one statement stores, for whom, and what becomes of those that meet in a batch."""

import asyncio
import hashlib
from typing import Any

import asyncpg
import httpx
import pytest

from app import ids
from app.db.message.new import Extras, Refusal, Stored
from app.db.session import Database
from app.payload_store.stored import StoredPayload
from tests import factories
from tests.db.desk import Desk


async def test_a_message_is_stored_as_it_came_and_its_time_is_the_one_that_is_answered(desk: Desk) -> None:
    message = desk.new(channels=("eu", "us"), event_id="paid-1")
    (result,), shards = await desk.publishing.publish([message])
    assert isinstance(result, Stored)
    assert shards == set()
    row = await desk.pool.fetchrow("SELECT * FROM messages WHERE id = $1", message.id)
    assert dict(row) == {
        "id": message.id,
        "application_id": desk.application,
        "event_type": "invoice.paid",
        "event_id": "paid-1",
        "channels": ["eu", "us"],
        "tags": None,
        "payload": b'{"a": 1.10}',
        "created_at": result.created_at,
        "deliveries": 0,
        "stored_bytes": None,
        "stored_digest": None,
        "payload_days": None,
        "deliver_at": None,
        "transformations_params": None,
        "source_id": None,
        "received": None,
    }


MATCHES: list[tuple[dict[str, Any], str, tuple[str, ...] | None, bool]] = [
    ({}, "invoice.paid", None, True),
    ({}, "invoice.paid", ("eu",), True),
    ({"eventTypes": ["invoice.paid", "order.made"]}, "invoice.paid", None, True),
    ({"eventTypes": ["order.made"]}, "invoice.paid", None, False),
    ({"eventTypes": ["order.made"]}, "order.made.late", None, False),
    ({"channels": ["eu"]}, "invoice.paid", ("us", "eu"), True),
    ({"channels": ["eu", "us"]}, "invoice.paid", ("us",), True),
    ({"channels": ["eu"]}, "invoice.paid", ("us",), False),
    ({"channels": ["eu"]}, "invoice.paid", ("eu-west",), False),
    # An endpoint that listens to channels gets no message that is in none.
    ({"channels": ["eu"]}, "invoice.paid", None, False),
    ({"channels": ["eu"], "eventTypes": ["order.made"]}, "invoice.paid", ("eu",), False),
    ({"channels": ["eu"], "eventTypes": ["invoice.paid"]}, "invoice.paid", ("eu",), True),
    ({"disabled": True}, "invoice.paid", None, False),
]


@pytest.mark.parametrize(("endpoint", "event_type", "channels", "expected"), MATCHES)
async def test_an_endpoint_gets_what_it_subscribed_to(
    client: httpx.AsyncClient,
    desk: Desk,
    endpoint: dict[str, Any],
    event_type: str,
    channels: tuple[str, ...] | None,
    expected: bool,
) -> None:
    for name in endpoint.get("eventTypes", []):
        await factories.create_event_type(client, name)
    made = (await factories.create_endpoint(client, desk.application, **endpoint))["id"]
    message = desk.new(event_type=event_type, channels=channels)
    (result,), shards = await desk.publishing.publish([message])
    assert isinstance(result, Stored)
    assert await desk.queued(message) == ({made} if expected else set())
    kept = await desk.pool.fetchval("SELECT shard FROM endpoints WHERE id = $1", made)
    assert shards == ({kept} if expected else set())


async def test_a_message_fans_out_to_all_live_endpoints_of_its_application_and_no_others(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    made = [(await factories.create_endpoint(client, desk.application))["id"] for _ in range(5)]
    await client.delete(f"/app/{desk.application}/endpoint/{made[0]}")
    neighbour = (await factories.create_application(client))["id"]
    await factories.create_endpoint(client, neighbour)
    first, second = desk.new(), desk.new()
    assert await desk.publish(first, second) == ["Stored", "Stored"]
    for message in (first, second):
        assert await desk.queued(message) == set(made[1:])
    rows = await desk.pool.fetch(
        "SELECT p.shard, e.shard, p.tries, p.trigger, p.next_attempt_at <= now() FROM pending_deliveries p"
        " JOIN endpoints e ON e.id = p.endpoint_id WHERE p.application_id = $1",
        desk.application,
    )
    assert len(rows) == 8
    assert all(row[0] == row[1] and tuple(row)[2:] == (0, 0, True) for row in rows)


async def test_a_batch_may_hold_messages_of_many_applications(client: httpx.AsyncClient, desk: Desk) -> None:
    applications = [(await factories.create_application(client))["id"] for _ in range(10)]
    endpoints = [(await factories.create_endpoint(client, application))["id"] for application in applications]
    batch = [desk.new(application_id=application) for application in applications]
    assert await desk.publish(*batch) == ["Stored"] * 10
    assert [await desk.queued(message) for message in batch] == [{endpoint} for endpoint in endpoints]


async def test_nothing_is_stored_for_an_application_that_is_not_the_callers(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, desk: Desk
) -> None:
    foreign = (await factories.create_application(stranger))["id"]
    deleted = (await factories.create_application(client, uid=factories.unique("gone")))["id"]
    await client.delete(f"/app/{deleted}")
    good = desk.new()
    batch = [
        desk.new(application_id=foreign, key=b"k1", event_id="e1"),
        good,
        desk.new(application_id=deleted, key=b"k2", event_id="e2"),
        desk.new(application_id=ids.new_id("app")),
        desk.new(uid="another-uid", key=b"k3"),
    ]
    refused = "no_application"
    assert await desk.publish(*batch) == [refused, "Stored", refused, refused, refused]
    assert await desk.stored() == {good.id}
    for table, where in (
        ("messages", "id = ANY ($1)"),
        ("message_event_ids", "message_id = ANY ($1)"),
        ("idempotency_keys", "message_id = ANY ($1)"),
    ):
        others = [message.id for message in batch if message is not good]
        assert await desk.pool.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", others) == 0


async def test_two_of_a_batch_that_claim_one_event_id_or_key_are_stored_once_and_their_neighbours_too(
    desk: Desk,
) -> None:
    batch = [
        desk.new(event_id="paid-1"),
        desk.new(),
        desk.new(event_id="paid-1"),
        desk.new(key=b"one key"),
        desk.new(event_id="paid-2"),
        desk.new(key=b"one key"),
    ]
    assert await desk.publish(*batch) == ["Stored", "Stored", "taken", "Stored", "Stored", "taken"]
    assert await desk.stored() == {batch[number].id for number in (0, 1, 3, 4)}
    replay = await desk.publishing.replay_of(desk.organization_id, b"one key")
    assert replay is not None
    assert (replay.message_id, replay.request_hash) == (batch[3].id, b"hash")


@pytest.mark.parametrize("poison", ["a\0b", "a\ud800b"])
async def test_a_message_that_postgres_cannot_store_does_not_fail_its_neighbours(desk: Desk, poison: str) -> None:
    batch = [desk.new(), desk.new(event_type=poison), desk.new(event_id="paid-1")]
    results, _ = await desk.publishing.publish(batch)
    assert [type(result) for result in (results[0], results[2])] == [Stored, Stored]
    assert isinstance(results[1], asyncpg.DataError)
    assert await desk.stored() == {batch[0].id, batch[2].id}


async def test_a_key_that_comes_with_a_taken_event_id_stays_free(desk: Desk) -> None:
    assert await desk.publish(desk.new(event_id="paid-1")) == ["Stored"]
    assert await desk.publish(desk.new(event_id="paid-1", key=b"key")) == ["taken"]
    assert await desk.publishing.replay_of(desk.organization_id, b"key") is None
    assert await desk.publish(desk.new(event_id="paid-2", key=b"key")) == ["Stored"]


async def test_event_ids_belong_to_an_application_and_keys_to_an_organization(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    other = (await factories.create_application(client))["id"]
    batch = [desk.new(event_id="e", key=b"k1"), desk.new(event_id="e", key=b"k2", application_id=other)]
    assert await desk.publish(*batch) == ["Stored", "Stored"]
    assert await desk.publishing.replay_of(ids.new_id("org"), b"k1") is None


async def test_many_processes_that_publish_the_same_at_once_store_it_once(desk: Desk) -> None:
    async def publish(number: int) -> list[str]:
        batch = [desk.new(event_id=f"e-{item}", key=b"key %d" % item) for item in range(5)]
        return await desk.publish(*(batch if number % 2 else reversed(batch)))

    results = [word for words in await asyncio.gather(*map(publish, range(8))) for word in words]
    assert (results.count("Stored"), results.count("taken")) == (5, 35)
    assert len(await desk.stored()) == 5
    counted = "SELECT count(*) FROM idempotency_keys WHERE organization_id = $1"
    assert await desk.pool.fetchval(counted, desk.organization_id) == 5


@pytest.mark.parametrize("claim", ["key", "event_id"])
async def test_two_batches_with_the_same_claims_in_another_order_do_not_wait_in_a_circle(
    desk: Desk, claim: str
) -> None:
    names: list[Any] = [b"a", b"b", b"c"] if claim == "key" else ["a", "b", "c"]
    forwards, backwards = ([desk.new(**{claim: name}) for name in order] for order in (names, names[::-1]))
    async with desk.pool.acquire() as third:
        # Somebody else holds the claim in the middle, so that both batches get stuck on their way.
        transaction = third.transaction()
        await transaction.start()
        if claim == "key":
            await third.execute(
                "INSERT INTO idempotency_keys (organization_id, key, request_hash, message_id)"
                " VALUES ($1, 'b', 'h', 'm')",
                desk.organization_id,
            )
        else:
            await third.execute("INSERT INTO message_event_ids VALUES ($1, 'b', 'm')", desk.application)
        both = asyncio.gather(desk.publish(*forwards), desk.publish(*backwards))
        await asyncio.sleep(0.3)
        await transaction.rollback()
    # Postgres looks for circles after a second, and ends one of those in it.
    async with asyncio.timeout(0.9):
        results = await both
    assert sorted(results) == [["Stored"] * 3, ["taken"] * 3]


async def test_once_some_of_a_batch_are_stored_a_lost_connection_is_the_outcome_of_the_others(
    desk: Desk, database: Database
) -> None:
    # The database ends the connection that stores this message on its own; the first two are stored before that.
    victim = factories.unique("victim")
    await database.pool.execute(
        f"""
        CREATE FUNCTION "{victim}"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.event_id = '{victim}' AND EXISTS (SELECT FROM messages WHERE application_id = NEW.application_id)
            THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER "{victim}" BEFORE INSERT ON message_event_ids FOR EACH ROW EXECUTE FUNCTION "{victim}"();
        """
    )
    try:
        batch = [desk.new(event_id="e"), desk.new(event_id="e"), desk.new(event_id=victim), desk.new()]
        results, _ = await desk.publishing.publish(batch)
    finally:
        await database.pool.execute(f'DROP FUNCTION "{victim}" CASCADE')
    assert isinstance(results[0], Stored)
    assert results[1] is Refusal.TAKEN
    assert all(isinstance(result, asyncpg.PostgresError) for result in results[2:])
    assert await desk.stored() == {batch[0].id}


async def test_a_payload_that_is_kept_elsewhere_is_not_in_its_row_and_still_says_its_line(
    desk: Desk, client: httpx.AsyncClient
) -> None:
    await factories.create_endpoint(client, desk.application, orderedBy="/a")
    payload = b'{"a": "one"}'
    elsewhere = desk.new(payload=payload, stored=StoredPayload.of("msg", payload))
    here = desk.new(payload=payload, extras=Extras(payload_hours=5 * 24))
    assert await desk.publish(elsewhere, here) == ["Stored", "Stored"]
    rows = await desk.pool.fetch(
        "SELECT id, payload, stored_bytes, stored_digest, payload_days FROM messages WHERE id = ANY ($1)",
        [elsewhere.id, here.id],
    )
    assert {tuple(row) for row in rows} == {
        (elsewhere.id, None, len(payload), hashlib.sha256(payload).digest(), None),
        (here.id, payload, None, None, 5),
    }
    lines = await desk.pool.fetch(
        "SELECT line FROM pending_deliveries WHERE message_id = ANY ($1)", [elsewhere.id, here.id]
    )
    assert len(lines) == 2
    assert len({row["line"] for row in lines}) == 1
    assert lines[0]["line"] != 0
    due = await desk.pool.fetch(
        "SELECT message_id, expires_at - now() BETWEEN interval '4 days 23 hours' AND interval '5 days' AS in_time"
        " FROM payload_expiries WHERE message_id = ANY ($1)",
        [elsewhere.id, here.id],
    )
    assert [tuple(row) for row in due] == [(here.id, True)]
