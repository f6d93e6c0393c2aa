"""One application's endpoints that hang, with a backlog, beside another application: that one must not notice.

`python -m benchmarks` measures the same with more of everything.
"""

import asyncio
from time import monotonic

import asyncpg
import pytest

from tests import factories
from tests.faults.installation import Installation
from tests.faults.run import Run
from tests.receiver import Answer, Arrival, Receiver, receiving

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.alone]  # It compares times.

_HANGING = 10
_ROWS_EACH = 4_000
_SAMPLES = 200

_BACKLOG = """
WITH stored AS (
    INSERT INTO messages (id, application_id, event_type, payload)
    SELECT 'msg_' || lpad(i::text, 27, '0'), $1, 'invoice.paid', '{}' FROM generate_series(1, $2::integer) AS i
    RETURNING id
)
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at)
SELECT s.id, e.id, $1, e.shard, now() - interval '1 minute' * random()
FROM stored s, endpoints e WHERE e.application_id = $1
"""


async def latencies(run: Run) -> list[float]:
    """Seconds from the request to the arrival of messages that are published one after the other, in order of size."""
    arrived: dict[str, float] = {}

    def answer(arrival: Arrival) -> Answer:
        arrived[arrival.headers["webhook-id"]] = monotonic()
        return Answer()

    run.receiver.answer = answer
    sent: dict[str, float] = {}
    for _ in range(_SAMPLES):
        began = monotonic()
        body = {"eventType": "invoice.paid", "payload": {"id": "in_1"}}
        sent[(await run.client.post(f"/app/{run.application}/msg", json=body)).json()["id"]] = began
        await asyncio.sleep(0.005)
    async with asyncio.timeout(10):
        while len(arrived) < _SAMPLES:
            await asyncio.sleep(0.01)
    return sorted(arrived[message_id] - began for message_id, began in sent.items())


async def have_hanging_endpoints(installation: Installation, run: Run, receiver: Receiver) -> None:
    """Endpoints of another application, each with a backlog; returns when they are being sent to."""
    receiver.answer = lambda _: Answer(after=60)
    noisy = str((await factories.create_application(run.client))["id"])
    for _ in range(_HANGING):
        await factories.create_endpoint(run.client, noisy, receiver.url)
    connection = await asyncpg.connect(installation.dsn)
    try:
        await connection.execute(_BACKLOG, noisy, _ROWS_EACH)
    finally:
        await connection.close()
    await receiver.wait_for(10 * _HANGING)


async def test_endpoints_that_hang_with_a_backlog_do_not_delay_other_applications(
    installation: Installation, run: Run
) -> None:
    await latencies(run)
    alone = await latencies(run)
    async with receiving() as hanging:
        await have_hanging_endpoints(installation, run, hanging)
        beside = await latencies(run)
        connection = await asyncpg.connect(installation.dsn)
        try:
            # What hangs is over when its receiver goes away, and what comes of it is of no interest.
            assert await connection.fetchval("SELECT count(*) FROM pending_deliveries") > _HANGING * _ROWS_EACH * 0.9
            await connection.execute("DELETE FROM pending_deliveries")
        finally:
            await connection.close()
    for share in (0.5, 0.95):
        before, after = (times[int(share * _SAMPLES)] for times in (alone, beside))
        # A hundredth of a second more, for what the machine does meanwhile.
        assert after <= 2 * before + 0.01, f"at {share}: {after} s instead of {before} s"
