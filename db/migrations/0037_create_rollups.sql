-- migrate:up
SET lock_timeout = '3s';

-- Attempts of a span of time, whosever they are. They are stored nearly in the order of their ids, so that the least and the
-- greatest of every 16 pages are enough to find them; and writing an attempt pays nothing that can be measured.
CREATE INDEX attempts_id ON attempts USING brin (id) WITH (pages_per_range = 16);

-- What history counts to, for those who look at it again and again: by the minute, the quarter of an hour and the hour; of
-- an organization, an application or an endpoint. A chore of the workers writes it; publishing and delivering do not know.
CREATE TABLE message_rollups (
    -- How long the span is: 60, 900 or 3600.
    seconds integer NOT NULL,
    starts_at timestamptz NOT NULL,
    -- The id of the organization or the application.
    scope_id text COLLATE "C" NOT NULL,
    accepted integer NOT NULL,
    PRIMARY KEY (seconds, starts_at, scope_id)
);

-- As many rows for a span as there were different durations, by the buckets of app/db/rollup/latency.py.
CREATE TABLE attempt_rollups (
    seconds integer NOT NULL,
    starts_at timestamptz NOT NULL,
    -- Or of the endpoint.
    scope_id text COLLATE "C" NOT NULL,
    bucket smallint NOT NULL,
    attempts integer NOT NULL,
    failed integer NOT NULL,
    PRIMARY KEY (seconds, starts_at, scope_id, bucket)
);

-- Up to when history has been counted, when that was, and how long it took. It begins with what is already there.
CREATE TABLE rollup_progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    rolled_to timestamptz NOT NULL DEFAULT date_trunc('minute', now() - interval '28 days'),
    ran_at timestamptz,
    seconds double precision NOT NULL DEFAULT 0
);
INSERT INTO rollup_progress DEFAULT VALUES;

-- How much the process has in flight, as of when it was seen.
ALTER TABLE workers ADD COLUMN in_flight integer;

-- Endpoints that fail, those first that have for the longest time. Few do, so that few writes touch it.
CREATE INDEX endpoint_health_failing ON endpoint_health (first_failure_at) WHERE first_failure_at IS NOT NULL;
CREATE INDEX endpoints_disabled ON endpoints (application_id, id) WHERE disabled AND deleted_at IS NULL;

-- migrate:down
SET lock_timeout = '3s';
DROP INDEX endpoints_disabled;
DROP INDEX endpoint_health_failing;
ALTER TABLE workers DROP COLUMN in_flight;
DROP TABLE rollup_progress;
DROP TABLE attempt_rollups;
DROP TABLE message_rollups;
DROP INDEX attempts_id;
