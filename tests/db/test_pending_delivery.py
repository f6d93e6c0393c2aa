"""Canceling what is still to do: of an endpoint, and of an application."""

import httpx

from app.db.pending_delivery.table import PendingDeliveriesTable
from app.db.session import Database
from tests import factories


async def _states(database: Database, application: str) -> dict[tuple[str, str], tuple[int, int]]:
    """State and attempts of each delivery in history, by message and endpoint."""
    query = "SELECT message_id, endpoint_id, state, attempts FROM deliveries WHERE application_id = $1"
    return {(row[0], row[1]): (row[2], row[3]) for row in await database.pool.fetch(query, application)}


async def _waiting(database: Database, application: str) -> set[tuple[str, str]]:
    query = "SELECT message_id, endpoint_id FROM pending_deliveries WHERE application_id = $1"
    return {(row[0], row[1]) for row in await database.pool.fetch(query, application)}


async def _tried(database: Database, application: str, message: str, endpoint: str, state: int) -> None:
    """Three attempts were made, and left the delivery in that state."""
    values = (message, endpoint, application, state)
    await database.pool.execute("INSERT INTO deliveries VALUES ($1, $2, $3, $4, 3)", *values)
    where = "WHERE message_id = $1 AND endpoint_id = $2"
    await database.pool.execute(f"UPDATE pending_deliveries SET tries = 3 {where}", message, endpoint)


async def test_canceling_keeps_the_outcome_of_what_had_ended_before(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    new, retried, resent, failed = [(await factories.publish(client, application))["id"] for _ in range(4)]
    await _tried(database, application, retried, endpoint, 1)
    await _tried(database, application, resent, endpoint, 0)
    await _tried(database, application, failed, endpoint, 2)
    async with database.transaction() as session:
        await PendingDeliveriesTable(session).cancel_of_endpoint(application, endpoint)
    assert await _waiting(database, application) == set()
    assert await _states(database, application) == {
        (new, endpoint): (4, 0),
        (retried, endpoint): (4, 3),
        (resent, endpoint): (0, 3),
        (failed, endpoint): (2, 3),
    }


async def test_canceling_of_an_endpoint_needs_its_application(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    message = (await factories.publish(client, application))["id"]
    other = (await factories.create_application(client))["id"]
    async with database.transaction() as session:
        await PendingDeliveriesTable(session).cancel_of_endpoint(other, endpoint)
    assert await _waiting(database, application) == {(message, endpoint)}


async def test_canceling_of_an_application_ends_all_of_its_endpoints_deliveries_only(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    endpoints = [(await factories.create_endpoint(client, application))["id"] for _ in range(2)]
    message = (await factories.publish(client, application))["id"]
    other = (await factories.create_application(client))["id"]
    spared = (await factories.create_endpoint(client, other))["id"]
    kept = (await factories.publish(client, other))["id"]
    async with database.transaction() as session:
        await PendingDeliveriesTable(session).cancel_of_application(application)
    assert await _waiting(database, application) == set()
    assert await _states(database, application) == {(message, endpoint): (4, 0) for endpoint in endpoints}
    assert await _waiting(database, other) == {(kept, spared)}


async def test_canceling_does_not_wait_for_what_a_worker_is_recording(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    recorded = (await factories.publish(client, application))["id"]
    canceled = (await factories.publish(client, application))["id"]
    async with database.pool.acquire() as worker, worker.transaction():
        await worker.execute("UPDATE pending_deliveries SET tries = 1 WHERE message_id = $1", recorded)
        async with database.transaction() as session:
            await PendingDeliveriesTable(session).cancel_of_endpoint(application, endpoint)
    assert await _waiting(database, application) == {(recorded, endpoint)}
    assert await _states(database, application) == {(canceled, endpoint): (4, 0)}
