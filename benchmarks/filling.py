"""Rows that a database would have after months, or with a backlog: written by SQL, in the order of their ids."""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg

FAILED_OF_A_HUNDRED = 1
"""Of the attempts of every second application; the others have none that failed."""
EVENT_TYPES = 50
_CHUNK = 50_000
_LANES = 2
_WEEKS = 8

# The seven leading digits of an id hold its time (app/ids.py): 4 ms are 2^120 values, and 62^20 of them share these
# digits. What follows may be anything: here the digits of a hash.
_FUNCTIONS = f"""
CREATE FUNCTION bench_lead(at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT floor((floor(s) * 256 + floor((s - floor(s)) * 250)) * {2**120 / 62**20})::bigint + 1
    FROM (SELECT extract(epoch FROM at)::float8 - 1400000000 AS s) since
$$;
CREATE FUNCTION bench_id(prefix text, lead bigint, tail text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
BEGIN
    RETURN prefix
        || substr(digits, (lead / 56800235584 % 62)::integer + 1, 1)
        || substr(digits, (lead / 916132832 % 62)::integer + 1, 1)
        || substr(digits, (lead / 14776336 % 62)::integer + 1, 1)
        || substr(digits, (lead / 238328 % 62)::integer + 1, 1)
        || substr(digits, (lead / 3844 % 62)::integer + 1, 1)
        || substr(digits, (lead / 62 % 62)::integer + 1, 1)
        || substr(digits, (lead / 1 % 62)::integer + 1, 1)
        || left(md5(tail), 20);
END
$$;
-- Whose rows they are. Numbers are drawn by their square, so that the first has many and the last has few.
CREATE TABLE bench_owners (number integer PRIMARY KEY, application_id text, endpoint_id text, url text);
"""
_OWNERS = """
INSERT INTO bench_owners
SELECT row_number() OVER (ORDER BY e.id) - 1, e.application_id, e.id, e.url
FROM endpoints e WHERE e.application_id = ANY ($1)
"""
# The partitions that this installation would have made in the weeks before.
_PARTITION = """
CREATE TABLE {table}_{day} PARTITION OF {table} FOR VALUES FROM ('{low}') TO ('{high}')
"""
_WEEKS_BEFORE = """
SELECT to_char(week, 'YYYYMMDD') AS day, floor_id('msg', week) AS low_msg, floor_id('msg', next) AS high_msg,
       floor_id('atmpt', week) AS low_atmpt, floor_id('atmpt', next) AS high_atmpt
FROM generate_series(1, $1) AS ahead
CROSS JOIN LATERAL (
    SELECT date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(weeks => ahead) AS week) w
CROSS JOIN LATERAL (SELECT week + interval '1 week' AS next) n
"""
# Row i of $3, in step $4: half of them lie in this week, where new ones go too, half in the weeks before.
_HISTORY = f"""
WITH base AS MATERIALIZED (
    SELECT i, o.*, at, bench_lead(at) AS lead, $4::bigint || '.' || i AS tail,
           CASE WHEN o.number % 2 = 0 AND hashint8extended(i, $4 + 1) % 100 = 0 THEN 2 ELSE 0 END AS status
    FROM generate_series($1::bigint, $2::bigint) AS i
    CROSS JOIN LATERAL (SELECT date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS week) w
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i < $3 / 2 THEN week - interval '{_WEEKS} weeks' * (1 - i * 2.0 / $3)
               ELSE week + (now() - week) * (i * 2.0 / $3 - 1) END AS at) t
    JOIN bench_owners o ON o.number = floor(
        $5 * ((hashint8extended(i, $4) & 4294967295) / 4294967296.0::float8) ^ 2)::integer
), published AS (
    INSERT INTO messages (id, application_id, event_type, payload, created_at)
    SELECT bench_id('msg_', lead, tail), application_id,
           'type.' || floor({EVENT_TYPES} * ((hashint8extended(i, $4 + 2) & 1023) / 1024.0::float8) ^ 2),
           convert_to('{{"seq":' || i || ',"pad":"' || repeat('x', 80) || '"}}', 'UTF8'), at
    FROM base
), ended AS (
    INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts, updated_at)
    SELECT bench_id('msg_', lead, tail), endpoint_id, application_id, status, 1, at FROM base
)
INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code,
                      response, response_duration_ms, created_at)
SELECT bench_id('atmpt_', lead + 2, tail), bench_id('msg_', lead, tail), endpoint_id, application_id, url, status, 0,
       CASE WHEN status = 0 THEN 204 ELSE 500 END, '', 7, at
FROM base
"""
_BACKLOG = """
WITH base AS MATERIALIZED (
    SELECT bench_id('msg_', bench_lead(at), $4::bigint || '.' || i) AS id, e.id AS endpoint_id, e.application_id,
           e.shard, at
    FROM generate_series($1::bigint, $2::bigint) AS i
    CROSS JOIN LATERAL (SELECT now() - interval '1 hour' * (1 - i * 1.0 / $3) AS at) t
    JOIN bench_owners o ON o.number = i % $5
    JOIN endpoints e ON e.id = o.endpoint_id
), published AS (
    INSERT INTO messages (id, application_id, event_type, payload, created_at)
    SELECT id, application_id, 'invoice.paid', convert_to('{"pad":"' || repeat('x', 300) || '"}', 'UTF8'), at FROM base
)
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at)
SELECT id, endpoint_id, application_id, shard, at FROM base
"""


