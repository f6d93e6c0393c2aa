"""Endpoints, and the work on what they have missed."""

from datetime import timedelta

import pytest
from svix.exceptions import HttpError
from svix.models import (
    BulkReplayIn,
    EndpointHeadersIn,
    EndpointHeadersPatchIn,
    EndpointIn,
    EndpointPatch,
    EndpointSecretRotateIn,
    EndpointTransformationIn,
    EndpointTransformationPatch,
    EndpointUpsertIn,
    EventExampleIn,
    EventTypeIn,
    MessageIn,
    RecoverIn,
    ReplayIn,
)

from app import clock
from tests import factories
from tests.receiver import Answer
from tests.sdk.stage import Stage, covers, eventually

_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
_CODE = "function handler(webhook) { webhook.payload = { changed: true }; return webhook; }"


@covers(
    *("endpoint.create", "endpoint.get", "endpoint.list", "endpoint.patch", "endpoint.upsert", "endpoint.delete"),
    "event_type.create",
)
async def endpoints_live_and_end(stage: Stage) -> None:
    svix, app = stage.svix, await stage.application()
    await svix.event_type.create(EventTypeIn(name="invoice.paid", description="Paid."))
    body = EndpointIn(
        url=factories.URL,
        uid="till",
        event_types=["invoice.paid"],
        channels=["a"],
        throttle_rate=3,
        metadata={"a": "b"},
        headers={"X-A": "1"},
    )
    made = await svix.endpoint.create(app, body)
    assert (made.event_types, made.channels, made.throttle_rate, made.metadata) == (
        ["invoice.paid"],
        ["a"],
        3,
        {"a": "b"},
    )
    assert await svix.endpoint.get(app, "till") == made
    assert (await svix.endpoint.patch(app, "till", EndpointPatch(disabled=True))).disabled
    replaced = await svix.endpoint.upsert(app, "till", EndpointUpsertIn(url=factories.URL, description="new"))
    assert (replaced.id, replaced.description, replaced.event_types, replaced.disabled) == (made.id, "new", None, False)
    second = await svix.endpoint.upsert(app, "desk", EndpointUpsertIn(url=factories.URL))
    assert [item.id for item in (await svix.endpoint.list(app)).data] == sorted([made.id, second.id], reverse=True)
    await svix.endpoint.delete(app, "till")
    with pytest.raises(HttpError) as refused:
        await svix.endpoint.get(app, made.id)
    assert refused.value.status_code == 404


@covers(
    *("endpoint.get_headers", "endpoint.set_headers", "endpoint.patch_headers"),
    *("endpoint.get_secret", "endpoint.rotate_secret", "endpoint.create"),
)
async def an_endpoint_has_headers_and_a_secret(stage: Stage) -> None:
    svix, app = stage.svix, await stage.application()
    endpoint = (await svix.endpoint.create(app, EndpointIn(url=factories.URL, secret=_SECRET, headers={"X-A": "1"}))).id
    assert (await svix.endpoint.get_headers(app, endpoint)).headers == {"X-A": "1"}
    await svix.endpoint.set_headers(app, endpoint, EndpointHeadersIn(headers={"X-B": "2", "Authorization": "secret"}))
    await svix.endpoint.patch_headers(
        app, endpoint, EndpointHeadersPatchIn(headers={"X-C": "3"}, delete_headers=["X-B"])
    )
    headers = await svix.endpoint.get_headers(app, endpoint)
    assert (headers.headers, headers.sensitive) == ({"X-C": "3"}, ["Authorization"])
    assert (await svix.endpoint.get_secret(app, endpoint)).key == _SECRET
    rotated = await svix.endpoint.rotate_secret(app, endpoint, EndpointSecretRotateIn())
    assert (await svix.endpoint.get_secret(app, endpoint)).key == rotated.key != _SECRET


