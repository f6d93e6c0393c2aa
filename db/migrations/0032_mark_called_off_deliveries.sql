-- migrate:up
SET lock_timeout = '3s';

-- True where somebody had what was pending canceled (cancel-msgs): it is not recovered, as what was canceled when its
-- endpoint was disabled is. NULL for all others; no delivery writes it.
ALTER TABLE deliveries ADD COLUMN called_off boolean;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE deliveries DROP COLUMN called_off;
