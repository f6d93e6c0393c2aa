-- migrate:up
SET lock_timeout = '3s';

-- What the Svix API calls an environment is an organization; those that were made by a token alone have no name.
ALTER TABLE organizations
    ADD COLUMN name text,
    ADD COLUMN kind text CHECK (kind IN ('development', 'production')),
    ADD COLUMN updated_at timestamptz,
    ADD COLUMN deleted_at timestamptz,
    -- What was set of the environment's settings, as the API names it.
    ADD COLUMN settings jsonb NOT NULL DEFAULT '{}',
    -- Seconds before each retry, where the event type has no schedule of its own; null: the installation's.
    ADD COLUMN retry_schedule double precision[];
CREATE INDEX organizations_retry_schedule ON organizations (id) WHERE retry_schedule IS NOT NULL;

-- migrate:down
SET lock_timeout = '3s';
DROP INDEX organizations_retry_schedule;
ALTER TABLE organizations
    DROP COLUMN name,
    DROP COLUMN kind,
    DROP COLUMN updated_at,
    DROP COLUMN deleted_at,
    DROP COLUMN settings,
    DROP COLUMN retry_schedule;
