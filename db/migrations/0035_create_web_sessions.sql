-- migrate:up
SET lock_timeout = '3s';

-- Who is signed in to the pages: a browser's cookie, whose SHA-256 is kept, stands for the token with which its pages
-- call the API.
CREATE TABLE web_sessions (
    id text COLLATE "C" PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    -- 0: the dashboard, 1: the portal.
    site smallint NOT NULL CHECK (site IN (0, 1)),
    organization_id text COLLATE "C" NOT NULL,
    -- Of a portal's: the only one that it reaches.
    application_id text COLLATE "C",
    -- Of one who signed in as a user.
    user_id text COLLATE "C",
    sealed bytea NOT NULL,
    -- How the portal looks: what its link said.
    appearance jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX web_sessions_expires_at ON web_sessions (expires_at);
CREATE INDEX web_sessions_user_id ON web_sessions (user_id) WHERE user_id IS NOT NULL;

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE web_sessions;
