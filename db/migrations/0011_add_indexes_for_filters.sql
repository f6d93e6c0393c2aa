-- migrate:up
SET lock_timeout = '3s';

-- What is rare among much history is found without reading all the rest. Most attempts and deliveries succeed, and pay
-- nothing for these two.
CREATE INDEX attempts_failed ON attempts (endpoint_id, id) WHERE status = 2;
CREATE INDEX deliveries_failed ON deliveries (endpoint_id, message_id) WHERE state = 2;

-- Messages of an event type are looked for in the index alone. An index by type would find them sooner, and cost each
-- message seven microseconds of Postgres; this one costs none.
DROP INDEX messages_application_id;
CREATE INDEX messages_application_id ON messages (application_id, id) INCLUDE (event_type);

-- migrate:down
SET lock_timeout = '3s';
DROP INDEX messages_application_id;
CREATE INDEX messages_application_id ON messages (application_id, id);
DROP INDEX deliveries_failed;
DROP INDEX attempts_failed;
