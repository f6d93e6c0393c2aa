-- migrate:up
SET lock_timeout = '3s';

-- The tasks that make deliveries of an endpoint again, or call them off, newest first: its page lists them.
CREATE INDEX background_tasks_endpoint ON background_tasks ((arguments ->> 'endpoint_id'), id)
WHERE (arguments ->> 'endpoint_id') IS NOT NULL;

-- migrate:down
SET lock_timeout = '3s';
DROP INDEX background_tasks_endpoint;
