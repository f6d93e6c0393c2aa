-- migrate:up
SET lock_timeout = '3s';

-- The tenant that owns API tokens. A row appears the first time a validly signed token writes something.
CREATE TABLE organizations (
    id text COLLATE "C" PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE applications (
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
    uid text COLLATE "C",
    name text NOT NULL,
    rate_limit integer CHECK (rate_limit > 0),
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX applications_organization_uid ON applications (organization_id, uid) WHERE deleted_at IS NULL;
CREATE INDEX applications_organization_id ON applications (organization_id, id) WHERE deleted_at IS NULL;

CREATE TABLE event_types (
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
    name text COLLATE "C" NOT NULL,
    description text NOT NULL,
    schemas jsonb,
    feature_flags text[],
    group_name text,
    deprecated boolean NOT NULL DEFAULT false,
    archived boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX event_types_organization_name ON event_types (organization_id, name);

CREATE TABLE endpoints (
    id text COLLATE "C" PRIMARY KEY,
    application_id text COLLATE "C" NOT NULL REFERENCES applications (id),
    uid text COLLATE "C",
    url text NOT NULL,
    description text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    rate_limit integer CHECK (rate_limit > 0),
    event_types text[],
    channels text[],
    metadata jsonb NOT NULL DEFAULT '{}',
    -- Sealed (app/sealing.py): JSON of the custom headers, and of the live signing secrets, newest first.
    headers bytea,
    secrets bytea NOT NULL,
    disabled boolean NOT NULL DEFAULT false,
    -- Which of N queues its deliveries wait in: hash of the id, fixed for life, so that one owner sees all of an endpoint.
    shard smallint NOT NULL,
    -- Counts changes: a worker that cached an endpoint compares this with the row it claims, and so never sends with stale settings.
    revision bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX endpoints_application_uid ON endpoints (application_id, uid) WHERE deleted_at IS NULL;
-- Hop 3 fans a message out over this index.
CREATE INDEX endpoints_application_id ON endpoints (application_id, id) WHERE deleted_at IS NULL;

CREATE FUNCTION count_endpoint_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER endpoints_revision BEFORE UPDATE ON endpoints FOR EACH ROW EXECUTE FUNCTION count_endpoint_revision();

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE endpoints;
DROP FUNCTION count_endpoint_revision();
DROP TABLE event_types;
DROP TABLE applications;
DROP TABLE organizations;
