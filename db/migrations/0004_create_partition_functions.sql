-- migrate:up
SET lock_timeout = '3s';

-- The smallest id of a kind that could be made at a time: the same as app/ids.py's floor_id, which a test compares.
CREATE FUNCTION floor_id(prefix text, at timestamptz) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
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

-- Makes the weekly partitions of the history tables from this week on, as far ahead as is said; returns how many it
-- made. Rows that came before their partition did wait in the default partition and move into it. Safe to run at any
-- time and from several processes: only a partition that is missing takes locks. Whoever reads history for long, like a
-- backup, is not waited for, because everybody else would have to wait too: the next run makes what this one did not.
-- The time limit is below deadlock_timeout, so that in a circle of locks it is this that gives way.
CREATE FUNCTION ensure_partitions(weeks_ahead integer DEFAULT 4) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
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

-- migrate:down
SET lock_timeout = '3s';
DROP FUNCTION ensure_partitions(integer);
DROP FUNCTION floor_id(text, timestamptz);
