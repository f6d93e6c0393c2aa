-- migrate:up
SET lock_timeout = '3s';

-- When a source of type `cron` next makes a message of its own; NULL for all others. Whoever moves it on makes that one.
ALTER TABLE sources ADD COLUMN next_run_at timestamptz;
CREATE INDEX sources_next_run_at ON sources (next_run_at) WHERE next_run_at IS NOT NULL AND deleted_at IS NULL;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE sources DROP COLUMN next_run_at;
