-- migrate:up
SET lock_timeout = '3s';

-- How an endpoint has been answering, as far as restarts and other workers must not forget it. No row: nothing is amiss.
CREATE TABLE endpoint_health (
    endpoint_id text COLLATE "C" PRIMARY KEY REFERENCES endpoints (id) ON DELETE CASCADE,
    -- Since when the circuit breaker is open; NULL: it is closed.
    opened_at timestamptz,
    -- The first failure since the last success.
    first_failure_at timestamptz,
    consecutive_failures integer NOT NULL DEFAULT 0,
    -- Until when the receiver asked not to be sent to (Retry-After).
    paused_until timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE endpoint_health;
