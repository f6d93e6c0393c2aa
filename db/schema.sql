
-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: count_endpoint_revision(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.count_endpoint_revision() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF current_setting('postrider.resealing', true) IS DISTINCT FROM 'on' THEN
        NEW.revision := OLD.revision + 1;
    END IF;
    RETURN NEW;
END
$$;


--
-- Name: drop_history(date); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.drop_history(week date) RETURNS integer
    LANGUAGE plpgsql
    SET lock_timeout TO '100ms'
    SET plan_cache_mode TO 'auto'
    SET enable_seqscan TO 'on'
    SET enable_bitmapscan TO 'on'
    SET enable_hashjoin TO 'on'
    SET enable_mergejoin TO 'on'
    AS $$
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


--
-- Name: ensure_partitions(integer, timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ensure_partitions(weeks_ahead integer DEFAULT 4, at timestamp with time zone DEFAULT now()) RETURNS integer
    LANGUAGE plpgsql
    SET lock_timeout TO '500ms'
    AS $$
DECLARE
    most_moved constant integer := 20000;
    made integer := 0;
    made_here integer;
    strays integer;
    history record;
    week timestamptz;
    child text;
    low text;
    high text;
BEGIN
    -- One at a time: the others have nothing to add.
    IF NOT pg_try_advisory_xact_lock(hashtext('postrider.ensure_partitions')) THEN
        RETURN 0;
    END IF;
    FOR history IN VALUES ('messages', 'id', 'msg'), ('deliveries', 'message_id', 'msg'), ('attempts', 'id', 'atmpt') LOOP
        BEGIN
            made_here := 0;
            FOR ahead IN 0..weeks_ahead LOOP
                week := date_trunc('week', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(weeks => ahead);
                child := history.column1 || '_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');
                CONTINUE WHEN to_regclass(child) IS NOT NULL;
                low := floor_id(history.column3, week);
                high := floor_id(history.column3, week + interval '1 week');
                EXECUTE format('SELECT count(*) FROM (SELECT FROM %I WHERE %I >= %L AND %I < %L LIMIT %s) s',
                    history.column1 || '_default', history.column2, low, history.column2, high, most_moved + 1)
                    INTO strays;
                IF strays > most_moved THEN
                    RAISE WARNING '% is not made: its rows are in the default partition, until they expire', child;
                    CONTINUE;
                END IF;
                EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', history.column1 || '_default');
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, history.column1);
                EXECUTE format(
                    'WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *)'
                    ' INSERT INTO %I SELECT * FROM moved',
                    history.column1 || '_default', history.column2, low, history.column2, high, child);
                EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    history.column1, child, low, high);
                made_here := made_here + 1;
            END LOOP;
            made := made + made_here;
        EXCEPTION WHEN lock_not_available THEN
            RAISE WARNING 'partitions of % are not made yet: somebody holds its lock', history.column1;
        END;
    END LOOP;
    RETURN made;
END
$$;


