-- migrate:up
SET lock_timeout = '3s';

-- What an endpoint's deliveries are ordered by: 'endpoint' (all of them are one line), or a JSON Pointer (RFC 6901) to a
-- key in the payload (one line for each of its values). NULL: by nothing, they are sent as fast as may be.
ALTER TABLE endpoints ADD COLUMN ordered_by text CHECK (ordered_by = 'endpoint' OR ordered_by LIKE '/%');

-- Its place in a line of its endpoint; NULL where there is no order. Only the first of a line is sent; those behind it are
-- parked, that is, next_attempt_at is infinity, until what is in front of them has ended.
ALTER TABLE pending_deliveries ADD COLUMN position bigint, ADD COLUMN line bigint;
CREATE INDEX pending_deliveries_line ON pending_deliveries (shard, endpoint_id, line, position)
    WHERE position IS NOT NULL;

CREATE SEQUENCE positions;

-- A number above all that were given before, with room for 65,536 messages of one statement behind it.
CREATE FUNCTION next_position() RETURNS bigint
    LANGUAGE sql VOLATILE
    AS $$ SELECT nextval('positions') * 65536 $$;

-- The line of a payload: a hash of the text, number or boolean that the pointer leads to. 0: the one of all that have no
-- such key. Never fails, whatever the payload is. Two keys may share a line: they then wait for each other.
CREATE FUNCTION line_of(payload bytea, ordered_by text) RETURNS bigint
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

-- migrate:down
SET lock_timeout = '3s';
UPDATE pending_deliveries SET next_attempt_at = now() WHERE next_attempt_at = 'infinity';
DROP INDEX pending_deliveries_line;
ALTER TABLE pending_deliveries DROP COLUMN line, DROP COLUMN position;
ALTER TABLE endpoints DROP COLUMN ordered_by;
DROP FUNCTION line_of(bytea, text);
DROP FUNCTION next_position();
DROP SEQUENCE positions;
