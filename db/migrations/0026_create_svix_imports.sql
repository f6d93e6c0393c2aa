-- migrate:up
SET lock_timeout = '3s';

-- How far `postrider import svix` is with the history of a Svix database: of all of it (scope '*'), or of one organization.
CREATE TABLE svix_imports (
    -- A digest of when that database was first migrated: the same under whichever address, and in a copy of it.
    source text COLLATE "C" NOT NULL,
    scope text COLLATE "C" NOT NULL,
    -- From when on messages are brought.
    since timestamptz NOT NULL,
    -- The pass under way: when it began by the source's clock, the id that it began with, and the last id that is done
    -- (of a message, or of an attempt in its second half). NULL: none is under way.
    began_at timestamptz,
    floor text COLLATE "C",
    cursor text COLLATE "C",
    -- Something could not be brought in this pass that a later one may bring.
    has_gaps boolean NOT NULL DEFAULT false,
    -- What the source had then is here; NULL: no pass has ended yet.
    complete_to timestamptz,
    PRIMARY KEY (source, scope)
);

-- What was imported besides history, as it was there and here: whether either side has changed since shows in these.
CREATE TABLE svix_imported_rows (
    id text COLLATE "C" PRIMARY KEY,
    -- A keyed digest of the source's row.
    digest bytea NOT NULL,
    -- Of our row after it was written, what every change of it changes.
    ours text NOT NULL
);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE svix_imported_rows;
DROP TABLE svix_imports;
