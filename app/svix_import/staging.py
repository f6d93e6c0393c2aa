"""Where what is read waits, in tables that only this session has: emptied by the end of each transaction."""

from typing import Final

from app.svix_import.connection import Connection, run

# So that a bite is staged, sorted and joined in memory; and what a crash of Postgres takes back is done again, because
# the cursor goes with it.
_SESSION: Final = """
SET temp_buffers = '128MB'; SET work_mem = '64MB'; SET synchronous_commit = off; SET jit = off
"""
# The parents' columns, with all that this schema has, and no rows. `organization_id` of an endpoint is its
# application's.
_CONTROL: Final = """
CREATE TEMP TABLE import_{table} ON COMMIT DELETE ROWS AS
SELECT t.*, {more} '\\x'::bytea AS digest, NULL::text AS verdict FROM {table} t WITH NO DATA
"""
_HISTORY: Final = (
    """
CREATE TEMP TABLE import_messages (
    id text COLLATE "C", organization_id text COLLATE "C", application_id text COLLATE "C", event_type text,
    event_id text, channels text, created_at timestamptz, expires_at timestamptz, payload bytea
) ON COMMIT DELETE ROWS
""",
    """
CREATE TEMP TABLE import_attempts (
    id text COLLATE "C", message_id text COLLATE "C", endpoint_id text COLLATE "C", url text, status smallint,
    code smallint, response bytea, trigger smallint, milliseconds bigint, next_attempt_at timestamptz,
    created_at timestamptz
) ON COMMIT DELETE ROWS
""",
    """
CREATE TEMP TABLE import_destinations (
    message_id text COLLATE "C", endpoint_id text COLLATE "C", status smallint, next_attempt_at timestamptz,
    updated_at timestamptz
) ON COMMIT DELETE ROWS
""",
    # Applications that a run which writes nothing would have written.
    """
CREATE TEMP TABLE import_coming (id text COLLATE "C" PRIMARY KEY, organization_id text COLLATE "C")
""",
    # Of the messages those whose application is here.
    """
CREATE TEMP TABLE import_known (
    id text COLLATE "C", application_id text COLLATE "C", is_new boolean
) ON COMMIT DELETE ROWS
""",
    # Of these, each with each endpoint that it was, or is, to be sent to.
    """
CREATE TEMP TABLE import_pairs (
    message_id text COLLATE "C", application_id text COLLATE "C", endpoint_id text COLLATE "C", state smallint,
    attempts smallint, tries smallint, next_attempt_at timestamptz, updated_at timestamptz, is_pending boolean,
    is_new boolean, has_moved_on boolean, was_at timestamptz, is_queued boolean
) ON COMMIT DELETE ROWS
""",
)


def make_tables(connection: Connection) -> None:
    """Make the tables, once in a session that may write; afterwards one that only reads can use them as well."""
    run(connection, _SESSION)
    for table, more in (
        ("applications", ""),
        ("event_types", ""),
        ("endpoints", "NULL::text AS organization_id,"),
    ):
        run(connection, _CONTROL.format(table=table, more=more))
    for statement in _HISTORY:
        run(connection, statement)
