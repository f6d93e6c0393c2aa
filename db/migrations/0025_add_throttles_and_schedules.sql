-- migrate:up
SET lock_timeout = '3s';

-- To whom alerts about an application are to go: kept for whoever sends them.
ALTER TABLE applications ADD COLUMN alert_email text;

-- Seconds before each retry of messages of this type; NULL: the installation's own.
ALTER TABLE event_types ADD COLUMN retry_schedule double precision[];
-- Whether there is any, and which: asked once a second by each worker.
CREATE INDEX event_types_retry_schedule ON event_types (organization_id, name) WHERE retry_schedule IS NOT NULL;

-- Since when an endpoint gets less than is due to it, because of a rate limit.
ALTER TABLE endpoint_health ADD COLUMN throttled_since timestamptz;

-- Up to when the sends of a throttled application are given out to workers. Unlogged: all that is lost by a crash is some
-- tenths of a second of throttling, and what is written many times a second costs no disk.
CREATE UNLOGGED TABLE throttles (
    application_id text COLLATE "C" PRIMARY KEY REFERENCES applications (id) ON DELETE CASCADE,
    due timestamptz NOT NULL
) WITH (fillfactor = 50);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE throttles;
ALTER TABLE endpoint_health DROP COLUMN throttled_since;
DROP INDEX event_types_retry_schedule;
ALTER TABLE event_types DROP COLUMN retry_schedule;
ALTER TABLE applications DROP COLUMN alert_email;
