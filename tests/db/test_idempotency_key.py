"""Idempotency keys: how long they are kept, and that they are purged."""

from app.db.idempotency_key.table import purge_expired
from tests.db.desk import Desk


async def _age(desk: Desk, hours: float) -> None:
    await desk.pool.execute(
        "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => $2) WHERE organization_id = $1",
        *(desk.organization_id, hours * 3600),
    )


async def test_a_key_is_free_again_after_twelve_hours(desk: Desk) -> None:
    first, second = desk.new(key=b"key"), desk.new(key=b"key")
    assert await desk.publish(first) == ["Stored"]
    await _age(desk, 11.99)
    assert await desk.publish(desk.new(key=b"key")) == ["taken"]
    await _age(desk, 0.02)
    assert await desk.publishing.replay_of(desk.organization_id, b"key") is None
    assert await desk.publish(second) == ["Stored"]
    replay = await desk.publishing.replay_of(desk.organization_id, b"key")
    assert replay is not None
    assert replay.message_id == second.id


async def test_expired_keys_are_purged_in_bites_and_no_others(desk: Desk) -> None:
    await desk.publish(*(desk.new(key=b"%d" % number) for number in range(7)))
    await _age(desk, 13)
    await desk.publish(desk.new(key=b"fresh"))
    assert await purge_expired(desk.pool, bite=3) >= 7
    kept = await desk.pool.fetch("SELECT key FROM idempotency_keys WHERE organization_id = $1", desk.organization_id)
    assert [row["key"] for row in kept] == [b"fresh"]
