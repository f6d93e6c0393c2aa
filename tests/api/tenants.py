"""Two organizations that have one of everything, twice, and how much of it there is."""

import hashlib
from dataclasses import dataclass
from typing import Final

import asyncpg
import httpx
from fastapi import FastAPI

from app import ids, tokens
from app.db.session import Database
from app.db.web_session.table import StoredSession, insert_session
from app.receiving.record import Received, pack
from app.settings import Settings
from tests import factories
from tests.api.operations import Operation, identity

# The parameters that name a thing, and those that do not. One that is in neither is somebody's to sort in.
NAMING: Final = frozenset(
    {
        *("app_id", "endpoint_id", "msg_id", "attempt_id", "event_type_name", "env_id", "key_id", "task_id"),
        *("actor", "target", "sink_id", "source_id", "reference", "user_id", "session_id"),
    }
)
OTHER: Final = frozenset(
    {
        *("limit", "iterator", "order", "before", "after", "since", "until", "status", "status_code_class", "channel"),
        *("tag", "event_types", "with_content", "include_archived", "expunge", "get_if_exists", "operation", "task"),
        *("channels", "expanded_statuses", "with_msg", "search", "created_before"),
        *("exclude_disabled", "exclude_svix_play", "startDate", "endDate", "period"),
        *(f"exclude_apps_with_{what}_endpoints" for what in ("no", "disabled", "svix_play")),
        *("consumer_id", "event_type", "lease_duration_ms", "starting_position"),
    }
)
# Tables that hold nothing of a tenant.
_OURS: Final = frozenset(
    {
        *(
            "installation",
            "ledger_figures",
            "rollup_progress",
            "schema_migrations",
            "shards",
            "workers",
            "sign_in_failures",
        ),
        # What the operator brought from elsewhere, and when.
        *("svix_imports", "svix_imported_rows"),
    }
)
_APPLICATIONS: Final = "SELECT id FROM applications WHERE organization_id = $1"
# Which rows of a table are an organization's, or an application's, by the first of these columns that it has.
_OF_ORGANIZATION: Final = {
    "organization_id": "organization_id = $1",
    "application_id": f"application_id IN ({_APPLICATIONS})",
    "endpoint_id": f"endpoint_id IN (SELECT id FROM endpoints WHERE application_id IN ({_APPLICATIONS}))",
    "message_id": f"message_id IN (SELECT id FROM messages WHERE application_id IN ({_APPLICATIONS}))",
    "source_id": "source_id IN (SELECT id FROM sources WHERE organization_id = $1)",
    "scope_id": f"(scope_id = $1 OR scope_id IN ({_APPLICATIONS}))",
}
_OF_APPLICATION: Final = {
    "application_id": "application_id = $1",
    "endpoint_id": "endpoint_id IN (SELECT id FROM endpoints WHERE application_id = $1)",
    "message_id": "message_id IN (SELECT id FROM messages WHERE application_id = $1)",
    "source_id": "source_id IN (SELECT id FROM sources WHERE application_id = $1)",
    "scope_id": "scope_id = $1",
}


@dataclass(frozen=True)
class Customer:
    """One application and what is in it: ids, and the names that its organization gave them."""

    portal: httpx.AsyncClient
    ids: dict[str, str]
    uids: dict[str, str]


@dataclass(frozen=True)
class Tenant:
    """One organization, with two applications."""

    organization_id: str
    client: httpx.AsyncClient
    customers: tuple[Customer, Customer]
    # Of the organization itself.
    ids: dict[str, str]
    uids: dict[str, str]
    operational: dict[str, str]

    def names(self, customer: int, operation: Operation, *, uids: bool = False) -> dict[str, str]:
        """What the parameters of an operation are called: of the organization, or of one of its applications."""
        found = self.ids | self.customers[customer].ids
        if uids:
            found |= self.uids | self.customers[customer].uids
        if operation.path.startswith("/operational-webhook"):
            found["endpoint_id"] = self.operational["uid" if uids else "id"]
        if operation.path.endswith("/received"):
            found["msg_id"] = found["arrived_id"]
        # What may be looked for in all applications.
        found["reference"] = found["endpoint_id" if operation.path == "/endpoint/find" else "msg_id"]
        if "/poller/{endpoint_id}" in operation.path:
            found["endpoint_id"] = found["sink_id"]
        if "/source/{source_id}/endpoint/{endpoint_id}" in operation.path:
            found["endpoint_id"] = found["source_endpoint_id"]
        return found

    def is_shared(self, parameter: str, operation: Operation) -> bool:
        """Whether what it names is the organization's, and so the same whichever application is asked."""
        if parameter == "reference":
            # It is looked for in all applications.
            return True
        if parameter == "task_id" and operation.path.startswith("/background-task"):
            return True
        return parameter in self.ids or operation.path.startswith("/operational-webhook")


