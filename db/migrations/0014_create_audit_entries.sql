-- migrate:up
SET lock_timeout = '3s';

-- Who changed what. Each entry is written by the transaction that makes the change.
CREATE TABLE audit_entries (
    id text COLLATE "C" PRIMARY KEY,
    -- No foreign keys: an entry outlives what it is about.
    organization_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C",
    -- organization, portal, api_token, operator (the command line) or system (a worker).
    actor_kind text NOT NULL,
    -- A token's id, or a part of its hash; the operator's name.
    actor_id text COLLATE "C",
    -- As in the OpenAPI document.
    operation text COLLATE "C" NOT NULL,
    -- The id, or for event types the name, of what was changed.
    target text COLLATE "C",
    -- [{"entity", "id", "fields": {name: {"before", "after"}}}]; of what is secret only {"changed": true}.
    changes jsonb NOT NULL DEFAULT '[]',
    correlation_id text COLLATE "C",
    address text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_entries_organization_id ON audit_entries (organization_id, id);
-- What is asked for: who changed this one, what happened in this application, what did this token do.
CREATE INDEX audit_entries_target ON audit_entries (organization_id, target, id);
CREATE INDEX audit_entries_application_id ON audit_entries (organization_id, application_id, id);
CREATE INDEX audit_entries_actor_id ON audit_entries (organization_id, actor_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'entries of % are not changed once they are written', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER audit_entries_are_final BEFORE UPDATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is sealed anew under another main secret has not changed: workers need not read it again, and what they learned
-- of the endpoint holds.
CREATE OR REPLACE FUNCTION count_endpoint_revision() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF current_setting('postrider.resealing', true) IS DISTINCT FROM 'on' THEN
        NEW.revision := OLD.revision + 1;
    END IF;
    RETURN NEW;
END
$$;

-- migrate:down
SET lock_timeout = '3s';
CREATE OR REPLACE FUNCTION count_endpoint_revision() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END
$$;
DROP TABLE audit_entries;
DROP FUNCTION refuse_change();
