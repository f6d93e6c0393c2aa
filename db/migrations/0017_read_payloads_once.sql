-- migrate:up
SET lock_timeout = '3s';

-- The line of a payload, as before, but found in one pass: a pass for each part of the pointer made a payload of 1 MB that
-- nests deep cost seconds, at the expense of all whose messages were stored with it.
CREATE OR REPLACE FUNCTION line_of(payload bytea, ordered_by text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
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
$$;

-- migrate:down
SET lock_timeout = '3s';

CREATE OR REPLACE FUNCTION line_of(payload bytea, ordered_by text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
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
$$;
