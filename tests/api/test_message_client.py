"""The official client publishes with everything that it has a field for."""

import json
from datetime import timedelta

import pytest
from svix.api import SvixAsync
from svix.api.message import MessageCreateOptions, message_in_raw
from svix.exceptions import HTTPValidationError
from svix.models import ApplicationIn, MessageIn

from app import clock
from app.db.session import Database
from tests import factories

QUERY = "SELECT convert_from(transformations_params, 'UTF8') FROM messages WHERE id = $1"


async def test_the_official_client_publishes_with_all_fields(svix: SvixAsync, database: Database) -> None:
    uid, when = factories.unique("acme"), clock.now() + timedelta(hours=1)
    full = MessageIn(
        event_type="invoice.paid",
        event_id="paid-1",
        payload={"id": "in_1"},
        channels=["eu"],
        application=ApplicationIn(name="Acme Inc.", uid=uid, metadata={"a": "b"}),
        tags=["urgent"],
        transformations_params={"a": {"b": 1}},
        deliver_at=when,
        payload_retention_hours=5,
    )
    shown = await svix.message.create(uid, full, MessageCreateOptions(with_content=False))
    assert (shown.event_id, shown.payload, shown.channels, shown.tags) == ("paid-1", {}, ["eu"], ["urgent"])
    assert shown.deliver_at == when
    kept = await svix.message.get(uid, "paid-1")
    assert kept == shown
    assert json.loads(await database.pool.fetchval(QUERY, shown.id)) == {"a": {"b": 1}}
    assert (await svix.application.get(uid)).metadata == {"a": "b"}
    # With its key again: the client sends one of its own with each call.
    again = MessageIn(event_type="invoice.paid", payload={}, application=ApplicationIn(name="B", uid=uid))
    assert (await svix.message.create(uid, again)).tags is None


async def test_the_official_client_publishes_raw_payloads(
    svix: SvixAsync, application: str, database: Database
) -> None:
    shown = await svix.message.create(application, message_in_raw("invoice.paid", "<a/>", "text/xml"))
    assert shown.payload == {}
    said = {"rawPayload": "<a/>", "headers": {"content-type": "text/xml"}}
    assert json.loads(await database.pool.fetchval(QUERY, shown.id)) == said


async def test_the_official_client_is_told_what_is_wrong(svix: SvixAsync) -> None:
    body = MessageIn(event_type="a", payload={}, application=ApplicationIn(name="A", uid="other"))
    with pytest.raises(HTTPValidationError) as refused:
        await svix.message.create(factories.unique("new"), body)
    (detail,) = refused.value.detail
    assert (detail.loc, detail.type) == (["body", "application", "uid"], "application_uid_mismatch")
