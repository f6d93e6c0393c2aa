"""What belongs to the organization itself: its own endpoints, its settings, its numbers, its tasks."""

from datetime import timedelta

import pytest
from svix.exceptions import HttpError
from svix.models import (
    AppUsageStatsIn,
    EnvironmentIn,
    EventTypeIn,
    OperationalWebhookEndpointHeadersIn,
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointSecretIn,
    OperationalWebhookEndpointUpsertIn,
)

from app import clock
from tests import factories
from tests.sdk.stage import Stage, covers, eventually

_ROOT = "operational_webhook.endpoint"


@covers(
    *(f"{_ROOT}.{name}" for name in ("create", "get", "list", "upsert", "delete", "get_headers", "set_headers")),
    *(f"{_ROOT}.{name}" for name in ("get_secret", "rotate_secret")),
)
async def the_organization_has_endpoints_of_its_own(stage: Stage) -> None:
    own = stage.svix.operational_webhook.endpoint
    body = OperationalWebhookEndpointIn(url=factories.URL, uid="ops", event_types=["endpoint.disabled"])
    made = await own.create(body)
    assert (made.uid, made.event_types) == ("ops", ["endpoint.disabled"])
    assert await own.get("ops") == made
    assert [item.id for item in (await own.list()).data] == [made.id]
    changed = await own.upsert("ops", OperationalWebhookEndpointUpsertIn(url=factories.URL, description="new"))
    assert (changed.id, changed.description) == (made.id, "new")
    await own.set_headers("ops", OperationalWebhookEndpointHeadersIn(headers={"X-A": "1"}))
    assert (await own.get_headers("ops")).headers == {"X-A": "1"}
    secret = (await own.get_secret("ops")).key
    await own.rotate_secret("ops", OperationalWebhookEndpointSecretIn())
    assert (await own.get_secret("ops")).key != secret
    await own.delete("ops")
    with pytest.raises(HttpError) as refused:
        await own.get(made.id)
    assert refused.value.status_code == 404


@covers("environment.export", "environment.import_", "event_type.create", "event_type.list")
async def an_environment_is_taken_along(stage: Stage) -> None:
    svix = stage.svix
    await svix.event_type.create(EventTypeIn(name="invoice.paid", description="Paid."))
    exported = await svix.environment.export()
    assert [item.name for item in exported.event_types] == ["invoice.paid"]
    taken = [EventTypeIn(name="invoice.void", description="Void.")]
    await svix.environment.import_(EnvironmentIn(event_types=taken, settings=exported.settings))
    assert "invoice.void" in [item.name for item in (await svix.event_type.list()).data]


@covers(
    *("statistics.aggregate_app_stats", "statistics.aggregate_event_types"),
    *("background_task.list", "background_task.get"),
    waits=True,
)
async def numbers_are_gathered_by_tasks(stage: Stage) -> None:
    svix, app = stage.svix, await stage.application()
    async with stage.plain() as client:
        await factories.publish(client, app)
    now = clock.now()
    asked = AppUsageStatsIn(
        since=now - timedelta(hours=1), until=now + timedelta(hours=1), app_ids=[app, "app_unknown"]
    )
    usage = await svix.statistics.aggregate_app_stats(asked)
    assert (usage.task, usage.unresolved_app_ids) == ("application.stats", ["app_unknown"])
    types = await svix.statistics.aggregate_event_types()
    assert types.task == "event-type.aggregate"
    for started in (usage, types):

        async def finished(task: str = started.id) -> bool:
            return (await svix.background_task.get(task)).status == "finished"

        assert await eventually(finished, stage.world)
    listed = {item.id: item.status for item in (await svix.background_task.list()).data}
    assert listed == {usage.id: "finished", types.id: "finished"}
