-- migrate:up
SET lock_timeout = '3s';

-- API tokens that are not JWTs: a random text, of which only a hash is kept.
CREATE TABLE api_tokens (
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
    name text NOT NULL,
    -- SHA-256 of the token's text, which has 256 random bits.
    hash bytea NOT NULL UNIQUE,
    -- Its last characters, by which its owner knows it again.
    ending text NOT NULL,
    -- What it may do (app/scopes.py); NULL: all that its organization may.
    scopes text[] CHECK (scopes <> '{}'),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- From then on it is refused; NULL: it never is.
    expires_at timestamptz,
    -- When it was written last. API processes ask what changed lately.
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX api_tokens_organization_id ON api_tokens (organization_id, id);
CREATE INDEX api_tokens_changed_at ON api_tokens (changed_at);

-- JWTs that are refused although they are signed and have not expired.
CREATE TABLE token_revocations (
    -- What is revoked: a hash of one token (jwt:…), or the tokens of an application (app_…), or of one session of it
    -- (app_…/session).
    subject text COLLATE "C" NOT NULL,
    -- Of an application's tokens those that were issued until then; of one token it is infinity.
    issued_until timestamptz NOT NULL,
    organization_id text COLLATE "C" NOT NULL,
    -- From then on they are refused.
    ends_at timestamptz NOT NULL,
    -- Then each of them has expired, and this row says nothing any more.
    forget_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (subject, issued_until)
);
CREATE INDEX token_revocations_changed_at ON token_revocations (changed_at);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE token_revocations;
DROP TABLE api_tokens;