--
-- Name: floor_id(text, timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.floor_id(prefix text, at timestamp with time zone) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT
    AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    milliseconds constant bigint := greatest(0, floor(extract(epoch FROM at) * 1000) - 1400000000000);
    value numeric := least(2::numeric ^ 40 - 1, milliseconds / 1000 * 256 + milliseconds % 1000 / 4) * 2::numeric ^ 120;
    body text := '';
BEGIN
    FOR i IN 1..27 LOOP
        body := substr(digits, mod(value, 62)::integer + 1, 1) || body;
        value := div(value, 62);
    END LOOP;
    RETURN prefix || '_' || body;
END
$$;


--
-- Name: line_of(bytea, text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.line_of(payload bytea, ordered_by text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $_$
DECLARE
    tokens text[];
    token text;
    value json;
BEGIN
    IF payload IS NULL OR ordered_by = 'endpoint' THEN
        RETURN 0;
    END IF;
    -- The pointer "/" is to the key "", of which string_to_array makes no token at all.
    tokens := coalesce(nullif(string_to_array(substr(ordered_by, 2), '/'), '{}'), '{""}');
    -- Postgres cannot hold NUL in a text.
    value := replace(convert_from(payload, 'UTF8'), '\u0000', '\ufffd')::json;
    IF ordered_by !~ '/([-+[:space:]]|0[0-9])' THEN
        -- One pass over the payload, however deep it is and however long the pointer.
        IF ordered_by LIKE '%~%' THEN
            tokens := ARRAY(SELECT replace(replace(t.token, '~1', '/'), '~0', '~')
                            FROM unnest(tokens) WITH ORDINALITY AS t(token, place) ORDER BY t.place);
        END IF;
        value := value #> tokens;
    ELSE
        -- What #> takes for an index, and RFC 6901 does not.
        FOREACH token IN ARRAY tokens LOOP
            token := replace(replace(token, '~1', '/'), '~0', '~');
            value := CASE json_typeof(value)
                WHEN 'object' THEN value -> token
                WHEN 'array' THEN CASE WHEN token ~ '^(0|[1-9][0-9]{0,8})$' THEN value -> token::integer END
            END;
        END LOOP;
    END IF;
    RETURN CASE WHEN json_typeof(value) IN ('string', 'number', 'boolean')
        THEN hashtextextended(value #>> '{}', 0) ELSE 0 END;
EXCEPTION WHEN OTHERS THEN
    RETURN 0;
END
$_$;


--
-- Name: next_position(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.next_position() RETURNS bigint
    LANGUAGE sql
    AS $$ SELECT nextval('positions') * 65536 $$;


--
-- Name: refuse_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'entries of % are not changed once they are written', TG_TABLE_NAME;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: api_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    hash bytea NOT NULL,
    ending text NOT NULL,
    scopes text[],
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    application_id text COLLATE pg_catalog."C",
    poller_id text COLLATE pg_catalog."C",
    sealed bytea,
    CONSTRAINT api_tokens_scopes_check CHECK ((scopes <> '{}'::text[]))
);


--
-- Name: applications; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.applications (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    uid text COLLATE pg_catalog."C",
    name text NOT NULL,
    rate_limit integer,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    operational boolean DEFAULT false NOT NULL,
    alert_email text,
    CONSTRAINT applications_rate_limit_check CHECK ((rate_limit > 0))
);


--
-- Name: attempt_logs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempt_logs (
    attempt_id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    status smallint NOT NULL,
    response_status_code smallint NOT NULL,
    attempts smallint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL
);


--
-- Name: attempt_rollups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempt_rollups (
    seconds integer NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    scope_id text NOT NULL COLLATE pg_catalog."C",
    bucket smallint NOT NULL,
    attempts integer NOT NULL,
    failed integer NOT NULL
);


--
-- Name: attempts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempts (
    id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL,
    status smallint NOT NULL,
    trigger smallint NOT NULL,
    response_status_code smallint NOT NULL,
    response bytea,
    response_duration_ms integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    exchange bytea,
    CONSTRAINT attempts_status_check CHECK ((status = ANY (ARRAY[0, 2]))),
    CONSTRAINT attempts_trigger_check CHECK ((trigger = ANY (ARRAY[0, 1])))
)
PARTITION BY RANGE (id);


--
-- Name: attempts_default; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.attempts_default (
    id text CONSTRAINT attempts_id_not_null NOT NULL COLLATE pg_catalog."C",
    message_id text CONSTRAINT attempts_message_id_not_null NOT NULL COLLATE pg_catalog."C",
    endpoint_id text CONSTRAINT attempts_endpoint_id_not_null NOT NULL COLLATE pg_catalog."C",
    application_id text CONSTRAINT attempts_application_id_not_null NOT NULL COLLATE pg_catalog."C",
    url text CONSTRAINT attempts_url_not_null NOT NULL,
    status smallint CONSTRAINT attempts_status_not_null NOT NULL,
    trigger smallint CONSTRAINT attempts_trigger_not_null NOT NULL,
    response_status_code smallint CONSTRAINT attempts_response_status_code_not_null NOT NULL,
    response bytea,
    response_duration_ms integer CONSTRAINT attempts_response_duration_ms_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT attempts_created_at_not_null NOT NULL,
    exchange bytea,
    CONSTRAINT attempts_status_check CHECK ((status = ANY (ARRAY[0, 2]))),
    CONSTRAINT attempts_trigger_check CHECK ((trigger = ANY (ARRAY[0, 1])))
);


--
-- Name: audit_entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_entries (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    application_id text COLLATE pg_catalog."C",
    actor_kind text NOT NULL,
    actor_id text COLLATE pg_catalog."C",
    operation text NOT NULL COLLATE pg_catalog."C",
    target text COLLATE pg_catalog."C",
    changes jsonb DEFAULT '[]'::jsonb NOT NULL,
    correlation_id text COLLATE pg_catalog."C",
    address text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: background_tasks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.background_tasks (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    application_id text COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    status text DEFAULT 'running'::text NOT NULL,
    arguments jsonb DEFAULT '{}'::jsonb NOT NULL,
    cursor jsonb,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    failures smallint DEFAULT 0 NOT NULL,
    next_bite_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT background_tasks_status_check CHECK ((status = ANY (ARRAY['running'::text, 'finished'::text, 'failed'::text])))
)
WITH (fillfactor='70');


--
-- Name: broadcasts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.broadcasts (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    event_type text NOT NULL COLLATE pg_catalog."C",
    event_id text COLLATE pg_catalog."C",
    channels text[],
    payload bytea NOT NULL,
    payload_hours integer
);


--
-- Name: deliveries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.deliveries (
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    state smallint NOT NULL,
    attempts smallint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    called_off boolean,
    CONSTRAINT deliveries_state_check CHECK ((state = ANY (ARRAY[0, 1, 2, 4])))
)
PARTITION BY RANGE (message_id);


--
-- Name: deliveries_default; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.deliveries_default (
    message_id text CONSTRAINT deliveries_message_id_not_null NOT NULL COLLATE pg_catalog."C",
    endpoint_id text CONSTRAINT deliveries_endpoint_id_not_null NOT NULL COLLATE pg_catalog."C",
    application_id text CONSTRAINT deliveries_application_id_not_null NOT NULL COLLATE pg_catalog."C",
    state smallint CONSTRAINT deliveries_state_not_null NOT NULL,
    attempts smallint CONSTRAINT deliveries_attempts_not_null NOT NULL,
    updated_at timestamp with time zone DEFAULT now() CONSTRAINT deliveries_updated_at_not_null NOT NULL,
    called_off boolean,
    CONSTRAINT deliveries_state_check CHECK ((state = ANY (ARRAY[0, 1, 2, 4])))
);


--
-- Name: endpoint_health; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.endpoint_health (
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    opened_at timestamp with time zone,
    first_failure_at timestamp with time zone,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    paused_until timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    revision bigint DEFAULT 0 NOT NULL,
    throttled_since timestamp with time zone
);


--
-- Name: endpoint_transformations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.endpoint_transformations (
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    enabled boolean DEFAULT false NOT NULL,
    sealed bytea NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: endpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.endpoints (
    id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    uid text COLLATE pg_catalog."C",
    url text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    rate_limit integer,
    event_types text[],
    channels text[],
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    headers bytea,
    secrets bytea NOT NULL,
    disabled boolean DEFAULT false NOT NULL,
    shard smallint NOT NULL,
    revision bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    timeout_seconds integer,
    authentication bytea,
    client_identity bytea,
    server_authorities text,
    disabled_reason text,
    ordered_by text,
    CONSTRAINT endpoints_ordered_by_check CHECK (((ordered_by = 'endpoint'::text) OR (ordered_by ~~ '/%'::text))),
    CONSTRAINT endpoints_rate_limit_check CHECK ((rate_limit > 0)),
    CONSTRAINT endpoints_timeout_seconds_check CHECK (((timeout_seconds >= 1) AND (timeout_seconds <= 300))),
    CONSTRAINT endpoints_version_check CHECK ((version > 0))
);


--
-- Name: event_types; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.event_types (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL,
    schemas jsonb,
    feature_flags text[],
    group_name text,
    deprecated boolean DEFAULT false NOT NULL,
    archived boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    retry_schedule double precision[]
);


--
-- Name: held_messages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.held_messages (
    source_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    message_id text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: held_messages_position_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.held_messages ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.held_messages_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: idempotency_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency_keys (
    organization_id text NOT NULL COLLATE pg_catalog."C",
    key bytea NOT NULL,
    request_hash bytea NOT NULL,
    message_id text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: idempotent_responses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotent_responses (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    request_hash bytea NOT NULL,
    status smallint,
    media_type text,
    body bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: installation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.installation (
    only_row boolean DEFAULT true NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT installation_only_row_check CHECK (only_row)
);


--
-- Name: ledger_figures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger_figures (
    part text NOT NULL,
    taken_at timestamp with time zone DEFAULT now() NOT NULL,
    seconds double precision NOT NULL,
    figures jsonb NOT NULL,
    CONSTRAINT ledger_figures_part_check CHECK ((part = ANY (ARRAY['balance'::text, 'queue'::text])))
);


--
-- Name: message_event_ids; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.message_event_ids (
    application_id text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: message_rollups; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.message_rollups (
    seconds integer NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    scope_id text NOT NULL COLLATE pg_catalog."C",
    accepted integer NOT NULL
);


--
-- Name: messages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.messages (
    id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    event_type text NOT NULL COLLATE pg_catalog."C",
    event_id text COLLATE pg_catalog."C",
    channels text[],
    tags text[],
    payload bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deliveries integer,
    stored_bytes integer,
    stored_digest bytea,
    payload_days smallint,
    deliver_at timestamp with time zone,
    transformations_params bytea,
    source_id text COLLATE pg_catalog."C",
    received bytea
)
PARTITION BY RANGE (id);


--
-- Name: messages_default; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.messages_default (
    id text CONSTRAINT messages_id_not_null NOT NULL COLLATE pg_catalog."C",
    application_id text CONSTRAINT messages_application_id_not_null NOT NULL COLLATE pg_catalog."C",
    event_type text CONSTRAINT messages_event_type_not_null NOT NULL COLLATE pg_catalog."C",
    event_id text COLLATE pg_catalog."C",
    channels text[],
    tags text[],
    payload bytea,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT messages_created_at_not_null NOT NULL,
    deliveries integer,
    stored_bytes integer,
    stored_digest bytea,
    payload_days smallint,
    deliver_at timestamp with time zone,
    transformations_params bytea,
    source_id text COLLATE pg_catalog."C",
    received bytea
);


--
-- Name: one_time_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.one_time_tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    application_id text COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    sealed bytea NOT NULL,
    capabilities text[] NOT NULL,
    expires_at timestamp with time zone NOT NULL
);


--
-- Name: organizations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.organizations (
    id text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    operational_application_id text COLLATE pg_catalog."C",
    payload_retention_days smallint,
    payloads_expired_to timestamp with time zone,
    name text,
    kind text,
    updated_at timestamp with time zone,
    deleted_at timestamp with time zone,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    retry_schedule double precision[],
    CONSTRAINT organizations_kind_check CHECK ((kind = ANY (ARRAY['development'::text, 'production'::text]))),
    CONSTRAINT organizations_payload_retention_days_check CHECK ((payload_retention_days > 0))
);


--
-- Name: payload_expiries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.payload_expiries (
    expires_at timestamp with time zone NOT NULL,
    message_id text NOT NULL COLLATE pg_catalog."C"
)
WITH (autovacuum_vacuum_scale_factor='0.02');


--
-- Name: pending_deliveries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pending_deliveries (
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    shard smallint NOT NULL,
    tries smallint DEFAULT 0 NOT NULL,
    trigger smallint DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone DEFAULT now() NOT NULL,
    "position" bigint,
    line bigint,
    CONSTRAINT pending_deliveries_trigger_check CHECK ((trigger = ANY (ARRAY[0, 1])))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000', autovacuum_vacuum_cost_delay='0');


--
-- Name: poller_readers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.poller_readers (
    poller_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    by_offset boolean NOT NULL,
    application_id text NOT NULL COLLATE pg_catalog."C",
    "position" text,
    committed bigint DEFAULT 0 NOT NULL,
    leased text[] DEFAULT '{}'::text[] NOT NULL,
    leased_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);


--
-- Name: pollers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pollers (
    id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    uid text COLLATE pg_catalog."C",
    description text DEFAULT ''::text NOT NULL,
    event_types text[],
    channels text[],
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: positions; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.positions
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: rollup_progress; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.rollup_progress (
    only_row boolean DEFAULT true NOT NULL,
    rolled_to timestamp with time zone DEFAULT date_trunc('minute'::text, (now() - '28 days'::interval)) NOT NULL,
    ran_at timestamp with time zone,
    seconds double precision DEFAULT 0 NOT NULL,
    CONSTRAINT rollup_progress_only_row_check CHECK (only_row)
);


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);


--
-- Name: shards; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.shards (
    shard smallint NOT NULL,
    owner text,
    leased_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    busy_since timestamp with time zone
)
WITH (fillfactor='50');


--
-- Name: sign_in_failures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sign_in_failures (
    subject bytea NOT NULL,
    failures integer NOT NULL,
    ends_at timestamp with time zone NOT NULL
);


--
-- Name: source_logs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.source_logs (
    id text NOT NULL COLLATE pg_catalog."C",
    source_id text NOT NULL COLLATE pg_catalog."C",
    status_code smallint NOT NULL,
    reason text NOT NULL,
    received bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: source_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.source_tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    source_id text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone
);


--
-- Name: sources; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.sources (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    application_id text NOT NULL COLLATE pg_catalog."C",
    owns_application boolean NOT NULL,
    uid text COLLATE pg_catalog."C",
    name text NOT NULL,
    provider text NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    sealed bytea,
    methods text[],
    allowed_networks text[],
    paused boolean DEFAULT false NOT NULL,
    keeps_rejected boolean DEFAULT true NOT NULL,
    forwards_original boolean DEFAULT true NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    next_run_at timestamp with time zone
);


--
-- Name: suspects; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.suspects (
    message_id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    begun smallint DEFAULT 1 NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: svix_imported_rows; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.svix_imported_rows (
    id text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    ours text NOT NULL
);


--
-- Name: svix_imports; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.svix_imports (
    source text NOT NULL COLLATE pg_catalog."C",
    scope text NOT NULL COLLATE pg_catalog."C",
    since timestamp with time zone NOT NULL,
    began_at timestamp with time zone,
    floor text COLLATE pg_catalog."C",
    cursor text COLLATE pg_catalog."C",
    has_gaps boolean DEFAULT false NOT NULL,
    complete_to timestamp with time zone
);


--
-- Name: throttles; Type: TABLE; Schema: public; Owner: -
--

CREATE UNLOGGED TABLE public.throttles (
    application_id text NOT NULL COLLATE pg_catalog."C",
    due timestamp with time zone NOT NULL
)
WITH (fillfactor='50');


--
-- Name: token_revocations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.token_revocations (
    subject text NOT NULL COLLATE pg_catalog."C",
    issued_until timestamp with time zone NOT NULL,
    organization_id text NOT NULL COLLATE pg_catalog."C",
    ends_at timestamp with time zone NOT NULL,
    forget_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);


--
-- Name: undelivered_messages; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.undelivered_messages AS
 SELECT pending_deliveries.message_id
   FROM public.pending_deliveries
UNION ALL
 SELECT held_messages.message_id
   FROM public.held_messages;


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id text NOT NULL COLLATE pg_catalog."C",
    organization_id text NOT NULL COLLATE pg_catalog."C",
    email text NOT NULL COLLATE pg_catalog."C",
    name text,
    role text NOT NULL,
    password bytea,
    oidc_issuer text COLLATE pg_catalog."C",
    oidc_subject text COLLATE pg_catalog."C",
    disabled boolean DEFAULT false NOT NULL,
    invitation bytea,
    invitation_expires_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_signed_in_at timestamp with time zone,
    deleted_at timestamp with time zone,
    CONSTRAINT users_check CHECK (((oidc_issuer IS NULL) = (oidc_subject IS NULL))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'editor'::text, 'admin'::text])))
);


--
-- Name: web_sessions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.web_sessions (
    id text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    site smallint NOT NULL,
    organization_id text NOT NULL COLLATE pg_catalog."C",
    application_id text COLLATE pg_catalog."C",
    user_id text COLLATE pg_catalog."C",
    sealed bytea NOT NULL,
    appearance jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT web_sessions_site_check CHECK ((site = ANY (ARRAY[0, 1])))
);


--
-- Name: workers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workers (
    name text NOT NULL COLLATE pg_catalog."C",
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    in_flight integer
)
WITH (fillfactor='50');


--
-- Name: attempts_default; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts ATTACH PARTITION public.attempts_default DEFAULT;


--
-- Name: deliveries_default; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deliveries ATTACH PARTITION public.deliveries_default DEFAULT;


--
-- Name: messages_default; Type: TABLE ATTACH; Schema: public; Owner: -
--

ALTER TABLE ONLY public.messages ATTACH PARTITION public.messages_default DEFAULT;


--
-- Name: api_tokens api_tokens_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_hash_key UNIQUE (hash);


--
-- Name: api_tokens api_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (id);


--
-- Name: applications applications_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_pkey PRIMARY KEY (id);


--
-- Name: attempt_logs attempt_logs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempt_logs
    ADD CONSTRAINT attempt_logs_pkey PRIMARY KEY (attempt_id);


--
-- Name: attempt_rollups attempt_rollups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempt_rollups
    ADD CONSTRAINT attempt_rollups_pkey PRIMARY KEY (seconds, starts_at, scope_id, bucket);


--
-- Name: attempts attempts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (message_id, id);


--
-- Name: attempts_default attempts_default_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.attempts_default
    ADD CONSTRAINT attempts_default_pkey PRIMARY KEY (message_id, id);


--
-- Name: audit_entries audit_entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_entries
    ADD CONSTRAINT audit_entries_pkey PRIMARY KEY (id);


--
-- Name: background_tasks background_tasks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.background_tasks
    ADD CONSTRAINT background_tasks_pkey PRIMARY KEY (id);


--
-- Name: broadcasts broadcasts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.broadcasts
    ADD CONSTRAINT broadcasts_pkey PRIMARY KEY (id);


--
-- Name: deliveries deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (message_id, endpoint_id);


--
-- Name: deliveries_default deliveries_default_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deliveries_default
    ADD CONSTRAINT deliveries_default_pkey PRIMARY KEY (message_id, endpoint_id);


--
-- Name: endpoint_health endpoint_health_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint_health
    ADD CONSTRAINT endpoint_health_pkey PRIMARY KEY (endpoint_id);


--
-- Name: endpoint_transformations endpoint_transformations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint_transformations
    ADD CONSTRAINT endpoint_transformations_pkey PRIMARY KEY (endpoint_id);


--
-- Name: endpoints endpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoints
    ADD CONSTRAINT endpoints_pkey PRIMARY KEY (id);


--
-- Name: event_types event_types_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_types
    ADD CONSTRAINT event_types_pkey PRIMARY KEY (id);


--
-- Name: held_messages held_messages_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.held_messages
    ADD CONSTRAINT held_messages_pkey PRIMARY KEY (source_id, "position");


--
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (organization_id, key);


--
-- Name: idempotent_responses idempotent_responses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotent_responses
    ADD CONSTRAINT idempotent_responses_pkey PRIMARY KEY (id);


--
-- Name: installation installation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);


--
-- Name: ledger_figures ledger_figures_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger_figures
    ADD CONSTRAINT ledger_figures_pkey PRIMARY KEY (part);


--
-- Name: message_event_ids message_event_ids_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message_event_ids
    ADD CONSTRAINT message_event_ids_pkey PRIMARY KEY (application_id, event_id);


--
-- Name: message_rollups message_rollups_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message_rollups
    ADD CONSTRAINT message_rollups_pkey PRIMARY KEY (seconds, starts_at, scope_id);


--
-- Name: messages messages_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (id);


--
-- Name: messages_default messages_default_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.messages_default
    ADD CONSTRAINT messages_default_pkey PRIMARY KEY (id);


--
-- Name: one_time_tokens one_time_tokens_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_hash_key UNIQUE (hash);


--
-- Name: one_time_tokens one_time_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_pkey PRIMARY KEY (id);


--
-- Name: organizations organizations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);


--
-- Name: payload_expiries payload_expiries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.payload_expiries
    ADD CONSTRAINT payload_expiries_pkey PRIMARY KEY (expires_at, message_id);


--
-- Name: pending_deliveries pending_deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pending_deliveries
    ADD CONSTRAINT pending_deliveries_pkey PRIMARY KEY (message_id, endpoint_id);


--
-- Name: poller_readers poller_readers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.poller_readers
    ADD CONSTRAINT poller_readers_pkey PRIMARY KEY (poller_id, name, by_offset);


--
-- Name: pollers pollers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pollers
    ADD CONSTRAINT pollers_pkey PRIMARY KEY (id);


--
-- Name: rollup_progress rollup_progress_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.rollup_progress
    ADD CONSTRAINT rollup_progress_pkey PRIMARY KEY (only_row);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: shards shards_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.shards
    ADD CONSTRAINT shards_pkey PRIMARY KEY (shard);


--
-- Name: sign_in_failures sign_in_failures_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sign_in_failures
    ADD CONSTRAINT sign_in_failures_pkey PRIMARY KEY (subject);


--
-- Name: source_logs source_logs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.source_logs
    ADD CONSTRAINT source_logs_pkey PRIMARY KEY (id);


--
-- Name: source_tokens source_tokens_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.source_tokens
    ADD CONSTRAINT source_tokens_hash_key UNIQUE (hash);


--
-- Name: source_tokens source_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.source_tokens
    ADD CONSTRAINT source_tokens_pkey PRIMARY KEY (id);


--
-- Name: sources sources_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (id);


--
-- Name: suspects suspects_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.suspects
    ADD CONSTRAINT suspects_pkey PRIMARY KEY (message_id, endpoint_id);


--
-- Name: svix_imported_rows svix_imported_rows_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.svix_imported_rows
    ADD CONSTRAINT svix_imported_rows_pkey PRIMARY KEY (id);


--
-- Name: svix_imports svix_imports_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.svix_imports
    ADD CONSTRAINT svix_imports_pkey PRIMARY KEY (source, scope);


--
-- Name: throttles throttles_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.throttles
    ADD CONSTRAINT throttles_pkey PRIMARY KEY (application_id);


--
-- Name: token_revocations token_revocations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.token_revocations
    ADD CONSTRAINT token_revocations_pkey PRIMARY KEY (subject, issued_until);


--
-- Name: users users_invitation_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_invitation_key UNIQUE (invitation);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


--
-- Name: web_sessions web_sessions_hash_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.web_sessions
    ADD CONSTRAINT web_sessions_hash_key UNIQUE (hash);


--
-- Name: web_sessions web_sessions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.web_sessions
    ADD CONSTRAINT web_sessions_pkey PRIMARY KEY (id);


--
-- Name: workers workers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (name);


--
-- Name: api_tokens_changed_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_tokens_changed_at ON public.api_tokens USING btree (changed_at);


--
-- Name: api_tokens_organization_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_tokens_organization_id ON public.api_tokens USING btree (organization_id, id);


--
-- Name: api_tokens_poller_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX api_tokens_poller_id ON public.api_tokens USING btree (poller_id, id) WHERE (poller_id IS NOT NULL);


--
-- Name: applications_organization_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX applications_organization_id ON public.applications USING btree (organization_id, id) WHERE (deleted_at IS NULL);


--
-- Name: applications_organization_uid; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX applications_organization_uid ON public.applications USING btree (organization_id, uid) WHERE (deleted_at IS NULL);


--
-- Name: applications_rate_limit; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX applications_rate_limit ON public.applications USING btree (id) WHERE ((rate_limit IS NOT NULL) AND (deleted_at IS NULL));


--
-- Name: attempt_logs_organization; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempt_logs_organization ON public.attempt_logs USING btree (organization_id, ended_at);


--
-- Name: attempts_endpoint_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_endpoint_id ON ONLY public.attempts USING btree (endpoint_id, id);


--
-- Name: attempts_default_endpoint_id_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_default_endpoint_id_id_idx ON public.attempts_default USING btree (endpoint_id, id);


--
-- Name: attempts_failed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_failed ON ONLY public.attempts USING btree (endpoint_id, id) WHERE (status = 2);


--
-- Name: attempts_default_endpoint_id_id_idx1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_default_endpoint_id_id_idx1 ON public.attempts_default USING btree (endpoint_id, id) WHERE (status = 2);


--
-- Name: attempts_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_id ON ONLY public.attempts USING brin (id) WITH (pages_per_range='16');


--
-- Name: attempts_default_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX attempts_default_id_idx ON public.attempts_default USING brin (id) WITH (pages_per_range='16');


--
-- Name: audit_entries_actor_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_entries_actor_id ON public.audit_entries USING btree (organization_id, actor_id, id);


--
-- Name: audit_entries_application_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_entries_application_id ON public.audit_entries USING btree (organization_id, application_id, id);


--
-- Name: audit_entries_organization_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_entries_organization_id ON public.audit_entries USING btree (organization_id, id);


--
-- Name: audit_entries_target; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_entries_target ON public.audit_entries USING btree (organization_id, target, id);


--
-- Name: background_tasks_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX background_tasks_endpoint ON public.background_tasks USING btree (((arguments ->> 'endpoint_id'::text)), id) WHERE ((arguments ->> 'endpoint_id'::text) IS NOT NULL);


--
-- Name: background_tasks_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX background_tasks_kind ON public.background_tasks USING btree (organization_id, kind, id);


--
-- Name: background_tasks_organization_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX background_tasks_organization_id ON public.background_tasks USING btree (organization_id, id);


--
-- Name: background_tasks_running; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX background_tasks_running ON public.background_tasks USING btree (organization_id, id) WHERE (status = 'running'::text);


--
-- Name: background_tasks_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX background_tasks_status ON public.background_tasks USING btree (organization_id, status, id);


--
-- Name: deliveries_canceled; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_canceled ON ONLY public.deliveries USING btree (endpoint_id, message_id) WHERE (state = 4);


--
-- Name: deliveries_endpoint_message; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_endpoint_message ON ONLY public.deliveries USING btree (endpoint_id, message_id);


--
-- Name: deliveries_default_endpoint_id_message_id_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_default_endpoint_id_message_id_idx ON public.deliveries_default USING btree (endpoint_id, message_id);


--
-- Name: deliveries_failed; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_failed ON ONLY public.deliveries USING btree (endpoint_id, message_id) WHERE (state = 2);


--
-- Name: deliveries_default_endpoint_id_message_id_idx1; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_default_endpoint_id_message_id_idx1 ON public.deliveries_default USING btree (endpoint_id, message_id) WHERE (state = 2);


--
-- Name: deliveries_default_endpoint_id_message_id_idx2; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deliveries_default_endpoint_id_message_id_idx2 ON public.deliveries_default USING btree (endpoint_id, message_id) WHERE (state = 4);


--
-- Name: endpoint_health_failing; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoint_health_failing ON public.endpoint_health USING btree (first_failure_at) WHERE (first_failure_at IS NOT NULL);


--
-- Name: endpoints_application_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_application_id ON public.endpoints USING btree (application_id, id) WHERE (deleted_at IS NULL);


--
-- Name: endpoints_application_uid; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX endpoints_application_uid ON public.endpoints USING btree (application_id, uid) WHERE (deleted_at IS NULL);


--
-- Name: endpoints_disabled; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_disabled ON public.endpoints USING btree (application_id, id) WHERE (disabled AND (deleted_at IS NULL));


--
-- Name: endpoints_log_subscribers; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_log_subscribers ON public.endpoints USING btree (application_id) WHERE ((event_types @> '{message.attempt.log}'::text[]) AND (deleted_at IS NULL) AND (NOT disabled));


--
-- Name: event_types_organization_name; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX event_types_organization_name ON public.event_types USING btree (organization_id, name);


--
-- Name: event_types_retry_schedule; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX event_types_retry_schedule ON public.event_types USING btree (organization_id, name) WHERE (retry_schedule IS NOT NULL);


--
-- Name: held_messages_message_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX held_messages_message_id ON public.held_messages USING btree (message_id);


--
-- Name: idempotency_keys_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotency_keys_created_at ON public.idempotency_keys USING brin (created_at);


--
-- Name: idempotent_responses_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotent_responses_created_at ON public.idempotent_responses USING brin (created_at);


--
-- Name: messages_application_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_application_id ON ONLY public.messages USING btree (application_id, id) INCLUDE (event_type);


--
-- Name: messages_default_application_id_id_event_type_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_default_application_id_id_event_type_idx ON public.messages_default USING btree (application_id, id) INCLUDE (event_type);


--
-- Name: one_time_tokens_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX one_time_tokens_expires_at ON public.one_time_tokens USING btree (expires_at);


--
-- Name: organizations_retry_schedule; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX organizations_retry_schedule ON public.organizations USING btree (id) WHERE (retry_schedule IS NOT NULL);


--
-- Name: pending_deliveries_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pending_deliveries_due ON public.pending_deliveries USING btree (shard, next_attempt_at);


--
-- Name: pending_deliveries_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pending_deliveries_endpoint ON public.pending_deliveries USING btree (endpoint_id, next_attempt_at);


--
-- Name: pending_deliveries_line; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pending_deliveries_line ON public.pending_deliveries USING btree (shard, endpoint_id, line, "position") WHERE ("position" IS NOT NULL);


--
-- Name: pollers_application_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pollers_application_id ON public.pollers USING btree (application_id, id);


--
-- Name: pollers_application_uid; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX pollers_application_uid ON public.pollers USING btree (application_id, uid) WHERE (uid IS NOT NULL);


--
-- Name: sign_in_failures_ends_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sign_in_failures_ends_at ON public.sign_in_failures USING btree (ends_at);


--
-- Name: source_logs_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX source_logs_created_at ON public.source_logs USING btree (created_at);


--
-- Name: source_logs_source_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX source_logs_source_id ON public.source_logs USING btree (source_id, id);


--
-- Name: source_tokens_source_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX source_tokens_source_id ON public.source_tokens USING btree (source_id, id);


--
-- Name: sources_application_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sources_application_id ON public.sources USING btree (application_id);


--
-- Name: sources_next_run_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sources_next_run_at ON public.sources USING btree (next_run_at) WHERE ((next_run_at IS NOT NULL) AND (deleted_at IS NULL));


--
-- Name: sources_organization_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX sources_organization_id ON public.sources USING btree (organization_id, id) WHERE (deleted_at IS NULL);


--
-- Name: sources_organization_uid; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX sources_organization_uid ON public.sources USING btree (organization_id, uid) WHERE (deleted_at IS NULL);


--
-- Name: token_revocations_changed_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX token_revocations_changed_at ON public.token_revocations USING btree (changed_at);


--
-- Name: users_email; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX users_email ON public.users USING btree (email) WHERE (deleted_at IS NULL);


--
-- Name: users_oidc; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX users_oidc ON public.users USING btree (oidc_issuer, oidc_subject) WHERE (deleted_at IS NULL);


--
-- Name: users_organization_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX users_organization_id ON public.users USING btree (organization_id, id);


--
-- Name: web_sessions_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX web_sessions_expires_at ON public.web_sessions USING btree (expires_at);


--
-- Name: web_sessions_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX web_sessions_user_id ON public.web_sessions USING btree (user_id) WHERE (user_id IS NOT NULL);


--
-- Name: attempts_default_endpoint_id_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempts_endpoint_id ATTACH PARTITION public.attempts_default_endpoint_id_id_idx;


--
-- Name: attempts_default_endpoint_id_id_idx1; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempts_failed ATTACH PARTITION public.attempts_default_endpoint_id_id_idx1;


--
-- Name: attempts_default_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempts_id ATTACH PARTITION public.attempts_default_id_idx;


--
-- Name: attempts_default_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempts_pkey ATTACH PARTITION public.attempts_default_pkey;


--
-- Name: deliveries_default_endpoint_id_message_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.deliveries_endpoint_message ATTACH PARTITION public.deliveries_default_endpoint_id_message_id_idx;


--
-- Name: deliveries_default_endpoint_id_message_id_idx1; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.deliveries_failed ATTACH PARTITION public.deliveries_default_endpoint_id_message_id_idx1;


--
-- Name: deliveries_default_endpoint_id_message_id_idx2; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.deliveries_canceled ATTACH PARTITION public.deliveries_default_endpoint_id_message_id_idx2;


--
-- Name: deliveries_default_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.deliveries_pkey ATTACH PARTITION public.deliveries_default_pkey;


--
-- Name: messages_default_application_id_id_event_type_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.messages_application_id ATTACH PARTITION public.messages_default_application_id_id_event_type_idx;


--
-- Name: messages_default_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.messages_pkey ATTACH PARTITION public.messages_default_pkey;


--
-- Name: audit_entries audit_entries_are_final; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_entries_are_final BEFORE UPDATE ON public.audit_entries FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();


--
-- Name: endpoints endpoints_revision; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER endpoints_revision BEFORE UPDATE ON public.endpoints FOR EACH ROW EXECUTE FUNCTION public.count_endpoint_revision();


--
-- Name: api_tokens api_tokens_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);


--
-- Name: applications applications_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);


--
-- Name: broadcasts broadcasts_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.broadcasts
    ADD CONSTRAINT broadcasts_id_fkey FOREIGN KEY (id) REFERENCES public.background_tasks(id) ON DELETE CASCADE;


--
-- Name: endpoint_health endpoint_health_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint_health
    ADD CONSTRAINT endpoint_health_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES public.endpoints(id) ON DELETE CASCADE;


--
-- Name: endpoint_transformations endpoint_transformations_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint_transformations
    ADD CONSTRAINT endpoint_transformations_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: endpoint_transformations endpoint_transformations_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint_transformations
    ADD CONSTRAINT endpoint_transformations_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES public.endpoints(id);


--
-- Name: endpoints endpoints_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoints
    ADD CONSTRAINT endpoints_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: event_types event_types_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.event_types
    ADD CONSTRAINT event_types_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);


--
-- Name: one_time_tokens one_time_tokens_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);


--
-- Name: organizations organizations_operational_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT organizations_operational_application_id_fkey FOREIGN KEY (operational_application_id) REFERENCES public.applications(id);


--
-- Name: poller_readers poller_readers_poller_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.poller_readers
    ADD CONSTRAINT poller_readers_poller_id_fkey FOREIGN KEY (poller_id) REFERENCES public.pollers(id) ON DELETE CASCADE;


--
-- Name: pollers pollers_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pollers
    ADD CONSTRAINT pollers_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: source_tokens source_tokens_source_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.source_tokens
    ADD CONSTRAINT source_tokens_source_id_fkey FOREIGN KEY (source_id) REFERENCES public.sources(id);


--
-- Name: sources sources_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);


--
-- Name: sources sources_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.sources
    ADD CONSTRAINT sources_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);


--
-- Name: throttles throttles_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.throttles
    ADD CONSTRAINT throttles_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;


--
-- Name: users users_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);


--
-- PostgreSQL database dump complete
--



--
-- Dbmate schema migrations
--

INSERT INTO public.schema_migrations (version) VALUES
    ('0001'),
    ('0002'),
    ('0003'),
    ('0004'),
    ('0005'),
    ('0006'),
    ('0007'),
    ('0008'),
    ('0009'),
    ('0010'),
    ('0011'),
    ('0012'),
    ('0013'),
    ('0014'),
    ('0015'),
    ('0016'),
    ('0017'),
    ('0018'),
    ('0019'),
    ('0020'),
    ('0021'),
    ('0022'),
    ('0023'),
    ('0024'),
    ('0025'),
    ('0026'),
    ('0027'),
    ('0028'),
    ('0029'),
    ('0030'),
    ('0031'),
    ('0032'),
    ('0033'),
    ('0034'),
    ('0035'),
    ('0036'),
    ('0037'),
    ('0038'),
    ('0039');
