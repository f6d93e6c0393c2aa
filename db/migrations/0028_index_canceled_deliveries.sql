-- migrate:up
SET lock_timeout = '3s';

-- What was canceled is found without reading all the rest, when it is to be replayed. Other deliveries pay nothing for it.
CREATE INDEX deliveries_canceled ON deliveries (endpoint_id, message_id) WHERE state = 4;

-- migrate:down
SET lock_timeout = '3s';
DROP INDEX deliveries_canceled;
