-- migrate:up
SET lock_timeout = '3s';

-- The code that changes what is sent to an endpoint. Apart from the endpoints, because it is long: lists do not read it.
-- Whoever writes here also touches the endpoint's row, whose revision tells the workers that theirs is stale.
CREATE TABLE endpoint_transformations (
    endpoint_id text COLLATE "C" PRIMARY KEY REFERENCES endpoints (id),
    application_id text COLLATE "C" NOT NULL REFERENCES applications (id),
    enabled boolean NOT NULL DEFAULT false,
    -- Sealed (app/sealing.py): JSON of the code and its variables, both of which may hold secrets.
    sealed bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE endpoint_transformations;
