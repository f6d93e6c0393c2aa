-- migrate:up
SET lock_timeout = '3s';

-- What a task of the kind message.broadcast publishes: here and not in the task's arguments, which the audit log shows and
-- which outlive it. Deleted when the task has finished.
CREATE TABLE broadcasts (
    -- Of the task.
    id text COLLATE "C" PRIMARY KEY REFERENCES background_tasks (id) ON DELETE CASCADE,
    organization_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    event_id text COLLATE "C",
    channels text[],
    payload bytea NOT NULL,
    payload_hours integer
);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE broadcasts;
