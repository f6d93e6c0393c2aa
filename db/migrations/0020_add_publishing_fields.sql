-- migrate:up
SET lock_timeout = '3s';

-- deliver_at: nothing is sent of the message before then. transformations_params: the JSON object in which the publisher
-- says what is sent in place of the payload, and with which headers; it goes when the payload goes. NULL for nearly all.
ALTER TABLE messages ADD COLUMN deliver_at timestamptz, ADD COLUMN transformations_params bytea;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE messages DROP COLUMN transformations_params, DROP COLUMN deliver_at;
