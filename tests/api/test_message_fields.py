"""What few messages have: tags, a time before which nothing is sent, another retention, params of transformations."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest

from app import clock
from app.db.session import Database
from tests import factories
from tests.api.api_server import both_ways
from tests.api.publishing import KEY, Counts, body
from tests.factories import Json

pytestmark = both_ways


def at(**ahead: float) -> str:
    """A time ahead, as clients write it."""
    return (clock.now() + timedelta(**ahead)).isoformat()


async def test_tags_are_answered_kept_and_looked_for(client: httpx.AsyncClient, application: str) -> None:
    tags = ["urgent", "a/b", "c\\d", "#1", "e._-f"]
    plain = await factories.publish(client, application)
    shown = await factories.publish(client, application, tags=[*tags, "urgent"][1:])
    assert sorted(shown["tags"]) == sorted(tags)
    assert "tags" not in plain
    assert (await client.get(f"/app/{application}/msg/{shown['id']}")).json() == shown
    listed = (await client.get(f"/app/{application}/msg", params={"tag": "c\\d"})).json()["data"]
    assert listed == [shown]


async def test_up_to_ten_channels_are_kept_each_once(client: httpx.AsyncClient, application: str) -> None:
    shown = await factories.publish(client, application, channels=[*"abcdefgh", "h", "a:b+c"])
    assert shown["channels"] == [*"abcdefgh", "a:b+c"]
    assert (await client.get(f"/app/{application}/msg/{shown['id']}")).json() == shown


async def test_a_message_may_be_for_later_and_says_so(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    await factories.create_endpoint(client, application)
    when = clock.now() + timedelta(hours=3)
    # Another zone, and a time without one.
    texts = [(when + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00"]
    texts.append(when.replace(tzinfo=None).isoformat())
    for text in texts:
        shown = await factories.publish(client, application, deliverAt=text)
        assert shown["deliverAt"] == when.isoformat().replace("+00:00", "Z")
        assert (await client.get(f"/app/{application}/msg/{shown['id']}")).json() == shown
        query = "SELECT next_attempt_at FROM pending_deliveries WHERE message_id = $1"
        assert await database.pool.fetchval(query, shown["id"]) == when


async def test_an_event_type_may_be_archived_or_never_have_been_created(
    client: httpx.AsyncClient, application: str
) -> None:
    archived = (await factories.create_event_type(client, factories.unique("old")))["name"]
    assert (await client.delete(f"/event-type/{archived}")).status_code == 204
    for name in (archived, factories.unique("new")):
        assert (await factories.publish(client, application, name))["eventType"] == name


@pytest.mark.parametrize(
    ("ahead", "status"),
    [
        (timedelta(seconds=59), 422),
        (timedelta(seconds=62), 202),
        (timedelta(hours=24, seconds=-2), 202),
        (timedelta(hours=24, seconds=2), 422),
    ],
)
async def test_later_is_at_least_a_minute_and_at_most_a_day(
    client: httpx.AsyncClient, application: str, counts: Counts, ahead: timedelta, status: int
) -> None:
    text = (clock.now() + ahead).isoformat()
    answer = await client.post(f"/app/{application}/msg", json=body(deliverAt=text), headers={KEY: "k"})
    assert answer.status_code == status
    assert (await counts())["messages"] == (status == 202)
    if status == 422:
        assert [found["loc"] for found in answer.json()["detail"]] == [["body", "deliverAt"]]


async def test_the_same_request_again_is_answered_as_before_though_its_time_has_come_nearer(
    client: httpx.AsyncClient, application: str, counts: Counts
) -> None:
    later = body(deliverAt=at(seconds=60.4), tags=["a"], transformationsParams={"a": 1})
    first = await client.post(f"/app/{application}/msg", json=later, headers={KEY: "k"})
    assert first.status_code == 202
    await asyncio.sleep(0.5)
    again = await client.post(f"/app/{application}/msg", json=later, headers={KEY: "k"})
    assert (again.status_code, again.content) == (202, first.content)
    other = await client.post(f"/app/{application}/msg", json=later | {"tags": ["b"]}, headers={KEY: "k"})
    assert other.status_code == 409
    new = await client.post(f"/app/{application}/msg", json=later, headers={KEY: "k2"})
    assert new.status_code == 422
    assert await counts() == {"messages": 1, "event ids": 0, "keys": 1}


@pytest.mark.parametrize("field", [{"tags": ["a"]}, {"transformationsParams": {"a": 1}}, {"payloadRetentionHours": 5}])
async def test_a_key_with_another_field_is_a_conflict(
    client: httpx.AsyncClient, application: str, counts: Counts, field: Json
) -> None:
    answers = [
        await client.post(f"/app/{application}/msg", json=body(**fields), headers={KEY: "k"})
        for fields in (field, {}, field)
    ]
    assert [answer.status_code for answer in answers] == [202, 409, 202]
    assert answers[0].content == answers[2].content
    assert (await counts())["messages"] == 1


@pytest.mark.parametrize(
    ("fields", "hours", "days"),
    [
        ({"payloadRetentionHours": 1}, 1, 1),
        ({"payloadRetentionHours": 25, "payloadRetentionPeriod": None}, 25, 2),
        ({"payloadRetentionHours": None, "payloadRetentionPeriod": 1}, 24, 1),
        ({"payloadRetentionPeriod": 90.0}, 2160, 90),
        ({"payloadRetentionPeriod": None}, None, None),
    ],
)
async def test_a_payload_is_kept_for_as_many_hours_or_days_as_its_publisher_says(
    client: httpx.AsyncClient,
    application: str,
    database: Database,
    fields: Json,
    hours: int | None,
    days: int | None,
) -> None:
    message = (await factories.publish(client, application, **fields))["id"]
    assert await database.pool.fetchval("SELECT payload_days FROM messages WHERE id = $1", message) == days
    query = (
        "SELECT round(extract(epoch FROM expires_at - m.created_at)) FROM payload_expiries JOIN messages m"
        " ON m.id = message_id WHERE message_id = $1"
    )
    assert await database.pool.fetchval(query, message) == (None if hours is None else 3600 * hours)


async def test_params_are_kept_as_they_were_said_and_go_with_the_payload(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    params = {"rawPayload": "<é/>\n", "headers": {"Content-Type": "text/xml"}, "more": {"n": [1, None, "2"]}}
    shown = await factories.publish(client, application, payload={}, transformationsParams=params)
    assert set(shown) == {"id", "eventType", "payload", "timestamp"}
    query = "SELECT convert_from(transformations_params, 'UTF8')::jsonb = $2::jsonb FROM messages WHERE id = $1"
    assert await database.pool.fetchval(query, shown["id"], json.dumps(params))
    assert (await client.delete(f"/app/{application}/msg/{shown['id']}/content")).status_code == 204
    kept = await database.pool.fetchrow(
        "SELECT payload, transformations_params FROM messages WHERE id = $1", shown["id"]
    )
    assert tuple(kept) == (None, None)


async def test_a_payload_that_is_null_was_not_said_either(client: httpx.AsyncClient, application: str) -> None:
    said: tuple[Json, ...] = ({"payload": None, "data": {"x": 1}}, {"payload": {"x": 1}, "data": None})
    unsaid: tuple[Json, ...] = ({"payload": None}, {"payload": None, "data": None})
    for fields in said:
        answer = await client.post(f"/app/{application}/msg", json=body(**fields))
        assert (answer.status_code, answer.json().get("payload")) == (202, {"x": 1})
    for fields in unsaid:
        answer = await client.post(f"/app/{application}/msg", json=body(**fields))
        assert (answer.status_code, answer.json()["detail"][0]["msg"]) == (422, "Field required")


async def test_what_is_null_or_empty_was_not_said(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    names = ("eventId", "channels", "tags", "deliverAt", "application", "transformationsParams")
    nothing: Json = dict.fromkeys((*names, "payloadRetentionPeriod", "payloadRetentionHours"))
    empty: Json = {"tags": [], "transformationsParams": {}}
    for fields in (nothing, empty):
        shown = (await client.post(f"/app/{application}/msg", json=body(**fields))).json()
        assert set(shown) == {"id", "eventType", "payload", "timestamp"}
        row = await database.pool.fetchrow(
            "SELECT tags, deliver_at, transformations_params, payload_days FROM messages WHERE id = $1", shown["id"]
        )
        assert tuple(row) == (None,) * 4
