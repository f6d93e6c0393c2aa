-- migrate:up
SET lock_timeout = '3s';

-- People who sign in to the dashboard by their name.
CREATE TABLE users (
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
    -- In lower case.
    email text COLLATE "C" NOT NULL,
    name text,
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    -- Argon2id as PHC writes it; NULL: there is none, or none yet.
    password bytea,
    -- As whom a provider of OpenID Connect knows them, once they came from there.
    oidc_issuer text COLLATE "C",
    oidc_subject text COLLATE "C",
    disabled boolean NOT NULL DEFAULT false,
    -- SHA-256 of what stands in the link with which they choose a password.
    invitation bytea UNIQUE,
    invitation_expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    last_signed_in_at timestamptz,
    -- The audit log goes on to say who it was.
    deleted_at timestamptz,
    CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL))
);
CREATE UNIQUE INDEX users_email ON users (email) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_oidc ON users (oidc_issuer, oidc_subject) WHERE deleted_at IS NULL;
CREATE INDEX users_organization_id ON users (organization_id, id);

-- Attempts to sign in that did not succeed, or not yet, counted for some minutes.
CREATE TABLE sign_in_failures (
    -- A hash of the address, of the email, or of both.
    subject bytea PRIMARY KEY,
    failures integer NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX sign_in_failures_ends_at ON sign_in_failures (ends_at);

-- A link to the dashboard is for no application.
ALTER TABLE one_time_tokens ALTER COLUMN application_id DROP NOT NULL;

-- migrate:down
SET lock_timeout = '3s';
DELETE FROM one_time_tokens WHERE application_id IS NULL;
ALTER TABLE one_time_tokens ALTER COLUMN application_id SET NOT NULL;
DROP TABLE sign_in_failures;
DROP TABLE users;
