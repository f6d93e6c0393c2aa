"""A deleted environment: what is left of it goes in small bites in the background, and nothing more is sent for it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise

import httpx
import pytest
from loguru import logger

from app import clock, ids, tokens
from app.db.background_task.model import TaskKind
from app.settings import Settings
from tests import factories
from tests.receiver import Receiver
from tests.worker.stage import Stage, staged
from worker.background import HANDLERS, BackgroundWork
from worker.stored_payloads import StoredPayloads

QUEUE = """
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at, position, line)
SELECT 'msg_' || lpad(i::text, 27, '0'), e.id, e.application_id, e.shard, i.due, i.position, 0
FROM endpoints e, (
    SELECT n AS i, now() + interval '9 hours' AS due, NULL::bigint AS position FROM generate_series(1, $2::int) n
    UNION ALL
    SELECT 9999 + n, CASE n WHEN 1 THEN now() + interval '9 hours' ELSE 'infinity' END, n FROM generate_series(1, 3) n
) i
WHERE e.id = $1
"""
WAITS = "SELECT next_bite_at > now() + interval '2 seconds' FROM background_tasks WHERE status = 'running'"
GO_ON = "UPDATE background_tasks SET next_bite_at = now()"
TASK = "SELECT status, data::text FROM background_tasks"
LIVE = "SELECT count(*) FROM applications WHERE organization_id = $1 AND deleted_at IS NULL"


@dataclass
class Scene:
    """An environment that is about to be deleted, beside the stage's own."""

    stage: Stage
    doomed: str
    client: httpx.AsyncClient
    manager: httpx.AsyncClient
    work: BackgroundWork

    async def delete(self) -> None:
        assert (await self.manager.delete(f"/management/environment/{self.doomed}")).status_code == 204

    async def bites(self) -> int:
        """How many it took until there was nothing to do at the moment."""
        count = 0
        while await self.work.bite():
            count += 1
        return count

    async def value(self, statement: str, *values: object) -> object:
        return await self.stage.database.pool.fetchval(statement, *values)

    async def look_again(self) -> None:
        assert await self.value(WAITS) is True
        await self.stage.database.pool.execute(GO_ON)
        await self.bites()


@pytest.fixture
async def scene(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Scene]:
    assert settings.jwt_secret is not None
    secret, algorithm, doomed = settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, ids.new_id("org")
    manager = tokens.issue(secret, algorithm, ids.MANAGEMENT_ORGANIZATION_ID)
    async with (
        staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as stage,
        factories.client_of(stage.app, tokens.issue(secret, algorithm, doomed)) as client,
        factories.client_of(stage.app, manager) as managing,
    ):
        work = BackgroundWork(stage.database.pool, StoredPayloads(None), lambda shards: None)
        yield Scene(stage, doomed, client, managing, work)


async def test_all_applications_go_in_bites_and_no_other_organizations(scene: Scene, receiver: Receiver) -> None:
    stage = scene.stage
    kept = await stage.endpoint(receiver.url)
    applications = [(await factories.create_application(scene.client))["id"] for _ in range(45)]
    for application in applications[:3]:
        await factories.create_endpoint(scene.client, application, receiver.url)
        await factories.publish(scene.client, application)
    await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now() + interval '9 hours'")
    source = await factories.create_source(scene.client, applicationId=applications[0])
    await scene.delete()
    # Three of applications, one that empties queues, one that finds nothing more.
    assert await scene.bites() == 5
    assert (await scene.value(LIVE, scene.doomed), await stage.pending()) == (0, 0)
    assert await scene.value("SELECT deleted_at IS NOT NULL FROM sources WHERE id = $1", source["id"]) is True
    assert {state for state, _ in (await stage.states()).values()} == {4}
    await scene.look_again()
    assert tuple(await stage.database.pool.fetchrow(TASK)) == ("finished", '{"applications": 45}')
    async with stage.draining():
        await stage.publish(kept)
        assert len(await receiver.wait_for(1)) == 1
    assert len(receiver.arrivals) == 1


