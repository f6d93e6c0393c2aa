-- migrate:up
SET lock_timeout = '3s';

-- Where an attempt's time went, and if it failed the headers of the answer, packed (app/delivery/exchange.py). NULL:
-- nothing was sent, an older release made the attempt, or what was answered was expunged.
ALTER TABLE attempts ADD COLUMN exchange bytea;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE attempts DROP COLUMN exchange;
