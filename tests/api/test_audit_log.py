"""The audit log: who changed what. Said of every operation of the OpenAPI document that changes something."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from app import clock, ids
from app.db.audit.entry import purge_entries
from app.db.endpoint.sending import disable
from app.db.session import Database
from app.settings import Settings
from app.tokens import TokenVerifier
from tests import factories
from tests.api.operations import Operation, identity, operations
from tests.api.tenants import Tenant, make_tenant
from tests.factories import Json

LOG: Final = "/audit-log"
READS: Final = {"GET", "HEAD"}
# These only ask, though by another method.
ASKING: Final = {
    "v1.message.precheck",
    "v1.message.search",
    "v1.environment.export",
    "v1.endpoint.transformation.simulate",
}
# These write what is recorded anyway: a message is its own record, and an attempt says that it was asked for; and how
# far somebody has read changes with every page.
OWN_RECORD: Final = {
    *("v1.message.create", "v1.message-attempt.resend", "v1.message.pollerv2.consumer-commit"),
    *("v1.endpoint.send-example", "v1.ingest.source.trigger"),
}
BODIES: Final[Mapping[str, Json]] = {
    "v1.application.patch-alert-email": {"email": "ops@example.com"},
    "v1.environment.import": {"settings": {"displayName": "Ours"}},
    "v1.management.environment-settings.update": {"displayName": "Theirs"},
    "v1.management.environment-settings.patch": {"displayName": "Mine"},
    "v1.event-type.set-retry-schedule": {"retrySchedule": [{"secs": 5, "nanos": 0}]},
    "v1.event-type.import-openapi": {
        "spec": {
            "openapi": "3.1.0",
            "info": {"title": "Ours", "version": "1"},
            "webhooks": {
                "order.sent": {
                    "post": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
                }
            },
        }
    },
    "v1.endpoint.set-server-ca": {"cert": identity().partition("-----BEGIN PRIVATE")[0]},
    "v1.endpoint.update": {"url": f"{factories.URL}/other"},
    "v1.ingest.endpoint.upsert": {"url": f"{factories.URL}/other"},
    "v1.endpoint.patch-headers": {"headers": {"X-Other": "two"}},
    "v1.management.authentication.patch-api-token": {"scopes": ["read"]},
    "v1.user.patch": {"name": "Ada"},
}
# What others need is deleted after them.
LAST: Final = (
    "v1.message.expunge-content",
    "v1.message.bulk-expunge-content",
    "v1.authentication.expire-all",
    "v1.operational-webhook.endpoint.delete",
    "v1.endpoint.delete",
    "v1.ingest.endpoint.delete",
    "v1.ingest.source.delete",
    "v1.poller.delete",
    "v1.event-type.delete",
    "v1.application.delete",
    "v1.user.delete",
)


def in_order(app: FastAPI) -> list[Operation]:
    """The operations that change something, in an order in which each finds what it asks for."""
    found = [
        operation
        for operation in operations(app)
        # What needs no token is tested where the secret is made that it needs.
        if operation.method not in READS
        and operation.name not in ASKING
        and not operation.is_open
        # Of users: tests/api/test_user.py.
        and not operation.name.startswith("v1.account.")
        # Those of no organization are in tests/api/test_environment.py.
        and not operation.is_management
        and not operation.waits_for_worker
    ]
    return sorted(found, key=lambda operation: LAST.index(operation.name) if operation.name in LAST else -1)


async def entries(client: httpx.AsyncClient, **params: str) -> list[Json]:
    answer = await client.get(LOG, params=params)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


@pytest.fixture
async def tenant(app: FastAPI, settings: Settings, database: Database) -> Tenant:
    return await make_tenant(app, settings, database)


def token_id(settings: Settings, client: httpx.AsyncClient) -> str:
    assert settings.jwt_secret is not None
    token = client.headers["authorization"].partition(" ")[2]
    return TokenVerifier(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm).verify(token).token_id


async def test_every_operation_that_changes_something_leaves_one_entry_that_says_who_it_was(
    app: FastAPI, tenant: Tenant, settings: Settings
) -> None:
    told, silent = [], []
    for operation in in_order(app):
        by_portal = operation.name == "v1.authentication.logout"
        client = tenant.customers[0].portal if by_portal else tenant.client
        before = {entry["id"] for entry in await entries(tenant.client, limit="250")}
        names, body = tenant.names(0, operation), BODIES.get(operation.name, operation.body)
        if operation.name == "v1.message.bulk-expunge-content":
            body = {"ids": [names["msg_id"]]}
        headers = {"x-request-id": f"asked-{operation.name}"}
        answer = await client.request(operation.method, operation.url(names), json=body, headers=headers)
        assert answer.is_success, f"{operation.name}: {answer.status_code} {answer.text}"
        new = [entry for entry in await entries(tenant.client, limit="250") if entry["id"] not in before]
        if operation.name in OWN_RECORD:
            assert new == [], operation.name
            continue
        if [entry["operation"] for entry in new] != [operation.name]:
            silent.append(operation.name)
            continue
        (entry,) = new
        actor = {"kind": "portal" if by_portal else "organization", "id": token_id(settings, client)}
        assert entry["actor"] == {**actor, "address": "127.0.0.1"}
        assert entry["correlationId"] == headers["x-request-id"]
        assert entry["changes"], operation.name
        if "app_id" in operation.path_parameters:
            assert entry["appId"] == names["app_id"], operation.name
        told.append(operation.name)
    assert silent == []
    assert len(told) > 30


async def test_what_only_reads_leaves_no_entry(app: FastAPI, tenant: Tenant) -> None:
    before = await entries(tenant.client, limit="250")
    for operation in operations(app):
        if operation.method in READS:
            await tenant.client.request(operation.method, operation.url(tenant.names(0, operation)))
    assert await entries(tenant.client, limit="250") == before


async def test_an_entry_says_what_a_field_was_and_is(client: httpx.AsyncClient) -> None:
    application = await factories.create_application(client, name="Before", uid="shop")
    changed = await client.patch("/app/shop", json={"name": "After", "metadata": {"a": "1"}, "uid": "shop"})
    assert changed.status_code == 200
    (entry,) = await entries(client, operation="v1.application.patch")
    assert entry["target"] == entry["appId"] == application["id"]
    assert entry["changes"] == [
        {
            "entity": "application",
            "id": application["id"],
            "fields": {
                "name": {"before": "Before", "after": "After", "changed": True},
                "metadata": {"before": {}, "after": {"a": "1"}, "changed": True},
            },
        }
    ]
    (created,) = await entries(client, operation="v1.application.create")
    assert created["changes"][0]["fields"]["name"] == {"after": "Before", "changed": True}


async def test_an_event_type_that_is_replaced_says_what_it_was(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client, "order.sent", description="one")
    assert (await client.put("/event-type/order.sent", json={"description": "two"})).status_code == 200
    (entry,) = await entries(client, operation="v1.event-type.update")
    assert entry["target"] == "order.sent"
    assert entry["changes"][0]["fields"] == {"description": {"before": "one", "after": "two", "changed": True}}


async def test_of_secrets_it_is_said_only_that_they_changed(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    canary, secret = "canary-4711", "whsec_" + "QUJD" * 10
    endpoint = (await factories.create_endpoint(client, application, secret=secret))["id"]
    path = f"/app/{application}/endpoint/{endpoint}"
    url = f"https://user:{canary}@example.com/"
    for answer in (
        await client.put(f"{path}/headers", json={"headers": {"Authorization": canary, "X-Plain": canary}}),
        await client.put(f"{path}/authentication", json={"type": "basic", "username": "a", "password": canary}),
        await client.put(f"{path}/mtls", json={"identity": identity()}),
        await client.post(f"{path}/secret/rotate", json={"key": secret.replace("A", "B")}),
        await client.patch(path, json={"description": f"see {url} and {secret}"}),
    ):
        assert answer.is_success, answer.text
    (headers,) = await entries(client, operation="v1.endpoint.update-headers")
    assert headers["changes"][0]["fields"] == {"headers": {"changed": True}}
    kept = await database.pool.fetch("SELECT e::text FROM audit_entries e WHERE target = $1", endpoint)
    assert len(kept) == 6
    for row in kept:
        assert canary not in row[0]
        assert "QUJD" not in row[0]
        assert "PRIVATE KEY" not in row[0]


async def test_what_is_refused_or_changes_nothing_leaves_no_entry(client: httpx.AsyncClient) -> None:
    await factories.create_application(client, uid="known")
    before = await entries(client)
    assert (await client.post("/app", json={"name": "again", "uid": "known"})).status_code == 409
    again = await client.post("/app", params={"get_if_exists": "true"}, json={"name": "again", "uid": "known"})
    assert again.status_code == 200
    assert (await client.patch("/app/unknown", json={"name": "x"})).status_code == 404
    assert (await client.patch("/app/known", json={"name": ""})).status_code == 422
    assert (await client.patch("/app/known", json={})).status_code == 200
    assert await entries(client) == before


async def test_a_change_that_is_rolled_back_leaves_no_entry_and_a_failing_entry_no_change(
    client: httpx.AsyncClient, empty_dsn: str, settings: Settings, token: str
) -> None:
    own = settings.model_copy(update={"db_dsn": empty_dsn})
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute("ALTER TABLE audit_entries ADD CHECK (operation <> 'v1.application.create')")
    async with factories.running(own) as app, factories.client_of(app, token) as apart:
        refused = await apart.post("/app", json={"name": "Acme"})
        assert refused.status_code == 500
    assert await connection.fetchval("SELECT count(*) FROM applications") == 0
    await connection.close()


async def test_the_log_of_others_is_not_shown_and_portals_see_none(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop_portal: httpx.AsyncClient
) -> None:
    assert await entries(client) != []
    assert await entries(stranger) == []
    refused = await shop_portal.get(LOG)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient access")


async def test_the_log_is_paged_and_filtered(client: httpx.AsyncClient, settings: Settings) -> None:
    first = (await factories.create_application(client, name="first"))["id"]
    second = (await factories.create_application(client, name="second"))["id"]
    endpoint = (await factories.create_endpoint(client, second))["id"]
    everything = await entries(client)
    assert [entry["target"] for entry in everything] == [endpoint, second, first]
    page = (await client.get(LOG, params={"limit": 2})).json()
    rest = (await client.get(LOG, params={"limit": 2, "iterator": page["iterator"]})).json()
    assert (page["data"] + rest["data"], page["done"], rest["done"]) == (everything, False, True)
    assert await entries(client, order="ascending") == everything[::-1]
    assert await entries(client, app_id=second) == everything[:2]
    assert await entries(client, target=first) == everything[2:]
    assert await entries(client, operation="v1.endpoint.create") == everything[:1]
    assert await entries(client, actor=token_id(settings, client)) == everything
    assert await entries(client, actor="key_somebody") == []
    hour = timedelta(hours=1)
    assert await entries(client, after=_text(clock.now() + hour)) == []
    assert await entries(client, before=_text(clock.now() + hour), after=_text(clock.now() - hour)) == everything


def _text(time: datetime) -> str:
    return time.isoformat()


async def test_what_a_worker_disables_is_in_the_log(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    assert await disable(database.pool, endpoint, 1, "it answered 410 Gone", None) is not None
    assert await disable(database.pool, endpoint, 1, "it answered 410 Gone", None) is None
    (entry,) = await entries(client, target=endpoint, operation="system.endpoint.disable")
    assert (entry["actor"], entry["appId"]) == ({"kind": "system"}, application)
    assert entry["changes"][0]["fields"] == {
        "disabled": {"before": False, "after": True, "changed": True},
        "disabled_reason": {"after": "it answered 410 Gone", "changed": True},
    }


async def test_entries_cannot_be_changed(client: httpx.AsyncClient, application: str, database: Database) -> None:
    for statement in ("UPDATE audit_entries SET actor_id = 'nobody'", "UPDATE audit_entries SET id = id WHERE false"):
        with pytest.raises(asyncpg.RaiseError, match="are not changed once they are written"):
            await database.pool.execute(statement)
    assert [entry["target"] for entry in await entries(client)] == [application]


async def test_entries_are_forgotten_after_their_time(
    client: httpx.AsyncClient, application: str, database: Database, organization_id: str
) -> None:
    insert = (
        "INSERT INTO audit_entries (id, organization_id, actor_kind, operation, created_at)"
        " VALUES ($1, $2, 'system', 'v1.old', $3)"
    )
    for days in (399, 401, 402, 403):
        at = clock.now() - timedelta(days=days)
        await database.pool.execute(insert, factories.id_at("audit", at), organization_id, at)
    assert await purge_entries(database.pool, 400, bite=2) >= 3
    kept = await entries(client)
    assert [entry["operation"] for entry in kept] == ["v1.application.create", "v1.old"]


async def test_a_portals_session_is_named(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    given = await client.post(f"/auth/app-portal-access/{application}", json={"sessionId": "user_1"})
    async with factories.client_of(app, given.json()["token"]) as portal:
        endpoint = (await factories.create_endpoint(portal, application))["id"]
    (entry,) = await entries(client, target=endpoint)
    name, _, session = entry["actor"]["id"].partition("/")
    assert (entry["actor"]["kind"], session) == ("portal", "user_1")
    assert ids.is_id(name, "key")
