-- migrate:up
SET lock_timeout = '3s';

-- How many deliveries were made of a message, counted by the statement that made them: the ledger compares it with what is
-- found later (app/db/ledger). 0: no endpoint wanted it. NULL: it was published before there was a count, or by an older release.
ALTER TABLE messages ADD COLUMN deliveries integer;

-- The ledger as it was last drawn up over all organizations, in two parts: for GET /metrics, which reads nothing else.
CREATE TABLE ledger_figures (
    part text PRIMARY KEY CHECK (part IN ('balance', 'queue')),
    taken_at timestamptz NOT NULL DEFAULT now(),
    -- What it took.
    seconds double precision NOT NULL,
    figures jsonb NOT NULL
);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE ledger_figures;
ALTER TABLE messages DROP COLUMN deliveries;
