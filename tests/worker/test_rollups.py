"""The chore that counts for statistics."""

from datetime import timedelta

from app import clock, ids
from app.db.session import Database
from app.settings import Settings
from tests import factories
from worker.rollups import keep_rollups


async def test_what_was_there_before_is_counted_too_and_the_chore_may_run_at_any_time(
    settings: Settings, empty_dsn: str
) -> None:
    database = Database(settings.model_copy(update={"db_dsn": empty_dsn}))
    await database.open()
    organization, application = ids.new_id("org"), ids.new_id("app")
    await database.pool.execute("INSERT INTO organizations (id) VALUES ($1)", organization)
    await database.pool.execute(
        "INSERT INTO applications (id, organization_id, name, created_at, updated_at)"
        " VALUES ($1, $2, '', now(), now())",
        *(application, organization),
    )
    for age in (timedelta(days=20), timedelta(days=20), timedelta(days=3), timedelta(minutes=2)):
        await factories.record_message(database.pool, application, clock.now() - age)
    for _ in range(3):
        await keep_rollups(database.pool)
    of_hours = "SELECT sum(accepted) FROM message_rollups WHERE seconds = 3600 AND scope_id = $1"
    of_minutes = "SELECT sum(accepted) FROM message_rollups WHERE seconds = 60 AND scope_id = $1"
    assert await database.pool.fetchval(of_hours, organization) in {3, 4}, "the last hour is over, or is not"
    assert await database.pool.fetchval(of_minutes, organization) == 1, "minutes are kept for three hours"
    behind = await database.pool.fetchval("SELECT extract(epoch FROM now() - rolled_to)::float8 FROM rollup_progress")
    assert behind < 30
    await database.close()
