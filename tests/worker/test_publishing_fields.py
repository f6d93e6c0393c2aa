"""What publishers say about sending: another body, headers of its own, a time before which nothing is sent."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from svix.webhooks import Webhook

from app import clock
from app.settings import Settings
from tests import factories
from tests.factories import Json
from tests.receiver import Receiver
from tests.worker.stage import Stage, sent, staged, until, until_done
from worker.retention import forget_payloads

SECRET = "whsec_" + "QUJDREVG" * 4


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as opened:
        yield opened


async def test_a_raw_payload_is_sent_as_it_is_and_signed_with_its_own_headers(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url, secret=SECRET)
    path = f"/app/{stage.application}/endpoint/{endpoint}"
    own = {"X-Mine": "the endpoint's", "X-Other": "o"}
    assert (await stage.client.put(f"{path}/headers", json={"headers": own})).status_code == 204
    raw = "<päid>\n  1.10\n</päid>"
    headers = {"content-type": "text/xml", "x-mine": "the message's", "X-More": "m"}
    publish: list[Json] = [
        {"payload": {}, "transformationsParams": {"rawPayload": raw, "headers": headers}},
        {"transformationsParams": {"headers": {"X-More": "m"}, "other": 1}},
        {"payload": {}, "transformationsParams": {"rawPayload": ""}},
        {},
    ]
    made = [(await factories.publish(stage.client, stage.application, **fields))["id"] for fields in publish]
    async with stage.draining():
        await until_done(stage)
    arrivals = {arrival.headers["webhook-id"]: arrival for arrival in receiver.arrivals}
    assert len(receiver.arrivals) == len(made) == len(arrivals)
    said = [arrivals[message] for message in made]
    assert [one.body for one in said] == [raw.encode(), b'{"id":"in_1"}', b"", b'{"id":"in_1"}']
    types = ["text/xml", "application/json", "application/json", "application/json"]
    assert [one.headers["content-type"] for one in said] == types
    assert [one.headers.get("x-more") for one in said] == ["m", "m", None, None]
    # The endpoint's own are its owner's to set.
    assert {one.headers["x-mine"] for one in said} == {"the endpoint's"}
    assert {one.headers["x-other"] for one in said} == {"o"}
    for one in said:
        Webhook(SECRET).verify(one.body, one.headers)  # Raises if it does not hold.


async def test_what_is_sent_in_place_of_a_payload_goes_when_the_payload_does(stage: Stage) -> None:
    pool, params = stage.database.pool, {"rawPayload": "raw"}
    hours: list[Json] = [{"payloadRetentionHours": 1}, {}]
    for fields in hours:
        await factories.publish(stage.client, stage.application, transformationsParams=params, **fields)
    await pool.execute("UPDATE payload_expiries SET expires_at = now() - interval '1 second'")
    assert await forget_payloads(pool, None) == 1
    kept = await pool.fetch("SELECT payload, transformations_params FROM messages ORDER BY payload_days NULLS LAST")
    assert [tuple(row) for row in kept] == [(None, None), (b'{"id":"in_1"}', b'{"rawPayload":"raw"}')]


async def test_nothing_is_sent_before_its_time(stage: Stage, receiver: Receiver) -> None:
    await stage.endpoint(receiver.url)
    later = (clock.now() + timedelta(seconds=70)).isoformat()
    deferred = (await factories.publish(stage.client, stage.application, deliverAt=later))["id"]
    now = (await factories.publish(stage.client, stage.application))["id"]
    async with stage.draining() as drain:
        await until(lambda: sent(receiver) == [now])
        drain.ring(range(64))
        await asyncio.sleep(0.5)
        assert sent(receiver) == [now]
        # As if the time had come: whoever owns the shard finds it without a ring.
        await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
        await until(lambda: sent(receiver) == [now, deferred])
        await until_done(stage)
    assert await stage.states() == {now: (0, 1), deferred: (0, 1)}


async def test_what_is_for_later_holds_up_no_line_and_is_canceled_with_its_payload_or_endpoint(
    stage: Stage, receiver: Receiver
) -> None:
    ordered = await stage.endpoint(receiver.url, orderedBy="endpoint")
    later = (clock.now() + timedelta(hours=1)).isoformat()
    expunged = (await factories.publish(stage.client, stage.application, deliverAt=later))["id"]
    others = [(await factories.publish(stage.client, stage.application))["id"] for _ in range(3)]
    async with stage.draining():
        await until(lambda: sent(receiver) == others)
        path = f"/app/{stage.application}/msg/{expunged}/content"
        assert (await stage.client.delete(path)).status_code == 204
        await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
        await until_done(stage)
        kept = (await factories.publish(stage.client, stage.application, deliverAt=later))["id"]
        assert (await stage.client.delete(f"/app/{stage.application}/endpoint/{ordered}")).status_code == 204
        await until_done(stage)
    assert sent(receiver) == others
    states = await stage.states()
    assert (states[expunged], states[kept]) == ((4, 0), (4, 0))