@covers(
    "endpoint.transformation.get", "endpoint.transformation.patch", "endpoint.transformation_partial_update", waits=True
)
async def an_endpoint_transforms_what_it_is_sent(stage: Stage) -> None:
    svix = stage.svix
    app, endpoint = await stage.receiving_application()
    await svix.endpoint.transformation.patch(app, endpoint, EndpointTransformationPatch(code=_CODE, enabled=True))
    found = await svix.endpoint.transformation.get(app, endpoint)
    assert (found.code, found.enabled) == (_CODE, True)
    async with stage.plain() as client:
        await factories.publish(client, app)
    assert await _arrives(stage, app, 1) == [b'{"changed":true}']
    with pytest.warns(DeprecationWarning, match="transformation_partial_update"):
        await svix.endpoint.transformation_partial_update(app, endpoint, EndpointTransformationIn(enabled=False))
    assert (await svix.endpoint.transformation.get(app, endpoint)).enabled is False


@covers("endpoint.send_example", "event_type.create", waits=True)
async def an_example_is_sent(stage: Stage) -> None:
    app, endpoint = await stage.receiving_application()
    schemas = {"1": {"type": "object", "examples": [{"amount": 7}]}}
    await stage.svix.event_type.create(EventTypeIn(name="invoice.paid", description="Paid.", schemas=schemas))
    sent = await stage.svix.endpoint.send_example(app, endpoint, EventExampleIn(event_type="invoice.paid"))
    assert (sent.event_type, sent.payload) == ("invoice.paid", {"amount": 7})
    assert await _arrives(stage, app, 1) == [b'{"amount":7}']


@covers("endpoint.get_stats", "endpoint.get_attempt_stats", "message.create", waits=True)
async def what_became_of_deliveries_is_counted(stage: Stage) -> None:
    svix = stage.svix
    app, endpoint = await stage.receiving_application()
    await svix.message.create(app, MessageIn(event_type="invoice.paid", payload={}))
    await _arrives(stage, app, 1)

    async def delivered() -> bool:
        return (await svix.endpoint.get_stats(app, endpoint)).success == 1

    assert await eventually(delivered, stage.world)
    stats = await svix.endpoint.get_stats(app, endpoint)
    assert (stats.success, stats.pending, stats.sending, stats.fail, stats.canceled) == (1, 0, 0, 0, 0)
    counted = await svix.endpoint.get_attempt_stats(app, endpoint)
    assert (counted.success, counted.fail, counted.canceled) == (1, 0, 0)


@covers(
    *("endpoint.recover", "endpoint.replay_missing", "endpoint.bulk_replay", "endpoint.create"),
    *("message.create", "background_task.get"),
    waits=True,
)
async def an_endpoint_gets_what_it_has_missed(stage: Stage) -> None:
    svix, world = stage.svix, stage.world
    since = clock.now() - timedelta(minutes=5)
    app, endpoint = await stage.receiving_application()
    usual, down = world.receiver.answer, {"is": True}
    world.receiver.answer = lambda one: Answer(500) if down["is"] and one.path == f"/{app}" else usual(one)
    try:
        await svix.message.create(app, MessageIn(event_type="invoice.paid", payload={"n": 1}))
        await _arrives(stage, app, 2)
    finally:
        down["is"] = False
    recovered = await svix.endpoint.recover(app, endpoint, RecoverIn(since=since))
    await _finished(stage, recovered.id)
    await _arrives(stage, app, 3)
    replayed = await svix.endpoint.bulk_replay(app, endpoint, BulkReplayIn(since=since))
    await _finished(stage, replayed.id)
    await _arrives(stage, app, 4)
    late = (await svix.endpoint.create(app, EndpointIn(url=f"{world.receiver.url}/{app}/late"))).id
    missing = await svix.endpoint.replay_missing(app, late, ReplayIn(since=since))
    await _finished(stage, missing.id)
    await _arrives(stage, f"{app}/late", 1)


async def _finished(stage: Stage, task_id: str) -> None:
    async def finished() -> bool:
        return (await stage.svix.background_task.get(task_id)).status == "finished"

    assert await eventually(finished, stage.world)


async def _arrives(stage: Stage, application: str, count: int) -> list[bytes]:
    async def there() -> list[bytes]:
        arrived = stage.arrived(application)
        return arrived if len(arrived) >= count else []

    arrived: list[bytes] = await eventually(there, stage.world)
    assert len(arrived) == count
    return arrived