async def test_a_long_queue_is_canceled_some_hundred_deliveries_at_a_time(scene: Scene) -> None:
    application = (await factories.create_application(scene.client))["id"]
    endpoint = (await factories.create_endpoint(scene.client, application))["id"]
    await scene.stage.database.pool.execute(QUEUE, endpoint, 1200)
    await scene.delete()
    left = [await scene.stage.pending()]
    while await scene.work.bite():
        left.append(await scene.stage.pending())
    assert left[0] == 1203
    assert max(before - after for before, after in pairwise(left)) == 500
    assert (left[-1], len(await scene.stage.states())) == (0, 1203)


async def test_an_application_goes_with_the_last_of_many_endpoints(scene: Scene) -> None:
    application = (await factories.create_application(scene.client))["id"]
    await factories.create_endpoint(scene.client, application)
    await scene.stage.database.pool.execute(
        "INSERT INTO endpoints SELECT (e).* FROM (SELECT jsonb_populate_record(e, jsonb_build_object("
        "'id', 'ep_' || lpad(n::text, 27, '0'))) AS e FROM endpoints e, generate_series(1, 60) n) made"
    )
    await scene.delete()
    await scene.work.bite()
    live = "SELECT count(*) FROM endpoints WHERE deleted_at IS NULL"
    assert (await scene.value(live), await scene.value(LIVE, scene.doomed)) == (11, 1)
    await scene.bites()
    assert (await scene.value(live), await scene.value(LIVE, scene.doomed)) == (0, 0)


async def test_what_is_being_recorded_is_waited_for_and_not_in_anybodys_way(scene: Scene) -> None:
    application = (await factories.create_application(scene.client))["id"]
    endpoint = (await factories.create_endpoint(scene.client, application))["id"]
    await scene.stage.database.pool.execute(QUEUE, endpoint, 2)
    await scene.delete()
    async with scene.stage.database.pool.acquire() as recorder, recorder.transaction():
        await recorder.execute("SELECT FROM pending_deliveries WHERE message_id LIKE '%00002' FOR UPDATE")
        await scene.bites()
        assert await scene.stage.pending() == 1
    await scene.stage.database.pool.execute(GO_ON)
    await scene.bites()
    assert await scene.stage.pending() == 0


async def test_what_came_later_by_a_token_that_was_about_to_end_goes_too(scene: Scene) -> None:
    """As from a process of the release before this one, which refuses nothing."""
    await factories.create_application(scene.client)
    await scene.delete()
    await scene.bites()
    now, pool = clock.now(), scene.stage.database.pool
    await pool.execute(
        "INSERT INTO applications (id, organization_id, name, created_at, updated_at) VALUES ($1, $2, 'late', $3, $3)",
        *(ids.new_id("app"), scene.doomed, now),
    )
    await pool.execute(
        "INSERT INTO api_tokens (id, organization_id, name, hash, ending, created_at, changed_at)"
        " VALUES ($1, $2, 'late', $3, 'abcd', $4, $4)",
        *(ids.new_id("key"), scene.doomed, b"h" * 32, now),
    )
    await scene.look_again()
    assert await scene.value(LIVE, scene.doomed) == 0
    ended = "SELECT expires_at <= clock_timestamp() FROM api_tokens WHERE organization_id = $1"
    assert await scene.value(ended, scene.doomed) is True
    assert tuple(await pool.fetchrow(TASK)) == ("finished", '{"applications": 2}')


async def test_a_deletion_that_fails_is_told_of_and_never_given_up(scene: Scene) -> None:
    async def fail(*_: object) -> None:
        raise TimeoutError

    await factories.create_application(scene.client)
    await scene.delete()
    told: list[str] = []
    sink = logger.add(lambda line: told.append(str(line)), level="ERROR", format="{message}")
    broken = BackgroundWork(
        scene.stage.database.pool,
        StoredPayloads(None),
        lambda shards: None,
        {TaskKind.DELETE_ENVIRONMENT: fail},  # type: ignore[dict-item]
    )
    for _ in range(9):
        await scene.stage.database.pool.execute(GO_ON)
        assert await broken.bite()
    logger.remove(sink)
    assert [scene.doomed in line and "is tried again" in line for line in told] == [True, True]
    assert await scene.value("SELECT status FROM background_tasks") == "running"
    assert TaskKind.DELETE_ENVIRONMENT in HANDLERS
    await scene.stage.database.pool.execute(GO_ON)
    await scene.bites()
    assert await scene.value(LIVE, scene.doomed) == 0
