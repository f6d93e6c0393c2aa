
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
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END
$$;


--
-- Name: ensure_partitions(integer); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.ensure_partitions(weeks_ahead integer DEFAULT 4) RETURNS integer
    LANGUAGE plpgsql
    SET lock_timeout TO '500ms'
    AS $$
DECLARE
    made integer := 0;
    made_here integer;
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
                week := date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(weeks => ahead);
                child := history.column1 || '_' || to_char(week AT TIME ZONE 'UTC', 'YYYYMMDD');
                CONTINUE WHEN to_regclass(child) IS NOT NULL;
                low := floor_id(history.column3, week);
                high := floor_id(history.column3, week + interval '1 week');
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
    value json;
    token text;
BEGIN
    IF payload IS NULL OR ordered_by = 'endpoint' THEN
        RETURN 0;
    END IF;
    -- Postgres cannot hold NUL in a text.
    value := replace(convert_from(payload, 'UTF8'), '\u0000', '\ufffd')::json;
    -- The pointer "/" is to the key "", of which string_to_array makes no token at all.
    FOREACH token IN ARRAY coalesce(nullif(string_to_array(substr(ordered_by, 2), '/'), '{}'), '{""}') LOOP
        token := replace(replace(token, '~1', '/'), '~0', '~');
        value := CASE json_typeof(value)
            WHEN 'object' THEN value -> token
            WHEN 'array' THEN CASE WHEN token ~ '^(0|[1-9][0-9]{0,8})$' THEN value -> token::integer END
        END;
    END LOOP;
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


SET default_tablespace = '';

SET default_table_access_method = heap;

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
    CONSTRAINT applications_rate_limit_check CHECK ((rate_limit > 0))
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
    CONSTRAINT attempts_status_check CHECK ((status = ANY (ARRAY[0, 2]))),
    CONSTRAINT attempts_trigger_check CHECK ((trigger = ANY (ARRAY[0, 1])))
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
    revision bigint DEFAULT 0 NOT NULL
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
    updated_at timestamp with time zone NOT NULL
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
-- Name: installation; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.installation (
    only_row boolean DEFAULT true NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT installation_only_row_check CHECK (only_row)
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
    created_at timestamp with time zone DEFAULT now() NOT NULL
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
    created_at timestamp with time zone DEFAULT now() CONSTRAINT messages_created_at_not_null NOT NULL
);


--
-- Name: organizations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.organizations (
    id text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    operational_application_id text COLLATE pg_catalog."C"
);


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
-- Name: positions; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.positions
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


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
-- Name: workers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.workers (
    name text NOT NULL COLLATE pg_catalog."C",
    seen_at timestamp with time zone DEFAULT now() NOT NULL
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
-- Name: applications applications_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_pkey PRIMARY KEY (id);


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
-- Name: idempotency_keys idempotency_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (organization_id, key);


--
-- Name: installation installation_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);


--
-- Name: message_event_ids message_event_ids_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.message_event_ids
    ADD CONSTRAINT message_event_ids_pkey PRIMARY KEY (application_id, event_id);


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
-- Name: organizations organizations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);


--
-- Name: pending_deliveries pending_deliveries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pending_deliveries
    ADD CONSTRAINT pending_deliveries_pkey PRIMARY KEY (message_id, endpoint_id);


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
-- Name: workers workers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (name);


--
-- Name: applications_organization_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX applications_organization_id ON public.applications USING btree (organization_id, id) WHERE (deleted_at IS NULL);


--
-- Name: applications_organization_uid; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX applications_organization_uid ON public.applications USING btree (organization_id, uid) WHERE (deleted_at IS NULL);


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
-- Name: endpoints_application_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_application_id ON public.endpoints USING btree (application_id, id) WHERE (deleted_at IS NULL);


--
-- Name: endpoints_application_uid; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX endpoints_application_uid ON public.endpoints USING btree (application_id, uid) WHERE (deleted_at IS NULL);


--
-- Name: event_types_organization_name; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX event_types_organization_name ON public.event_types USING btree (organization_id, name);


--
-- Name: idempotency_keys_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotency_keys_created_at ON public.idempotency_keys USING brin (created_at);


--
-- Name: messages_application_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_application_id ON ONLY public.messages USING btree (application_id, id) INCLUDE (event_type);


--
-- Name: messages_default_application_id_id_event_type_idx; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX messages_default_application_id_id_event_type_idx ON public.messages_default USING btree (application_id, id) INCLUDE (event_type);


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
-- Name: attempts_default_endpoint_id_id_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempts_endpoint_id ATTACH PARTITION public.attempts_default_endpoint_id_id_idx;


--
-- Name: attempts_default_endpoint_id_id_idx1; Type: INDEX ATTACH; Schema: public; Owner: -
--

ALTER INDEX public.attempts_failed ATTACH PARTITION public.attempts_default_endpoint_id_id_idx1;


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
-- Name: endpoints endpoints_revision; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER endpoints_revision BEFORE UPDATE ON public.endpoints FOR EACH ROW EXECUTE FUNCTION public.count_endpoint_revision();


--
-- Name: applications applications_organization_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES public.organizations(id);


--
-- Name: endpoint_health endpoint_health_endpoint_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoint_health
    ADD CONSTRAINT endpoint_health_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES public.endpoints(id) ON DELETE CASCADE;


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
-- Name: organizations organizations_operational_application_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.organizations
    ADD CONSTRAINT organizations_operational_application_id_fkey FOREIGN KEY (operational_application_id) REFERENCES public.applications(id);


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
    ('0011');