async def make_tenant(app: FastAPI, settings: Settings, database: Database) -> Tenant:
    """An organization with one of everything in each of its applications."""
    assert settings.jwt_secret is not None
    secret, organization_id = settings.jwt_secret.get_secret_value(), ids.new_id("org")
    client = factories.client_of(app, tokens.issue(secret, settings.jwt_algorithm, organization_id))
    assert isinstance(client, httpx.AsyncClient)
    name = factories.unique("event.type")
    await factories.create_event_type(client, name)
    # As the examples in the OpenAPI document call one, with an example of its own. Archived, so that its name is free.
    schemas = {"1": {"type": "object", "examples": [{"id": "in_1"}]}}
    await factories.create_event_type(client, "invoice.paid", schemas=schemas)
    assert (await client.delete("/event-type/invoice.paid")).is_success
    trusting = await client.patch("/management/environment-settings", json={"enableTransformations": True})
    assert trusting.is_success
    customers = (
        await _make_customer(app, settings, database, organization_id, client, name),
        await _make_customer(app, settings, database, organization_id, client, name),
    )
    operational_uid = factories.unique("ops")
    made = await client.post("/operational-webhook/endpoint", json={"url": factories.URL, "uid": operational_uid})
    key = await client.post(f"/management/authentication/{organization_id}/api-token", json={"name": "Key"})
    assert made.is_success
    assert key.is_success, key.text
    names = {"event_type_name": name, "env_id": organization_id, "key_id": key.json()["id"]}
    user = await client.post("/user", json={"email": f"{factories.unique('ada')}@example.com", "role": "viewer"})
    names["user_id"] = user.json()["user"]["id"]
    names["session_id"] = await _sign_in(database, organization_id, names["user_id"])
    names |= {"actor": key.json()["id"], "target": customers[0].ids["endpoint_id"]}
    operational = {"id": made.json()["id"], "uid": operational_uid}
    return Tenant(organization_id, client, customers, names, {}, operational)


async def _sign_in(database: Database, organization_id: str, user_id: str) -> str:
    """A browser in which a user is signed in."""
    session_id = ids.new_id("key")
    stored = StoredSession(session_id, 0, organization_id, None, user_id, b"")
    await insert_session(database.pool, stored, session_id.encode(), 3600)
    return session_id


async def _make_customer(
    app: FastAPI, settings: Settings, database: Database, organization_id: str, client: httpx.AsyncClient, event: str
) -> Customer:
    named = ("app_id", "endpoint_id", "msg_id", "sink_id", "source_id", "source_endpoint_id")
    uids = {name: factories.unique(name.replace("_", "")) for name in named}
    application = (await factories.create_application(client, uid=uids["app_id"]))["id"]
    endpoint = (await factories.create_endpoint(client, application, uid=uids["endpoint_id"], eventTypes=[event]))["id"]
    root = f"/app/{application}/endpoint/{endpoint}"
    for path, body in {
        "headers": {"headers": {"X-Secret": "one"}},
        "mtls": {"identity": identity()},
        "oauth": {
            "grantType": "clientCredentials",
            "authMethod": "clientSecretPost",
            "clientId": "a",
            "clientSecret": "b",
            "tokenUrl": factories.URL,
        },
    }.items():
        assert (await client.put(f"{root}/{path}", json=body)).is_success
    poller = (await client.post(f"/app/{application}/poller", json={"uid": uids["sink_id"]})).json()["id"]
    assert (await client.post(f"/auth/app/{application}/poller/{poller}/token/rotate", json={})).is_success
    message = (await factories.publish(client, application, event, eventId=uids["msg_id"]))["id"]
    attempt = await factories.record_attempt(database.pool, application, message, endpoint)
    await factories.record_delivery(database.pool, application, message, endpoint)
    assert settings.jwt_secret is not None
    token = tokens.issue_portal(
        settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, organization_id, application
    )
    portal = factories.client_of(app, token)
    assert isinstance(portal, httpx.AsyncClient)
    names = {"app_id": application, "endpoint_id": endpoint, "msg_id": message, "attempt_id": attempt}
    names |= {"sink_id": poller, "consumer_id": "reader"}
    started = await client.post(f"{root}/replay-missing", json={"since": "2026-01-31T08:00:00Z"})
    names["task_id"] = started.json()["id"]
    source = (await factories.create_source(client, uid=uids["source_id"], applicationId=application))["id"]
    url = f"{factories.INGEST}/source/{source}/endpoint"
    made = await client.post(url, json={"url": factories.URL, "uid": uids["source_endpoint_id"]})
    assert made.is_success, made.text
    await factories.record_rejected(database.pool, source)
    arrived = await factories.record_message(database.pool, application)
    received = pack(Received("POST", "", (("x-own", "1"),), None))
    await database.pool.execute(
        "UPDATE messages SET source_id = $1, received = $3 WHERE id = $2", source, arrived, received
    )
    names |= {"arrived_id": arrived}
    names |= {"source_id": source, "source_endpoint_id": made.json()["id"]}
    return Customer(portal, names, uids)


async def fingerprint(pool: asyncpg.Pool, owner: str) -> dict[str, tuple[int, str]]:
    """Of each table how many rows are the organization's or the application's, and a checksum over them."""
    found = {}
    for table, condition in (await _conditions(pool, owner)).items():
        rows = await pool.fetch(f"SELECT t::text FROM {table} t WHERE {condition} ORDER BY 1", owner)
        found[table] = (len(rows), hashlib.sha256("\n".join(row[0] for row in rows).encode()).hexdigest())
    return found


async def _conditions(pool: asyncpg.Pool, owner: str) -> dict[str, str]:
    """For each table that holds something of tenants, which rows are the owner's.

    AssertionError for a table of which nobody has said whose rows are in it.
    """
    columns = await pool.fetch(
        "SELECT c.relname AS table, array_agg(a.attname::text) AS names FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " GROUP BY 1"
    )
    all_columns = {row["table"]: row["names"] for row in columns}
    ways = _OF_APPLICATION if owner.startswith("app_") else _OF_ORGANIZATION
    conditions = {"applications" if owner.startswith("app_") else "organizations": "id = $1"}
    for table, names in all_columns.items():
        for column, condition in ways.items():
            if column in names:
                conditions.setdefault(table, condition)
                break
    unknown = {table for table, names in all_columns.items() if _OF_ORGANIZATION.keys().isdisjoint(names)}
    unknown -= {"organizations", *_OURS}
    assert not unknown, f"say whose rows are in {unknown}"
    return conditions
