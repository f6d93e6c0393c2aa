"""The database of a Svix server, as far as the import reads it: rows made up, and keys encrypted, here."""

import hmac
import json
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from app import clock, ids
from tests import factories

MAIN_SECRET: Final = "the main secret of a Svix server"
MANAGEMENT: Final = "org_00000000000SvixManagement00"
SUCCESS, PENDING, FAIL, SENDING = 0, 1, 2, 3

_TABLES: Final = """
CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, installed_on timestamptz NOT NULL DEFAULT now());
INSERT INTO _sqlx_migrations VALUES (20220123205937);
CREATE TABLE application (
    id text COLLATE "C" PRIMARY KEY, created_at timestamptz, updated_at timestamptz, org_id text, uid text, name text,
    rate_limit integer, deleted boolean DEFAULT false);
CREATE TABLE applicationmetadata (id text PRIMARY KEY, data jsonb);
CREATE TABLE endpoint (
    id text COLLATE "C" PRIMARY KEY, created_at timestamptz, updated_at timestamptz, app_id text, key bytea, url text,
    description text DEFAULT '', event_types_ids jsonb, version integer DEFAULT 1, rate_limit integer,
    deleted boolean DEFAULT false, disabled boolean DEFAULT false, first_failure_at timestamptz, uid text,
    old_keys jsonb, channels jsonb, headers jsonb);
CREATE TABLE endpointmetadata (id text PRIMARY KEY, data jsonb);
CREATE TABLE eventtype (
    id text COLLATE "C" PRIMARY KEY, created_at timestamptz, updated_at timestamptz, org_id text, description text,
    deleted boolean DEFAULT false, schemas json, name text, feature_flag text, deprecated boolean DEFAULT false);
CREATE TABLE message (
    id text COLLATE "C" PRIMARY KEY, created_at timestamptz, org_id text, app_id text, event_type text, uid text,
    payload jsonb, channels jsonb, expiration timestamptz);
CREATE TABLE messagecontent (
    id text COLLATE "C" PRIMARY KEY, created_at timestamptz, payload bytea, expiration timestamptz);
CREATE TABLE messageattempt (
    id text COLLATE "C" PRIMARY KEY, created_at timestamptz, msg_id text COLLATE "C", endp_id text COLLATE "C",
    url text, status smallint, response_status_code smallint, response text, trigger_type smallint,
    response_duration_ms bigint, next_attempt timestamptz);
CREATE TABLE messagedestination (
    id text COLLATE "C" PRIMARY KEY, created_at timestamptz, updated_at timestamptz, msg_id text, endp_id text,
    status smallint, next_attempt timestamptz);
CREATE INDEX ON messageattempt (msg_id, id);
"""
# RFC 8439 §2.3.
_QUARTERS: Final = (
    *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
    *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """By the letter of draft-irtf-cfrg-xchacha-03 §2.2: twenty rounds, in Python."""
    state = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), *struct.unpack("<4I", nonce)]
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            for target, source, turned, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[target] = (state[target] + state[source]) % 2**32
                mixed = state[turned] ^ state[target]
                state[turned] = (mixed << bits | mixed >> (32 - bits)) % 2**32
    return struct.pack("<8I", *state[:4], *state[12:])


def encrypted(key: bytes, marker: int = 1, main_secret: str = MAIN_SECRET) -> bytes:
    """A signing key as a server with a main secret keeps it."""
    nonce = os.urandom(24)
    subkey = hchacha20(hmac.digest(main_secret.encode(), b"main", "sha256"), nonce[:16])
    sealed = ChaCha20Poly1305(subkey).encrypt(bytes(4) + nonce[16:], key, None)
    return bytes([0x80 | marker]) + nonce + sealed


def plain(key: bytes, marker: int = 1) -> bytes:
    """The same of a server without one."""
    return bytes([marker]) + key


def ed25519_key() -> bytes:
    """A private key with its public one."""
    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw() + private.public_key().public_bytes_raw()


