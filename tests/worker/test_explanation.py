"""Explanations of what a real worker did: states, attempts and what comes next are those that it left behind."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from app import clock
from app.settings import Settings
from app.transformation.pool import process_sandbox
from tests import factories
from tests.factories import Json
from tests.receiver import Answer, Arrival, Receiver
from tests.worker.stage import Stage, staged, until_done

# How receivers answer, by the path.
ANSWERS: Final = {
    "fine": Answer(204),
    "broken": Answer(500, body=b"no"),
    "gone": Answer(410),
    "busy": Answer(429, {"retry-after": "600"}),
}
# What happens to an endpoint between publishing and delivering.
FATES: Final = ("none", "none", "disable", "delete", "cancel by code", "change")
CODE: Final = "function handler(webhook) { webhook.cancel = true; return webhook }"

# What is still to be done now; what came too late for a receiver that has asked for a pause is not.
DUE: Final = """
SELECT FROM pending_deliveries p JOIN endpoints e ON e.id = p.endpoint_id
WHERE p.next_attempt_at <= now() AND (
    e.url NOT LIKE '%/busy' OR e.disabled OR e.deleted_at IS NOT NULL
    OR NOT EXISTS (SELECT FROM attempts a WHERE a.endpoint_id = e.id))
"""
FACTS: Final = """
SELECT e.id, p.message_id IS NOT NULL AS is_due, p.tries, p.next_attempt_at, d.state,
       ARRAY(SELECT response_status_code FROM attempts a WHERE a.message_id = $1 AND a.endpoint_id = e.id
             ORDER BY a.id) AS codes
