"""The queue in the ledger: what is late is told from what may wait, and each is named with its reason."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.db.ledger.model import Kind
from app.db.ledger.report import Wish
from app.db.ledger.waiting import Late, judge
from app.settings import Settings
from tests.db.books import DUE, Books, opened

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWNER = "host-1:4711:0123abcd:1:boot/1/1"


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


# Late by half an hour, at an endpoint that a living worker sends to.
LATE = Late(
    endpoint_id="ep_1",
    shard=7,
    deliveries=3,
    since=ago(minutes=30),
    now=NOW,
    exists=True,
    timeout=0,
    rate_limit=None,
    owner=OWNER,
    leased_until=NOW + timedelta(seconds=9),
    leased=True,
    busy_since=ago(hours=1),
    seen_at=ago(seconds=1),
    opened_at=None,
    paused_until=None,
    last_at=ago(seconds=3),
    milliseconds=20.0,
)
QUIET = replace(LATE, last_at=None, milliseconds=None)
FREE = replace(LATE, owner=None, leased=False, leased_until=datetime.min.replace(tzinfo=UTC))

CASES = {
    "its worker cannot keep up": (LATE, Kind.LATE, "add workers"),
    "its worker did not come to it yet": (replace(QUIET, since=ago(minutes=2)), Kind.LATE, "did not come to it yet"),
    "its shard was taken a moment ago": (replace(QUIET, busy_since=ago(minutes=1)), Kind.LATE, "host-1:4711"),
    "its shard is being handed over": (replace(LATE, owner=None, seen_at=None), Kind.LATE, "a worker"),
    "its worker holds its shard and does nothing": (QUIET, Kind.STUCK, "does not send it"),
    "the last attempt was long ago": (replace(LATE, last_at=ago(minutes=6)), Kind.STUCK, "does not send it"),
    "its endpoint is gone": (replace(LATE, exists=False), Kind.STUCK, "its endpoint is not stored"),
    "nobody ever held its shard": (FREE, Kind.UNOWNED, "no worker holds shard 7"),
    "the lease ran out": (
        replace(LATE, leased=False, leased_until=ago(minutes=5)),
        Kind.UNOWNED,
        "host-1:4711 on shard 7 ran out at 2026-11-21T11:55:00Z",
    ),
    "its worker was found dead": (replace(FREE, owner=OWNER), Kind.UNOWNED, "host-1:4711, who held shard 7, is dead"),
    "its worker was not seen for long": (
        replace(LATE, seen_at=ago(seconds=40)),
        Kind.UNOWNED,
        "was last seen at 2026-11-21T11:59:20Z",
    ),
    "its worker was forgotten": (replace(LATE, seen_at=None), Kind.UNOWNED, "is not known any more"),
    "its receiver asked for a pause": (
        replace(QUIET, paused_until=NOW + timedelta(minutes=10)),
        Kind.HELD_BACK,
        "asked for a pause until 2026-11-21T12:10:00Z",
    ),
    "a pause that is over": (replace(QUIET, paused_until=ago(minutes=10)), Kind.STUCK, "does not send it"),
    "its breaker is open": (replace(LATE, opened_at=ago(hours=3)), Kind.HELD_BACK, "open since 2026-11-21T09:00:00Z"),
    "its breaker has just opened": (replace(QUIET, opened_at=ago(seconds=9)), Kind.HELD_BACK, "circuit breaker"),
    "its breaker is open, and nobody probes": (
        replace(LATE, opened_at=ago(hours=3), last_at=ago(hours=1)),
        Kind.STUCK,
        "does not send it",
    ),
    "it has a rate limit": (replace(LATE, rate_limit=5), Kind.HELD_BACK, "its rate limit of 5 a second"),
    "it has a rate limit, and nothing is sent": (replace(QUIET, rate_limit=5), Kind.STUCK, "does not send it"),
    "its receiver is slow": (replace(LATE, milliseconds=4200.0), Kind.HELD_BACK, "which takes 4.2 s for an answer"),
    "its receiver may take minutes": (
        replace(LATE, milliseconds=9e4, last_at=ago(seconds=100), timeout=120),
        Kind.HELD_BACK,
        "takes 90.0 s",
    ),
    # Nobody who is held back by a worker that is not there is held back by anything else.
    "its breaker is open, and no worker is there": (replace(FREE, opened_at=ago(hours=3)), Kind.UNOWNED, "shard 7"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_why_something_is_late(case: tuple[Late, Kind, str]) -> None:
    late, kind, words = case
    judged, text = judge(late)
    assert (judged, words in text) == (kind, True), text


@pytest.fixture
async def books(settings: Settings, empty_dsn: str) -> AsyncIterator[Books]:
    async with opened(settings, empty_dsn) as made:
        yield made


async def be_held(books: Books) -> None:
    """A living worker holds every shard."""
    await books.run("UPDATE shards SET owner = $1, leased_until = now() + interval '10 s', busy_since = now()", OWNER)
    await books.run("INSERT INTO workers (name) VALUES ($1)", OWNER)


async def be_due_for(books: Books, endpoint: str, minutes: float) -> None:
    await books.run(
        "UPDATE pending_deliveries SET next_attempt_at = now() - make_interval(secs => 60 * $2) WHERE endpoint_id = $1",
        *(endpoint, minutes),
    )


async def test_what_is_late_is_counted_and_named_by_its_kind(books: Books) -> None:
    endpoints = {name: await books.add_endpoint() for name in ("late", "breaker", "paused", "punctual", "retried")}
    (message,) = await books.publish()
    await be_held(books)
    for name, minutes in (("late", 3), ("breaker", 10), ("paused", 20), ("punctual", 0.5), ("retried", -30)):
        await be_due_for(books, endpoints[name], minutes)
    await books.run(
        "INSERT INTO endpoint_health (endpoint_id, opened_at, revision) VALUES ($1, now() - interval '1 minute', 1)",
        endpoints["breaker"],
    )
    await books.run(
        "INSERT INTO endpoint_health (endpoint_id, paused_until) VALUES ($1, now() + interval '1 minute')",
        endpoints["paused"],
    )
    ledger = await books.ledger()
    queue = ledger.queue
    assert (queue.pending, queue.due, queue.late, queue.held_back, queue.stuck, queue.unowned) == (5, 4, 1, 2, 0, 0)
    assert 1199 < queue.oldest_due_seconds < 1230
    found = [(f.kind, f.application_id, f.message_id, f.endpoint_id) for f in ledger.findings]
    assert found == [
        (Kind.LATE, books.application, message, endpoints["late"]),
        (Kind.HELD_BACK, books.application, message, endpoints["paused"]),
        (Kind.HELD_BACK, books.application, message, endpoints["breaker"]),
    ]
    assert timedelta(minutes=3) <= ledger.taken_at - ledger.findings[0].since < timedelta(minutes=4)
    assert ledger.total.is_even
    assert not queue.is_well
    await books.run("DELETE FROM pending_deliveries WHERE endpoint_id = $1", endpoints["late"])
    assert (await books.ledger()).queue.is_well, "what is held back is no reason to worry"


async def test_health_that_was_learned_before_the_endpoint_was_changed_explains_nothing(books: Books) -> None:
    endpoint = await books.add_endpoint()
    await books.publish()
    await be_held(books)
    await be_due_for(books, endpoint, 3)
    await books.run(
        "INSERT INTO endpoint_health (endpoint_id, opened_at, revision) VALUES ($1, now(), 1)",
        endpoint,
    )
    assert (await books.ledger()).queue.held_back == 1
    await books.run("UPDATE endpoints SET description = 'changed'")
    assert (await books.ledger()).queue.late == 1


async def test_a_rate_limit_explains_what_waits_while_something_is_sent(books: Books) -> None:
    endpoint = await books.add_endpoint(rate_limit=1)
    await books.publish(3)
    await be_held(books)
    await be_due_for(books, endpoint, 3)
    assert (await books.ledger()).queue.late == 3
    await books.record((await books.due())[:1])
    (first, second) = (await books.ledger()).findings
    assert {first.kind, second.kind} == {Kind.HELD_BACK}
    assert "rate limit of 1 a second" in first.text


async def test_a_dead_owner_is_told_from_a_living_one(books: Books) -> None:
    endpoint = await books.add_endpoint()
    (message,) = await books.publish()
    await be_held(books)
    await be_due_for(books, endpoint, 3)
    (late,) = (await books.ledger()).findings
    assert late.kind is Kind.LATE
    await books.run("UPDATE workers SET seen_at = now() - interval '1 minute'")
    (unowned,) = (await books.ledger()).findings
    assert (unowned.kind, unowned.message_id, unowned.endpoint_id) == (Kind.UNOWNED, message, endpoint)
    await books.run("UPDATE shards SET leased_until = now() - interval '1 minute'")
    (unowned,) = (await books.ledger()).findings
    assert unowned.kind is Kind.UNOWNED
    assert "ran out" in unowned.text


async def test_a_line_whose_first_delivery_is_gone_is_stuck(books: Books) -> None:
    endpoint = await books.add_endpoint(ordered_by="endpoint")
    first, *behind = [(await books.publish())[0] for _ in range(3)]
    await be_held(books)
    await books.run("UPDATE pending_deliveries SET next_attempt_at = 'infinity' WHERE message_id <> $1", first)
    assert (await books.ledger()).findings == [], "they wait for their turn"
    # It waits for its own retry, and they for it.
    await books.record(await books.due(), DUE, delay=3600.0)
    assert (await books.ledger()).findings == []
    await books.run("DELETE FROM pending_deliveries WHERE message_id = $1", first)
    ledger = await books.ledger()
    found = [(f.kind, f.message_id, f.endpoint_id) for f in ledger.findings]
    assert found == [
        (Kind.MISSING, first, endpoint),
        *((Kind.STUCK, message, endpoint) for message in sorted(behind)),
    ]
    assert (ledger.queue.stuck, ledger.total.missing) == (2, 1)


async def test_an_endpoint_is_given_the_time_that_its_attempts_may_take(books: Books) -> None:
    endpoint = await books.add_endpoint()
    await books.publish()
    await be_held(books)
    await be_due_for(books, endpoint, 3)
    await books.run("UPDATE endpoints SET timeout_seconds = 130")
    assert (await books.ledger()).findings == []
    assert (await books.ledger(Wish(late_after=30.0))).queue.late == 1


async def test_what_waits_is_looked_through_however_old_it_is(books: Books) -> None:
    endpoint = await books.add_endpoint()
    await books.publish()
    await be_due_for(books, endpoint, 3)
    ledger = await books.ledger(Wish(since=datetime.now(UTC) + timedelta(hours=1)))
    assert (ledger.total.messages, ledger.queue.unowned) == (0, 1)
