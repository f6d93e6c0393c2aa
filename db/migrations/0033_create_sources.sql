-- migrate:up
SET lock_timeout = '3s';

-- A source is an inbound URL for one provider. What arrives there and is the provider's becomes a message of the application.
CREATE TABLE sources (
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
    application_id text COLLATE "C" NOT NULL REFERENCES applications (id),
    -- The application was made for the source, and goes with it.
    owns_application boolean NOT NULL,
    uid text COLLATE "C",
    name text NOT NULL,
    -- One of app/receiving/registry.py.
    provider text NOT NULL,
    -- The fields of the provider that are no secrets.
    options jsonb NOT NULL DEFAULT '{}',
    -- The others, as a JSON object: `secrets` (the newest first), and the rest by name; NULL: there are none.
    sealed bytea,
    -- NULL: those that the provider uses.
    methods text[],
    -- Networks (CIDR) that requests may come from; NULL: any.
    allowed_networks text[],
    -- Kept, and not delivered until it goes on.
    paused boolean NOT NULL DEFAULT false,
    -- Whether requests that are rejected are kept, with the reason.
    keeps_rejected boolean NOT NULL DEFAULT true,
    -- Endpoints get the bytes of the body as they came, whatever they are; else the message's payload, which is JSON.
    forwards_original boolean NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE UNIQUE INDEX sources_organization_uid ON sources (organization_id, uid) WHERE deleted_at IS NULL;
CREATE INDEX sources_organization_id ON sources (organization_id, id) WHERE deleted_at IS NULL;
CREATE INDEX sources_application_id ON sources (application_id);

-- What makes a source's URL unguessable. The last one has no end; those before it are good for a while.
CREATE TABLE source_tokens (
    id text COLLATE "C" PRIMARY KEY,
    source_id text COLLATE "C" NOT NULL REFERENCES sources (id),
    -- SHA-256 of the token, which has 256 random bits; and the token, because its owner can read the URL again.
    hash bytea NOT NULL UNIQUE,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);
CREATE INDEX source_tokens_source_id ON source_tokens (source_id, id);

-- Requests that were rejected, for those who look for the reason. What was accepted is a message.
CREATE TABLE source_logs (
    id text COLLATE "C" PRIMARY KEY,
    source_id text COLLATE "C" NOT NULL,
    status_code smallint NOT NULL,
    reason text NOT NULL,
    -- As app/receiving/record.py writes it, without credentials, and with no more of the body than is worth a look.
    received bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX source_logs_source_id ON source_logs (source_id, id);
CREATE INDEX source_logs_created_at ON source_logs (created_at);

-- received: the request that the message arrived in (app/receiving/record.py); it goes when the payload goes. Both are NULL
-- for what was published.
ALTER TABLE messages ADD COLUMN source_id text COLLATE "C", ADD COLUMN received bytea;

-- Messages of paused sources, of which deliveries are made when those go on.
CREATE TABLE held_messages (
    source_id text COLLATE "C" NOT NULL,
    -- In the order in which they arrived, which their ids tell only to some milliseconds.
    position bigint GENERATED ALWAYS AS IDENTITY,
    message_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (source_id, position)
);
CREATE INDEX held_messages_message_id ON held_messages (message_id);

-- Messages of which something is still to be done: they are not forgotten.
CREATE VIEW undelivered_messages AS
    SELECT message_id FROM pending_deliveries UNION ALL SELECT message_id FROM held_messages;

CREATE OR REPLACE FUNCTION drop_history(week date) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '100ms'
-- Not as on the hot path, whose connections forbid what is best where much is pending.
SET plan_cache_mode = auto SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on
SET enable_mergejoin = on AS $$
DECLARE
    most_kept constant integer := 10000;
    most_bytes constant bigint := 67108864;
    starts constant timestamptz := week::timestamp AT TIME ZONE 'UTC';
    low constant text := floor_id('msg', starts);
    high constant text := floor_id('msg', starts + interval '1 week');
    suffix constant text := to_char(week, 'YYYYMMDD');
    kept integer;
    bytes bigint;
    kept_messages messages[];
    kept_deliveries deliveries[];
    child text;
BEGIN
    FOR round IN 1..2 LOOP
        -- Before the locks, so that they are not taken in vain; and under them, because a resend may have come between.
        SELECT count(*), coalesce(sum(coalesce(octet_length(m.payload), 0) + coalesce(octet_length(m.received), 0)), 0) INTO kept, bytes
        FROM (
            SELECT DISTINCT message_id FROM undelivered_messages
            WHERE message_id >= low AND message_id < high LIMIT most_kept + 1
        ) p JOIN messages m ON m.id = p.message_id;
        IF kept > most_kept OR bytes > most_bytes THEN
            RETURN NULL;
        END IF;
        IF round = 1 THEN
            LOCK TABLE ONLY messages, ONLY deliveries, ONLY attempts IN ACCESS EXCLUSIVE MODE;
        END IF;
    END LOOP;
    IF kept > 0 THEN
        SELECT array_agg(m) INTO kept_messages FROM messages m
        WHERE m.id >= low AND m.id < high AND m.id IN (
            SELECT message_id FROM undelivered_messages WHERE message_id >= low AND message_id < high);
        SELECT array_agg(d) INTO kept_deliveries FROM deliveries d
        WHERE d.message_id >= low AND d.message_id < high AND d.message_id IN (
            SELECT message_id FROM undelivered_messages WHERE message_id >= low AND message_id < high);
    END IF;
    FOR child IN SELECT relname FROM pg_class
        WHERE oid IN (to_regclass('messages_' || suffix), to_regclass('deliveries_' || suffix),
                      to_regclass('attempts_' || suffix))
    LOOP
        EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE NOWAIT', child);
        EXECUTE format('DROP TABLE %I', child);
    END LOOP;
    INSERT INTO messages SELECT (m).* FROM unnest(kept_messages) m ON CONFLICT DO NOTHING;
    INSERT INTO deliveries SELECT (d).* FROM unnest(kept_deliveries) d ON CONFLICT DO NOTHING;
    RETURN kept;
END
$$;

-- migrate:down
SET lock_timeout = '3s';
CREATE OR REPLACE FUNCTION drop_history(week date) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '100ms'
-- Not as on the hot path, whose connections forbid what is best where much is pending.
SET plan_cache_mode = auto SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on
SET enable_mergejoin = on AS $$
DECLARE
    most_kept constant integer := 10000;
    most_bytes constant bigint := 67108864;
    starts constant timestamptz := week::timestamp AT TIME ZONE 'UTC';
    low constant text := floor_id('msg', starts);
    high constant text := floor_id('msg', starts + interval '1 week');
    suffix constant text := to_char(week, 'YYYYMMDD');
    kept integer;
    bytes bigint;
    kept_messages messages[];
    kept_deliveries deliveries[];
    child text;
BEGIN
    FOR round IN 1..2 LOOP
        -- Before the locks, so that they are not taken in vain; and under them, because a resend may have come between.
        SELECT count(*), coalesce(sum(octet_length(m.payload)), 0) INTO kept, bytes
        FROM (
            SELECT DISTINCT message_id FROM pending_deliveries
            WHERE message_id >= low AND message_id < high LIMIT most_kept + 1
        ) p JOIN messages m ON m.id = p.message_id;
        IF kept > most_kept OR bytes > most_bytes THEN
            RETURN NULL;
        END IF;
        IF round = 1 THEN
            LOCK TABLE ONLY messages, ONLY deliveries, ONLY attempts IN ACCESS EXCLUSIVE MODE;
        END IF;
    END LOOP;
    IF kept > 0 THEN
        SELECT array_agg(m) INTO kept_messages FROM messages m
        WHERE m.id >= low AND m.id < high AND m.id IN (
            SELECT message_id FROM pending_deliveries WHERE message_id >= low AND message_id < high);
        SELECT array_agg(d) INTO kept_deliveries FROM deliveries d
        WHERE d.message_id >= low AND d.message_id < high AND d.message_id IN (
            SELECT message_id FROM pending_deliveries WHERE message_id >= low AND message_id < high);
    END IF;
    FOR child IN SELECT relname FROM pg_class
        WHERE oid IN (to_regclass('messages_' || suffix), to_regclass('deliveries_' || suffix),
                      to_regclass('attempts_' || suffix))
    LOOP
        EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE NOWAIT', child);
        EXECUTE format('DROP TABLE %I', child);
    END LOOP;
    INSERT INTO messages SELECT (m).* FROM unnest(kept_messages) m ON CONFLICT DO NOTHING;
    INSERT INTO deliveries SELECT (d).* FROM unnest(kept_deliveries) d ON CONFLICT DO NOTHING;
    RETURN kept;
END
$$;
DROP VIEW undelivered_messages;
DROP TABLE held_messages;
ALTER TABLE messages DROP COLUMN received, DROP COLUMN source_id;
DROP TABLE source_logs;
DROP TABLE source_tokens;
DROP TABLE sources;
