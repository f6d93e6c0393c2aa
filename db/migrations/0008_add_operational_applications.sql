-- migrate:up
SET lock_timeout = '3s';

-- An organization's operational webhook endpoints are the endpoints of one application of its own, which the API shows
-- nowhere as such: so they are signed, retried and limited like any other.
ALTER TABLE applications ADD COLUMN operational boolean NOT NULL DEFAULT false;
-- Which one it is; NULL until the first of these endpoints is made. Here, so that there is at most one.
ALTER TABLE organizations ADD COLUMN operational_application_id text COLLATE "C" REFERENCES applications (id);

-- Why the worker disabled it; NULL where its owner did.
ALTER TABLE endpoints ADD COLUMN disabled_reason text;

-- The endpoint's revision under which this was learned: a change of the endpoint makes it worthless.
ALTER TABLE endpoint_health ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE endpoint_health DROP COLUMN revision;
ALTER TABLE endpoints DROP COLUMN disabled_reason;
ALTER TABLE organizations DROP COLUMN operational_application_id;
ALTER TABLE applications DROP COLUMN operational;
