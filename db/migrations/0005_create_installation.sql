-- migrate:up
SET lock_timeout = '3s';

-- One row, made by the first process that starts: a value that opens only with the main secret under which everything
-- else in this database is sealed, so that a process with another one notices before it serves.
CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sealed bytea NOT NULL
);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE installation;