class Filling:
    """Writes rows of some applications' endpoints into a throw-away database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._owners = 0
        self._step = 0

    async def begin(self, application_ids: Sequence[str]) -> None:
        """Rows written from now on belong to these applications."""
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(_FUNCTIONS)
            await connection.execute(_OWNERS, application_ids)
            self._owners = await connection.fetchval("SELECT count(*) FROM bench_owners")
            for week in await connection.fetch(_WEEKS_BEFORE, _WEEKS):
                for table, kind in (("messages", "msg"), ("deliveries", "msg"), ("attempts", "atmpt")):
                    bounds = {"low": week[f"low_{kind}"], "high": week[f"high_{kind}"]}
                    await connection.execute(_PARTITION.format(table=table, day=week["day"], **bounds))
        finally:
            await connection.close()

    async def add_history(self, rows: int, progress: Callable[[int], None]) -> None:
        """So many messages that ended, with a delivery and an attempt each."""
        await self._add(_HISTORY, rows, progress)
        connection = await asyncpg.connect(self._dsn)
        try:
            # As autovacuum would have done by then, and must not do while the cost of a delivery is measured.
            for table in ("messages", "deliveries", "attempts"):
                await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=1800)
            await connection.execute("CHECKPOINT", timeout=600)
        finally:
            await connection.close()

    async def add_backlog(self, rows: int, progress: Callable[[int], None]) -> None:
        """So many messages with a delivery each that has been due for up to an hour."""
        await self._add(_BACKLOG, rows, progress)

    async def _add(self, statement: str, rows: int, progress: Callable[[int], None]) -> None:
        self._step += 1
        chunks = [(low, min(low + _CHUNK, rows) - 1) for low in range(0, rows, _CHUNK)]
        # Each lane writes one end of the time, so that each partition is filled in order.
        halves = [chunks[: len(chunks) // _LANES], chunks[len(chunks) // _LANES :]]
        done = 0

        async def lane(mine: Sequence[tuple[int, int]]) -> None:
            nonlocal done
            connection = await asyncpg.connect(self._dsn, server_settings={"synchronous_commit": "off"})
            try:
                for low, high in mine:
                    await connection.execute(statement, low, high, rows, self._step, self._owners, timeout=600)
                    done += high - low + 1
                    progress(done)
            finally:
                await connection.close()

        await asyncio.gather(*(lane(half) for half in halves))
