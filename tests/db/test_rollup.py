"""Rollups: they say what the rows of history count to, however those came, and however often they are counted."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
import pytest

from app import ids
from app.db.rollup import writing
from app.db.rollup.latency import MOST, milliseconds_from, percentile
from app.db.rollup.scope import Scope
from app.db.rollup.series import SeriesTable
from app.db.rollup.writing import HOUR, KEPT, LONGEST, MINUTE, QUARTER, floor, forget_rollups, roll_stretch
from app.db.session import Database
from app.settings import Settings
from tests import factories

ORGANIZATIONS: Final = [ids.new_id("org") for _ in range(2)]
# Of the first organization two, one of which is its operational one.
APPLICATIONS: Final = [ids.new_id("app") for _ in range(4)]
OWNER: Final = dict(
    zip(APPLICATIONS, [ORGANIZATIONS[0], ORGANIZATIONS[0], ORGANIZATIONS[0], ORGANIZATIONS[1]], strict=True)
)
OPERATIONAL: Final = APPLICATIONS[2]
ENDPOINTS: Final = {application: [ids.new_id("ep") for _ in range(2)] for application in APPLICATIONS}
BASE: Final = datetime(2026, 11, 18, 7, 20, 13, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """A message (without an endpoint) or an attempt: when its id is made, and when it is committed."""

    at: datetime
    committed_at: datetime
    application: str
    endpoint: str | None
    milliseconds: int
    code: int


@pytest.fixture
async def connection(empty_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(empty_dsn)
    await connection.executemany("INSERT INTO organizations (id) VALUES ($1)", [[each] for each in ORGANIZATIONS])
    await connection.executemany(
        "INSERT INTO applications (id, organization_id, name, created_at, updated_at, operational)"
        " VALUES ($1, $2, 'x', now(), now(), $3)",
        [[application, OWNER[application], application == OPERATIONAL] for application in APPLICATIONS],
    )
    await connection.execute("UPDATE rollup_progress SET rolled_to = $1", BASE)
    yield connection
    await connection.close()


def rows_of(chance: random.Random, count: int, span: timedelta, latest: timedelta) -> list[Row]:
    """Rows of a span of time, most of them committed at once, some a minute later, some as late as they may be."""
    found = []
    for _ in range(count):
        at = BASE + span * chance.random()
        late = chance.choice(
            [timedelta(0), timedelta(0), min(latest, MINUTE) * chance.random(), latest * chance.random()]
        )
        application = chance.choice(APPLICATIONS)
        endpoint = chance.choice([None, *ENDPOINTS[application]])
        milliseconds = int(2 ** (chance.random() * 18)) if chance.random() < 0.9 else 0
        found.append(Row(at, at + late, application, endpoint, milliseconds, chance.choice([200, 204, 500, 0])))
    return found


async def commit(connection: asyncpg.Connection, rows: list[Row]) -> None:
    messages = [(factories.id_at("msg", row.at), row.application) for row in rows if row.endpoint is None]
    await connection.executemany(
        "INSERT INTO messages (id, application_id, event_type, payload) VALUES ($1, $2, 'a', '{}')", messages
    )
    attempts = [
        (factories.id_at("atmpt", row.at), ids.new_id("msg"), row.endpoint, row.application, row.code, row.milliseconds)
        for row in rows
        if row.endpoint is not None
    ]
    await connection.executemany(
        "INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code,"
        " response_duration_ms) VALUES ($1, $2, $3, $4, '', CASE WHEN $5 / 100 = 2 THEN 0 ELSE 2 END, 0, $5, $6)",
        attempts,
    )


async def roll(connection: asyncpg.Connection, now: datetime, longest: timedelta = LONGEST) -> None:
    while await roll_stretch(connection, now, longest):
        pass


def scopes_of(row: Row) -> list[str]:
    if row.application == OPERATIONAL:
        return []
    return [OWNER[row.application], row.application, *([row.endpoint] if row.endpoint else [])]


def counted(rows: list[Row], span: timedelta) -> tuple[Counter[object], Counter[object]]:
    """What the rollups of one length should say: messages, and attempts (with those that failed by themselves)."""
    messages, attempts = Counter[object](), Counter[object]()
    for row in rows:
        for scope in scopes_of(row):
            if row.endpoint is None:
                messages[floor(row.at, span), scope] += 1
            else:
                bucket = next(n for n in range(MOST, -1, -1) if milliseconds_from(n) <= max(row.milliseconds, 1) + 1e-6)
                attempts[floor(row.at, span), scope, bucket] += 1
                attempts[floor(row.at, span), scope, bucket, "failed"] += row.code not in {200, 204}
    return messages, +attempts


async def kept(connection: asyncpg.Connection, span: timedelta) -> tuple[Counter[object], Counter[object]]:
    """What they do say."""
    messages, attempts = Counter[object](), Counter[object]()
    seconds = int(span.total_seconds())
    for row in await connection.fetch("SELECT * FROM message_rollups WHERE seconds = $1", seconds):
        messages[row["starts_at"], row["scope_id"]] = row["accepted"]
    for row in await connection.fetch("SELECT * FROM attempt_rollups WHERE seconds = $1", seconds):
        attempts[row["starts_at"], row["scope_id"], row["bucket"]] = row["attempts"]
        attempts[row["starts_at"], row["scope_id"], row["bucket"], "failed"] = row["failed"]
    return messages, +attempts


@pytest.mark.parametrize("seed", range(3))
async def test_rollups_are_what_the_rows_count_to_however_late_they_came(
    connection: asyncpg.Connection, seed: int
) -> None:
    chance = random.Random(seed)
    span = timedelta(minutes=chance.choice([3, 20, 150]))
    rows = rows_of(chance, 300, span, timedelta(minutes=50))
    now, waiting = BASE, sorted(rows, key=lambda row: row.committed_at)
    while waiting:
        # Now and then nobody counts for a long time.
        now += (
            timedelta(seconds=20) if chance.random() < 0.9 and span < HOUR else timedelta(minutes=chance.random() * 40)
        )
        there = [row for row in waiting if row.committed_at <= now]
        waiting = waiting[len(there) :]
        await commit(connection, there)
        await roll(connection, now)
    # All of them have settled an hour after they were made; a quarter of an hour and an hour are over by then.
    for seconds in range(0, 3 * 3600, 600):
        await roll(connection, max(now, BASE + span) + timedelta(seconds=seconds))
    for length in (MINUTE, QUARTER, HOUR):
        assert await kept(connection, length) == counted(rows, length), (seed, length)


async def test_counting_the_same_again_changes_nothing_and_what_was_forgotten_stays_counted(
    connection: asyncpg.Connection,
) -> None:
    rows = rows_of(random.Random(7), 200, timedelta(minutes=90), timedelta(0))
    await commit(connection, rows)
    now = BASE + timedelta(hours=3)
    await roll(connection, now)
    before = [await kept(connection, span) for span in (MINUTE, QUARTER, HOUR)]
    await connection.execute("UPDATE rollup_progress SET rolled_to = $1", BASE)
    await roll(connection, now)
    assert [await kept(connection, span) for span in (MINUTE, QUARTER, HOUR)] == before
    await connection.execute("DELETE FROM attempts")
    await connection.execute("DELETE FROM messages WHERE application_id = $1", APPLICATIONS[0])
    await connection.execute("UPDATE rollup_progress SET rolled_to = $1", BASE)
    await roll(connection, now)
    assert [await kept(connection, span) for span in (MINUTE, QUARTER, HOUR)] == before


async def test_what_was_broken_off_is_counted_once_all_the_same(
    connection: asyncpg.Connection, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(random.Random(8), 100, timedelta(minutes=9), timedelta(0))
    await commit(connection, rows)
    now = BASE + timedelta(minutes=10)
    with monkeypatch.context() as broken:
        broken.setattr(writing, "_MOVE", "SELECT 1 / ($1::timestamptz IS NULL)::integer")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await roll_stretch(connection, now)
    assert await connection.fetchval("SELECT count(*) FROM attempt_rollups") == 0
    other = await asyncpg.connect(empty_dsn)
    async with other.transaction():
        await other.execute("SELECT FROM rollup_progress FOR UPDATE")
        assert not await roll_stretch(connection, now), "somebody else is at it"
        assert await connection.fetchval("SELECT count(*) FROM attempt_rollups") == 0
    await other.close()
    await roll(connection, now)
    assert await kept(connection, MINUTE) == counted(rows, MINUTE)


async def test_history_that_is_long_over_is_counted_without_a_look_at_each_minute(
    connection: asyncpg.Connection,
) -> None:
    await commit(connection, [Row(BASE, BASE, APPLICATIONS[0], ENDPOINTS[APPLICATIONS[0]][0], 5, 200)])
    stretches, now = 1, BASE + timedelta(days=20)
    while await roll_stretch(connection, now):
        stretches += 1
    assert stretches <= 3
    assert (await kept(connection, HOUR))[1][floor(BASE, HOUR), ORGANIZATIONS[0], 6] == 1


async def test_rollups_are_forgotten_by_their_kind(connection: asyncpg.Connection) -> None:
    await commit(connection, rows_of(random.Random(9), 100, timedelta(hours=8), timedelta(0)))
    await roll(connection, BASE + timedelta(hours=9))
    await forget_rollups(connection)
    oldest = await connection.fetchval("SELECT min(starts_at) FROM attempt_rollups WHERE seconds = 60")
    assert oldest >= BASE + timedelta(hours=9) - KEPT[MINUTE] - MINUTE
    assert len((await kept(connection, HOUR))[0]) > 0
    await connection.execute("UPDATE rollup_progress SET rolled_to = rolled_to + interval '3 days'")
    await forget_rollups(connection)
    for table in ("attempt_rollups", "message_rollups"):
        assert await connection.fetchval(f"SELECT array_agg(DISTINCT seconds) FROM {table}") == [3600]
    await connection.execute("UPDATE rollup_progress SET rolled_to = rolled_to + interval '60 days'")
    await forget_rollups(connection)
    assert await connection.fetchval("SELECT count(*) FROM attempt_rollups") == 0


@pytest.mark.parametrize("step", [MINUTE, timedelta(hours=2)])
async def test_a_series_counts_everything_once_at_any_moment(
    connection: asyncpg.Connection, settings: Settings, empty_dsn: str, step: timedelta
) -> None:
    chance, now = random.Random(int(step.total_seconds())), datetime.now(UTC).replace(microsecond=0)
    database = Database(settings.model_copy(update={"db_dsn": empty_dsn}))
    starts = [floor(now, step) - step * n for n in range(23, -1, -1)]
    shift = starts[0] - BASE
    rows = [
        Row(row.at + shift, row.at + shift, *(row.application, row.endpoint, row.milliseconds, row.code))
        for row in rows_of(chance, 200, now - starts[0], timedelta(0))
    ]
    # What nobody counted for ten minutes is not looked at.
    rows = [row for row in rows if not timedelta(minutes=8) < now - row.at < timedelta(minutes=12)]
    await commit(connection, rows)
    for age in (now - starts[0], timedelta(minutes=14), timedelta(seconds=20), timedelta(0)):
        rolled_to = now - age
        await connection.execute("UPDATE rollup_progress SET rolled_to = $1", starts[0])
        await connection.execute("TRUNCATE message_rollups, attempt_rollups")
        await roll(connection, rolled_to, HOUR)
        counted_to = max(rolled_to - timedelta(seconds=1), starts[0])
        there = [row for row in rows if row.at < counted_to or row.at > now - timedelta(minutes=10)]
        async with database.reading() as session:
            for scope in (
                Scope("organization", ORGANIZATIONS[0]),
                Scope("application", APPLICATIONS[1]),
                Scope("endpoint", ENDPOINTS[APPLICATIONS[0]][1]),
            ):
                series = await SeriesTable(session).read(scope, starts, step)
                ours = [row for row in there if scope.id in scopes_of(row)]
                for at, point in zip(starts, series.points, strict=True):
                    mine = [row for row in ours if floor(row.at, step) == at]
                    tried = [row for row in mine if row.endpoint]
                    assert point.attempts == len(tried) == sum(point.latency.values())
                    assert point.failed == sum(row.code not in {200, 204} for row in tried)
                    if scope.kind != "endpoint":
                        assert point.accepted == len(mine) - len(tried)
                assert series.is_behind == (now - counted_to > timedelta(seconds=21))
    await database.engine.dispose()


async def test_a_series_says_when_more_has_not_been_counted_than_it_looks_at(
    connection: asyncpg.Connection, settings: Settings, empty_dsn: str
) -> None:
    database, now = Database(settings.model_copy(update={"db_dsn": empty_dsn})), datetime.now(UTC)
    await connection.execute("UPDATE rollup_progress SET rolled_to = $1", now - timedelta(seconds=30))
    row = Row(now, now, APPLICATIONS[0], None, 1, 200)
    await commit(connection, [row] * 10)
    async with database.reading() as session:
        table, scope, starts = SeriesTable(session), Scope("organization", ORGANIZATIONS[0]), [floor(now)]
        few, all_of_them = await table.read(scope, starts, MINUTE, most=5), await table.read(scope, starts, MINUTE)
    assert (few.is_behind, few.points[0].accepted) == (True, 5)
    assert (all_of_them.is_behind, all_of_them.points[0].accepted) == (False, 10)
    await database.engine.dispose()


def test_a_percentile_of_buckets_is_near_that_of_the_durations() -> None:
    chance = random.Random(1)
    for _ in range(20):
        durations = sorted(
            int(2 ** (chance.random() * chance.randint(3, 17))) + 1 for _ in range(chance.randint(30, 400))
        )
        counts = Counter(next(n for n in range(MOST, -1, -1) if milliseconds_from(n) <= ms + 1e-6) for ms in durations)
        for share in (0.5, 0.95, 0.99):
            exact = durations[min(len(durations) - 1, int(share * len(durations)))]
            low = durations[max(0, int(share * len(durations)) - 1)]
            found = percentile(counts, share)
            assert found is not None
            assert low / 2 ** (1 / 3) <= found <= exact * 2 ** (1 / 3) + 1
    assert percentile({}, 0.5) is None
