-- migrate:up
SET lock_timeout = '3s';

-- As before, and for any week that is asked for: `at` is when "this week" is. New is also that a week which has gathered
-- much in the default partition stays there until it expires: to move it would keep everybody waiting.
DROP FUNCTION ensure_partitions(integer);
CREATE FUNCTION ensure_partitions(weeks_ahead integer DEFAULT 4, at timestamptz DEFAULT now()) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
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

-- Drops one week of history. Messages of which something is still to do move into the default partition, with their
-- deliveries. Returns how many did, or NULL, and nothing is dropped, if they are too many to be moved while everybody
-- waits. Raises lock_not_available if somebody uses history for longer than a moment: try again. Nobody waits longer
-- than that moment either.
--
-- The parents are locked first: whoever uses a partition holds its parent too, so that nothing then stands in the way
-- but a vacuum, which is not waited for.
CREATE FUNCTION drop_history(week date) RETURNS integer
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

-- migrate:down
SET lock_timeout = '3s';
DROP FUNCTION drop_history(date);
DROP FUNCTION ensure_partitions(integer, timestamptz);
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