@dataclass
class SvixServer:
    """What somebody did with a Svix server. `organization` has one application unless it is given another."""

    connection: psycopg.Connection
    dsn: str = field(repr=False)
    organization: str = field(default_factory=lambda: ids.new_id("org"))

    def run(self, statement: str, *values: object) -> None:
        self.connection.execute(statement.encode(), values)

    def add(self, table: str, **row: Any) -> str:
        """A row; lists and objects become JSON. Its id."""
        values = [json.dumps(each) if isinstance(each, list | dict) else each for each in row.values()]
        marks = ", ".join(["%s"] * len(row))
        self.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *values)
        return str(row.get("id"))

    def add_application(self, metadata: dict[str, str] | None = None, **row: Any) -> str:
        made = self.add("application", **_stamped("app", {"org_id": self.organization, "name": "Acme"} | row))
        if metadata is not None:
            self.add("applicationmetadata", id=made, data=metadata)
        return made

    def add_endpoint(self, application: str, key: bytes | None = None, metadata: object = None, **row: Any) -> str:
        key = encrypted(os.urandom(24)) if key is None else key
        row = {"app_id": application, "url": "http://127.0.0.1:1024/in", "key": key} | row
        made = self.add("endpoint", **_stamped("ep", row))
        if metadata is not None:
            self.add("endpointmetadata", id=made, data=metadata)
        return made

    def add_event_type(self, name: str = "invoice.paid", **row: Any) -> str:
        row = {"org_id": self.organization, "name": name, "description": "It happened."} | row
        return self.add("eventtype", **_stamped("evtype", row))

    def add_message(
        self,
        application: str,
        at: datetime | None = None,
        payload: bytes | None = b'{"n": 1.0}',
        days: int = 90,
        **row: Any,
    ) -> str:
        at = at or clock.now()
        made = factories.id_at("msg", at)
        kept = {"created_at": at, "expiration": at + timedelta(days=days)}
        row = {"org_id": self.organization, "app_id": application, "event_type": "invoice.paid"} | row
        self.add("message", id=made, **kept, **row)
        if payload is not None:
            self.add("messagecontent", id=made, payload=payload, **kept)
        return made

    def add_attempt(
        self, message: str, endpoint: str, status: int = SUCCESS, at: datetime | None = None, **row: Any
    ) -> str:
        at = at or clock.now()
        code = 200 if status == SUCCESS else 500
        row = {"response_status_code": code, "response": "ok", "trigger_type": 0, "response_duration_ms": 12} | row
        made = factories.id_at("atmpt", at)
        names = {"msg_id": message, "endp_id": endpoint, "url": "http://127.0.0.1:1024/in", "status": status}
        return self.add("messageattempt", id=made, created_at=at, **names, **row)

    def add_destination(self, message: str, endpoint: str, status: int, **row: Any) -> str:
        """As older servers keep them."""
        row = {"msg_id": message, "endp_id": endpoint, "status": status} | row
        return self.add("messagedestination", **_stamped("msgep", row))

    def touch(self, table: str, key: str, **row: Any) -> None:
        """Change a row now."""
        values = [json.dumps(each) if isinstance(each, list | dict) else each for each in row.values()]
        names = "".join(f"{name} = %s, " for name in row)
        self.run(f"UPDATE {table} SET {names} updated_at = clock_timestamp() WHERE id = %s", *values, key)

    @contextmanager
    def lacking(self, *changes: tuple[str, str]) -> Iterator[None]:
        """Without these columns of tables, or (where the column is empty) these tables."""
        for number, (table, column) in enumerate(changes):
            self.run(f"ALTER TABLE {table} RENAME {column} TO gone_{number}")
        yield
        for number, (table, column) in enumerate(changes):
            if column:
                self.run(f"ALTER TABLE {table} RENAME gone_{number} TO {column}")
            else:
                self.run(f"ALTER TABLE gone_{number} RENAME TO {table}")


def _stamped(prefix: ids.Prefix, row: dict[str, Any]) -> dict[str, Any]:
    at = row.pop("created_at", None) or clock.now()
    return {"id": factories.id_at(prefix, at), "created_at": at, "updated_at": at} | row


def make_tables(connection: psycopg.Connection) -> None:
    """The tables of a Svix server, in an empty database."""
    connection.execute(_TABLES.encode())


def empty(connection: psycopg.Connection, *kept: str) -> None:
    """Delete all rows, but those of some tables."""
    tables = rows_of(
        connection,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname <> ALL (%s)",
        [list(kept)],
    )
    deletions = "".join(f"DELETE FROM {table};" for (table,) in tables)
    # What refers to what does not matter when all goes.
    connection.execute(f"SET session_replication_role = replica; {deletions} RESET session_replication_role".encode())


def rows_of(connection: psycopg.Connection, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """What a statement finds."""
    return connection.execute(statement.encode(), values or None).fetchall()
