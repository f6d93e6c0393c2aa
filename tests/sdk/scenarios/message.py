"""Messages, and those who fetch them."""

from datetime import timedelta

import pytest
from svix.api.message import MessageCreateOptions, MessageGetOptions, MessageListOptions
from svix.api.message_poller import MessagePollerPollOptions
from svix.exceptions import HttpError
from svix.models import (
    ApplicationIn,
    BulkExpungeContentsIn,
    MessageIn,
    MessagePrecheckIn,
    PollingEndpointConsumerSeekIn,
)

from app import clock
from tests.sdk.stage import Stage, covers, eventually

# Payloads are left out unless they are asked for.
_WHOLE = MessageGetOptions(with_content=True)


@covers("message.create", "message.get", "message.list", "message.expunge_content")
async def messages_are_published_read_and_forgotten(stage: Stage) -> None:
    svix, app = stage.svix, await stage.application()
    body = MessageIn(event_type="invoice.paid", event_id="in-1", payload={"a": [1]}, channels=["c"], tags=["t"])
    made = await svix.message.create(app, body, MessageCreateOptions(with_content=True))
    assert (made.event_type, made.event_id, made.payload, made.channels) == ("invoice.paid", "in-1", {"a": [1]}, ["c"])
    assert (await svix.message.create(app, MessageIn(event_type="a.b", payload={"x": 1}))).payload == {}
    assert (await svix.message.get(app, "in-1")).id == made.id
    tagged = await svix.message.list(app, MessageListOptions(tag="t", with_content=True))
    assert [(item.id, item.payload, item.tags) for item in tagged.data] == [(made.id, {"a": [1]}, ["t"])]
    assert {item.event_type for item in (await svix.message.list(app)).data} == {"a.b", "invoice.paid"}
    await svix.message.expunge_content(app, made.id)
    assert (await svix.message.get(app, made.id, _WHOLE)).payload == {"expired": True}


@covers("message.create", "application.get")
async def a_message_brings_its_application(stage: Stage) -> None:
    body = MessageIn(event_type="a.b", payload={}, application=ApplicationIn(name="New", uid="brand-new"))
    await stage.svix.message.create("brand-new", body)
    assert (await stage.svix.application.get("brand-new")).name == "New"


@covers("message.create")
async def a_message_may_wait_for_its_time(stage: Stage) -> None:
    app, _ = await stage.receiving_application()
    later = clock.now() + timedelta(hours=1)
    made = await stage.svix.message.create(app, MessageIn(event_type="a.b", payload={}, deliver_at=later))
    assert made.deliver_at is not None
    assert abs(made.deliver_at - later) < timedelta(seconds=1)
    assert stage.arrived(app) == []


@covers("message.precheck")
async def whether_anybody_would_get_it_is_asked(stage: Stage) -> None:
    svix = stage.svix
    app, _ = await stage.receiving_application(channels=["c"])
    assert (await svix.message.precheck(app, MessagePrecheckIn(event_type="a.b", channels=["c"]))).active
    assert not (await svix.message.precheck(app, MessagePrecheckIn(event_type="a.b", channels=["d"]))).active


@covers(
    "message.bulk_expunge_content",
    "message.expunge_all_contents",
    "message.create",
    "message.get",
    "message.list",
    waits=True,
)
async def payloads_are_forgotten_in_bulk(stage: Stage) -> None:
    svix, app = stage.svix, await stage.application()
    made = [(await svix.message.create(app, MessageIn(event_type="a.b", payload={"n": n}))).id for n in range(3)]
    results = (await svix.message.bulk_expunge_content(app, BulkExpungeContentsIn(ids=made[:1]))).results
    assert list(results) == made[:1]
    payloads = [(await svix.message.get(app, message, _WHOLE)).payload for message in made]
    assert payloads == [{"expired": True}, {"n": 1}, {"n": 2}]
    task = await svix.message.expunge_all_contents(app)
    assert task.task == "application.purge_content"

    async def all_forgotten() -> bool:
        found = (await svix.message.list(app, MessageListOptions(with_content=True))).data
        return len(found) == 3 and all(item.payload == {"expired": True} for item in found)

    assert await eventually(all_forgotten, stage.world)


@covers(
    "message.poller.poll", "message.poller.consumer_poll", "message.poller.consumer_seek", "message.create", waits=True
)
async def messages_are_fetched(stage: Stage) -> None:
    svix, app = stage.svix, await stage.application()
    async with stage.plain() as client:
        made = await client.post(f"/app/{app}/poller", json={"uid": "shelf"})
        assert made.is_success, made.text
    since = clock.now() - timedelta(minutes=1)
    published = [(await svix.message.create(app, MessageIn(event_type="a.b", payload={"n": n}))).id for n in range(3)]
    found: list[str] = []
    options = MessagePollerPollOptions(limit=2, after=since)

    async def nothing_is_left() -> bool:
        # A message is shown once nothing that may come before it is still being written.
        page = await svix.message.poller.poll(app, "shelf", options)
        found.extend(item.id for item in page.data)
        options.iterator, options.after = page.iterator, None
        return page.done and len(found) >= len(published)

    assert await eventually(nothing_is_left, stage.world)
    # Of what was published in the same milliseconds any may be first.
    assert found == sorted(published)
    await svix.message.poller.consumer_seek(app, "shelf", "me", PollingEndpointConsumerSeekIn(after=since))
    mine = await svix.message.poller.consumer_poll(app, "shelf", "me")
    assert [item.id for item in mine.data] == sorted(published)


@covers("message.get")
async def a_message_that_is_not_there_is_not_found(stage: Stage) -> None:
    app = await stage.application()
    with pytest.raises(HttpError) as refused:
        await stage.svix.message.get(app, "nothing")
    assert (refused.value.status_code, refused.value.code) == (404, "not_found")
