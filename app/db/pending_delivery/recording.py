"""The statements that change the queue by what came of its deliveries."""

from typing import Final

from app.db.operational_webhook.attempt_log import NOTING

# What it protects: an outcome counts only if the delivery is still where it was when it was claimed (`tries`), so that
# a worker that lost its lease and wakes up later records nothing; and attempt, state and queue change together.
_STATEMENT: Final = """
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[], $4::smallint[], $5::float8[], $6::text[], $7::text[],
                         $8::smallint[], $9::smallint[], $10::bytea[], $11::integer[], $12::smallint[], $13::bytea[])
        AS i(message_id, endpoint_id, tries, state, delay, attempt_id, url, status, code, response, milliseconds,
             trigger, exchange)
), ended AS (
    DELETE FROM pending_deliveries p USING input i
    WHERE p.message_id = i.message_id AND p.endpoint_id = i.endpoint_id AND p.tries = i.tries AND i.delay IS NULL
    RETURNING i.*, p.application_id
), retried AS (
    UPDATE pending_deliveries p
    SET tries = p.tries + 1, trigger = 0, next_attempt_at = now() + make_interval(secs => i.delay)
    FROM input i
    WHERE p.message_id = i.message_id AND p.endpoint_id = i.endpoint_id AND p.tries = i.tries AND i.delay IS NOT NULL
    RETURNING i.*, p.application_id
), kept AS (
    SELECT * FROM ended UNION ALL SELECT * FROM retried
), tried AS (
    INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code,
                          response, response_duration_ms, exchange)
    SELECT attempt_id, message_id, endpoint_id, application_id, url, status, trigger, code, response, milliseconds,
           exchange
    FROM kept WHERE attempt_id IS NOT NULL
), outcomes AS (
    INSERT INTO deliveries AS d (message_id, endpoint_id, application_id, state, attempts)
    SELECT message_id, endpoint_id, application_id, state, (attempt_id IS NOT NULL)::integer FROM kept
    ON CONFLICT (message_id, endpoint_id) DO UPDATE
        SET state = excluded.state, attempts = d.attempts + excluded.attempts, updated_at = now()
        -- One that ended before, and was queued again by a resend, keeps its outcome if that is canceled.
        WHERE excluded.state <> 4 OR d.state = 1{returning}
){noting}
SELECT message_id, endpoint_id FROM kept
"""
RECORD: Final = _STATEMENT.format(returning="", noting="")
# The same where somebody wants to be told of all attempts.
RECORD_AND_NOTE: Final = _STATEMENT.format(returning="\n    RETURNING message_id, endpoint_id, attempts", noting=NOTING)

PUT_OFF: Final = """
UPDATE pending_deliveries p SET next_attempt_at = now() + make_interval(secs => $4)
FROM unnest($1::text[], $2::text[], $3::smallint[]) AS i(message_id, endpoint_id, tries)
WHERE p.message_id = i.message_id AND p.endpoint_id = i.endpoint_id AND p.tries = i.tries
"""
