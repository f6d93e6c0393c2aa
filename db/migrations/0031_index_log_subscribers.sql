-- migrate:up
SET lock_timeout = '3s';

-- Who subscribes to the log of attempts: asked once a second by each worker, and nearly always nobody. In a migration of its
-- own, so that nothing but writing waits while it is built.
CREATE INDEX endpoints_log_subscribers ON endpoints (application_id)
    WHERE event_types @> '{message.attempt.log}' AND deleted_at IS NULL AND NOT disabled;

-- migrate:down
SET lock_timeout = '3s';
DROP INDEX endpoints_log_subscribers;
