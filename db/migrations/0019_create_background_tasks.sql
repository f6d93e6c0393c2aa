-- migrate:up
SET lock_timeout = '3s';

-- Long work that somebody asked for. A worker does it in bites; each bite is one transaction, which also moves the cursor.
CREATE TABLE background_tasks (
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL,
    -- Whose it is, if it is about one application.
    application_id text COLLATE "C",
    -- As the Svix API calls it (endpoint.recover).
    kind text COLLATE "C" NOT NULL,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'finished', 'failed')),
    -- What was asked for.
    arguments jsonb NOT NULL DEFAULT '{}',
    -- From where the next bite goes on; NULL: from the beginning.
    cursor jsonb,
    -- What came of it so far, as the API shows it.
    data jsonb NOT NULL DEFAULT '{}',
    -- Bites in a row that failed.
    failures smallint NOT NULL DEFAULT 0,
    -- In no index, so that a bite changes the row alone.
    next_bite_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX background_tasks_organization_id ON background_tasks (organization_id, id);
CREATE INDEX background_tasks_kind ON background_tasks (organization_id, kind, id);
CREATE INDEX background_tasks_status ON background_tasks (organization_id, status, id);
-- What is still to do, by organization, so that none waits for another's.
CREATE INDEX background_tasks_running ON background_tasks (organization_id, id) WHERE status = 'running';

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE background_tasks;