FROM endpoints e
LEFT JOIN pending_deliveries p ON p.message_id = $1 AND p.endpoint_id = e.id
LEFT JOIN deliveries d ON d.message_id = $1 AND d.endpoint_id = e.id
WHERE e.application_id = $2
"""


@pytest.fixture(scope="module", autouse=True)
def _sandbox() -> None:
    """Made beforehand: where other tests run beside these, it takes longer than a test should wait."""
    process_sandbox()


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    own = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (0, 1000)})
    async with staged(own, token) as opened:
        yield opened


def answering(arrival: Arrival) -> Answer:
    return ANSWERS[arrival.path.strip("/")]


async def explained(stage: Stage, message: str) -> dict[str, Json]:
    page = await stage.client.get(f"/app/{stage.application}/msg/{message}/explain")
    assert page.status_code == 200, page.text
    return {one["endpointId"]: one for one in page.json()["data"]}


async def populate(stage: Stage, url: str, rng: random.Random) -> dict[str, tuple[str, str]]:
    """Endpoints, with how their receivers answer and what is to happen to them."""
    made = {}
    for _ in range(8):
        kind, fate = rng.choice(list(ANSWERS)), rng.choice(FATES)
        wishes: dict[str, Any] = {"channels": rng.choice((None, ["eu"], ["us"])), "disabled": rng.random() < 0.1}
        endpoint = (await factories.create_endpoint(stage.client, stage.application, f"{url}/{kind}", **wishes))["id"]
        made[endpoint] = kind, fate
        if fate == "cancel by code":
            path = f"/app/{stage.application}/endpoint/{endpoint}/transformation"
            assert (await stage.client.patch(path, json={"code": CODE, "enabled": True})).is_success
    return made


async def publish_some(stage: Stage, rng: random.Random) -> list[str]:
    made = []
    for _ in range(4):
        fields: dict[str, Any] = {"channels": ["eu"]} if rng.random() < 0.5 else {}
        if rng.random() < 0.2:
            fields["deliverAt"] = (clock.now() + timedelta(minutes=5)).isoformat()
        made.append((await factories.publish(stage.client, stage.application, **fields))["id"])
    return made


async def meet_fates(stage: Stage, endpoints: dict[str, tuple[str, str]]) -> None:
    for endpoint, (_, fate) in endpoints.items():
        path = f"/app/{stage.application}/endpoint/{endpoint}"
        if fate == "disable":
            assert (await stage.client.patch(path, json={"disabled": True})).is_success
        elif fate == "delete":
            assert (await stage.client.delete(path)).is_success
        elif fate == "change":
            assert (await stage.client.patch(path, json={"channels": ["asia"]})).is_success


def expected_code(one: Json, fate: str) -> set[str]:
    """What the first of the reasons may be of a delivery in a state."""
    match one["statusText"], fate:
        case "success", _:
            return {"delivered"}
        case "fail", _:
            return {"gone"}
        case "pending", "disable":
            return {"disabled"}
        case "pending", _:
            # Its receiver's 410 disabled the endpoint before this one came to be sent.
            return {"disabled"} if one["disabled"] else {"retry", "scheduled", "paused"}
        case "canceled", "delete":
            return {"deleted"}
        case "canceled", "disable":
            return {"disabled"}
        case "canceled", "cancel by code":
            return {"transformation"}
        case _:
            return {"disabled"}


async def test_what_is_said_is_what_a_worker_did(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = answering
    pool, rng, checked = stage.database.pool, random.Random(8), 0
    worlds: list[tuple[str, dict[str, tuple[str, str]], list[str]]] = []
    for _ in range(4):
        stage.application = (await factories.create_application(stage.client))["id"]
        endpoints = await populate(stage, receiver.url, rng)
        messages = await publish_some(stage, rng)
        await meet_fates(stage, endpoints)
        worlds.append((stage.application, endpoints, messages))
    async with stage.draining(), asyncio.timeout(30):
        while await pool.fetch(DUE):
            await asyncio.sleep(0.02)
    for application, endpoints, messages in worlds:
        stage.application = application
        for message in messages:
            said = await explained(stage, message)
            for facts in await pool.fetch(FACTS, message, application):
                was_made = facts["is_due"] or facts["state"] is not None
                if (one := said.get(facts["id"])) is None:
                    assert not was_made
                    continue
                assert one["matched"] == was_made
                assert one["attemptCount"] == len(facts["codes"])
                if not was_made:
                    continue
                checked += 1
                assert one["status"] == (1 if facts["is_due"] else facts["state"])
                last = one.get("lastAttempt", {}).get("responseStatusCode")
                assert last == (facts["codes"][-1] if facts["codes"] else None)
                assert one["reasons"][0]["code"] in expected_code(one, endpoints[facts["id"]][1]), one
                if one["attemptsLeft"]:
                    assert one["attemptsLeft"] == 3 - facts["tries"]
                    assert datetime.fromisoformat(one["nextAttempt"]) == facts["next_attempt_at"]
                else:
                    assert "nextAttempt" not in one
    assert checked > 50


async def test_what_failed_and_was_resent_says_how_often_it_is_tried_yet(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = answering
    endpoint = await stage.endpoint(f"{receiver.url}/broken")
    [message] = await stage.publish(endpoint)
    pool, path = stage.database.pool, f"/app/{stage.application}/msg/{message}/endpoint/{endpoint}/resend"
    async with stage.draining(), asyncio.timeout(30):
        # Two attempts, at once; the third would be made much later.
        while await pool.fetchval("SELECT count(*) FROM attempts") < 2:
            await asyncio.sleep(0.02)
    await pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
    async with stage.draining():
        await until_done(stage)
    said = (await explained(stage, message))[endpoint]
    assert (said["statusText"], said["reasons"][0]["code"], said["attemptCount"]) == ("fail", "exhausted", 3)
    assert (await stage.client.post(path)).is_success
    said = (await explained(stage, message))[endpoint]
    assert (said["statusText"], said["reasons"][0]["code"], said["attemptsLeft"]) == ("pending", "due", 1)
    async with stage.draining():
        await until_done(stage)
    said = (await explained(stage, message))[endpoint]
    assert (said["statusText"], said["reasons"][0]["code"], said["attemptCount"]) == ("fail", "one_attempt", 4)
    assert said["lastAttempt"]["triggerType"] == 1
