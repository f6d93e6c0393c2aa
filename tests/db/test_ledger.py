"""The balance of the ledger: it is even whatever happened, and what is taken out of it or put into it is named."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app import clock
from app.db.ledger.model import Balance, Kind, Ledger
from app.db.ledger.report import Wish, applications_of, ledger_connection
from app.db.pending_delivery.table import PendingDeliveriesTable
from app.settings import Settings
from tests import factories
from tests.db.books import CANCELED, DELIVERED, DUE, FAILED, Books, opened


@pytest.fixture
async def books(settings: Settings, empty_dsn: str) -> AsyncIterator[Books]:
    async with opened(settings, empty_dsn) as made:
        yield made


def sum_of_states(total: Balance) -> int:
    return total.delivered + total.failed + total.canceled + total.due + total.skipped


def named(ledger: Ledger) -> list[tuple[str, str, str, str | None]]:
    return [(f.kind.value, f.application_id, f.message_id, f.endpoint_id) for f in ledger.findings]


async def test_what_becomes_of_messages_is_told_by_state_application_and_in_total(books: Books) -> None:
    other = await books.add_application()
    for _ in range(2):
        await books.add_endpoint()
    await books.add_endpoint(application=other)
    await books.publish(3)
    rows = await books.due()
    await books.record(rows[:1], DELIVERED)
    await books.record(rows[1:2], FAILED)
    await books.record(rows[2:3], CANCELED)
    await books.record(rows[3:4], DUE, delay=60.0)
    await books.publish(application=other)
    await books.run("UPDATE endpoints SET disabled = true WHERE application_id = $1", other)
    await books.publish(2, application=other)
    ledger = await books.ledger()
    assert ledger.applications == {
        books.application: Balance(messages=3, accepted=6, delivered=1, failed=1, canceled=1, due=3),
        other: Balance(messages=3, accepted=3, due=1, skipped=2),
    }
    assert ledger.total == Balance(messages=6, accepted=9, delivered=1, failed=1, canceled=1, due=4, skipped=2)
    assert (ledger.total.is_even, ledger.is_complete, ledger.since, ledger.findings) == (True, True, None, [])
    assert (ledger.queue.pending, ledger.queue.due) == (4, 3)


class History:
    """Random things that happen to messages, and the pairs of message and endpoint that were ever wanted."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books = books
        self.rng = random.Random(seed)
        self.endpoints: dict[str, list[str] | None] = {}
        self.wanted: dict[str, set[str]] = defaultdict(set)

    async def step(self) -> None:
        chances = {
            self.publish: 8,
            self.record: 6,
            self.resend: 3,
            self.add: 2,
            self.delete: 1,
            self.disable: 1,
        }
        await self.rng.choices(list(chances), list(chances.values()))[0]()

    async def publish(self) -> None:
        event_type = self.rng.choice(["paid", "sent"])
        for message in await self.books.publish(self.rng.randint(1, 4), event_type):
            self.wanted[message] |= {one for one, types in self.endpoints.items() if not types or event_type in types}

    async def record(self) -> None:
        rows = await self.books.due()
        some = self.rng.sample(rows, min(len(rows), self.rng.randint(1, 6)))
        state = self.rng.choice([DELIVERED, DELIVERED, FAILED, CANCELED, DUE])
        await self.books.record(some, state, self.rng.choice([0.0, 60.0]) if state == DUE else None)

    async def resend(self) -> None:
        if self.wanted and self.endpoints:
            message, endpoint = self.rng.choice(list(self.wanted)), self.rng.choice(list(self.endpoints))
            await self.books.resend(message, endpoint)
            self.wanted[message].add(endpoint)

    async def add(self) -> None:
        types = self.rng.choice([None, ["paid"], ["sent", "other"]])
        ordered_by = self.rng.choice([None, "endpoint"])
        self.endpoints[await self.books.add_endpoint(event_types=types, ordered_by=ordered_by)] = types

    async def delete(self) -> None:
        if self.endpoints:
            endpoint = self.rng.choice(list(self.endpoints))
            del self.endpoints[endpoint]
            await self.books.run("UPDATE endpoints SET deleted_at = now() WHERE id = $1", endpoint)
            async with self.books.database.transaction() as session:
                table = PendingDeliveriesTable(session)
                await table.cancel_of_endpoint(self.books.application, endpoint)

    async def disable(self) -> None:
        if self.endpoints:
            endpoint = self.rng.choice(list(self.endpoints))
            del self.endpoints[endpoint]
            await self.books.run("UPDATE endpoints SET disabled = true WHERE id = $1", endpoint)


@pytest.mark.parametrize("seed", [1, 2])
async def test_it_is_even_after_whatever_may_happen_to_messages(books: Books, seed: int) -> None:
    history = History(books, seed)
    await history.publish()
    for _ in range(3):
        await history.add()
    seen = Balance()
    for number in range(80):
        await history.step()
        if number % 10 == 9:
            ledger = await books.ledger(Wish(late_after=3600))
            expected = sum(max(1, len(endpoints)) for endpoints in history.wanted.values())
            assert (ledger.total.accepted, sum_of_states(ledger.total)) == (expected, expected)
            assert named(ledger) == []
            seen += ledger.total
    assert min(seen.delivered, seen.failed, seen.canceled, seen.due, seen.skipped) > 0


async def test_it_is_even_at_each_moment_while_messages_flow(books: Books) -> None:
    for ordered_by in (None, "endpoint"):
        await books.add_endpoint(ordered_by=ordered_by)
    flowing = True

    async def publish() -> int:
        count = 0
        while flowing:
            count += len(await books.publish(4))
            await asyncio.sleep(0.004)
        return count

    async def deliver() -> None:
        while flowing:
            await books.record(await books.due(4), random.choice([DELIVERED, FAILED]))

    publishing = [asyncio.create_task(publish()) for _ in range(2)]
    delivering = asyncio.create_task(deliver())
    totals = [(await books.ledger()).total for _ in range(12)]
    flowing = False
    published = sum(await asyncio.gather(*publishing))
    await delivering
    totals.append((await books.ledger()).total)
    assert [total for total in totals if not total.is_even] == []
    assert totals[0].accepted < totals[-2].accepted, "nothing flowed"
    assert (totals[-1].messages, totals[-1].accepted) == (published, 2 * published)
    assert totals[-1].delivered > 0


async def test_a_delivery_that_vanished_from_the_queue_is_named(books: Books) -> None:
    first, second = await books.add_endpoint(), await books.add_endpoint()
    await books.add_endpoint(event_types=["something.else"])
    one, both, _ = await books.publish(3)
    await books.run("DELETE FROM pending_deliveries WHERE message_id = $1 AND endpoint_id = $2", one, first)
    await books.run("DELETE FROM pending_deliveries WHERE message_id = $1", both)
    ledger = await books.ledger()
    # By their ids; those that were made at one moment are in any order.
    gone = sorted([(one, first), (both, first), (both, second)])
    assert named(ledger) == [("missing", books.application, message, endpoint) for message, endpoint in gone]
    assert (ledger.total.missing, ledger.total.surplus, ledger.total.is_even) == (3, 0, False)
    assert ledger.total.accepted == sum_of_states(ledger.total) + 3
    assert "resend" in ledger.findings[0].text


async def test_a_delivery_that_vanished_from_history_is_named_by_its_attempts(books: Books) -> None:
    endpoint = await books.add_endpoint()
    (message,) = await books.publish()
    await books.record(await books.due())
    # Today's endpoints would not tell.
    await books.run("UPDATE endpoints SET event_types = '{other}'")
    await books.run("DELETE FROM deliveries")
    assert named(await books.ledger()) == [("missing", books.application, message, endpoint)]


async def test_a_retry_that_nothing_waits_for_is_missing_also_without_a_count(books: Books) -> None:
    endpoint = await books.add_endpoint()
    (message,) = await books.publish()
    await books.record(await books.due(), DUE, delay=60.0)
    await books.run("DELETE FROM pending_deliveries")
    for statement in ("SELECT 1", "UPDATE messages SET deliveries = NULL"):
        await books.run(statement)
        ledger = await books.ledger()
        assert named(ledger) == [("missing", books.application, message, endpoint)]
        assert "history says that it is due" in ledger.findings[0].text


async def test_where_it_cannot_be_told_which_delivery_is_missing_the_likely_ones_are_named(books: Books) -> None:
    endpoints = [await books.add_endpoint() for _ in range(2)]
    (message,) = await books.publish()
    await books.run("DELETE FROM pending_deliveries")
    await books.run("UPDATE messages SET deliveries = 1")
    (finding,) = (await books.ledger()).findings
    assert (finding.message_id, finding.endpoint_id) == (message, None)
    assert all(endpoint in finding.text for endpoint in endpoints)


async def test_a_delivery_that_nobody_made_is_surplus(books: Books) -> None:
    (unwanted,) = await books.publish()
    endpoint = await books.add_endpoint()
    (wanted,) = await books.publish()
    other = await books.add_endpoint()
    for message, to in ((unwanted, endpoint), (wanted, other)):
        await factories.queue_delivery(books.database.pool, books.application, message, to, clock.now())
    ledger = await books.ledger()
    assert named(ledger) == [
        ("surplus", books.application, unwanted, endpoint),
        ("surplus", books.application, wanted, None),
    ]
    assert (ledger.total.surplus, ledger.total.missing, ledger.total.is_even) == (2, 0, False)


async def test_a_delivery_without_its_message_is_surplus_unless_retention_took_the_message(books: Books) -> None:
    endpoint = await books.add_endpoint()
    oldest, lost = sorted(await books.publish(2))
    await books.run("DELETE FROM messages WHERE id = $1", lost)
    ledger = await books.ledger()
    assert named(ledger) == [("surplus", books.application, lost, endpoint)]
    assert "its message is not stored" in ledger.findings[0].text
    await books.record(await books.due())
    await books.publish()
    await books.run("DELETE FROM messages WHERE id = $1", oldest)
    assert named(await books.ledger()) == []


async def test_a_new_delivery_by_a_resend_is_counted_once_also_while_the_worker_records_it(books: Books) -> None:
    (message,) = await books.publish()
    endpoint = await books.add_endpoint()
    assert (await books.ledger()).total == Balance(messages=1, accepted=1, skipped=1)
    await books.resend(message, endpoint)
    await books.resend(message, endpoint)
    assert (await books.ledger()).total == Balance(messages=1, accepted=1, due=1)
    async with books.database.pool.acquire() as worker:
        recording = worker.transaction()
        await recording.start()
        await worker.execute("DELETE FROM pending_deliveries")
        await factories.record_delivery(worker, books.application, message, endpoint)
        again = asyncio.create_task(books.resend(message, endpoint))
        async with asyncio.timeout(5):
            waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while not await books.database.pool.fetch(waiting):
                await asyncio.sleep(0.01)
        await recording.commit()
        await again
    assert (await books.ledger()).total == Balance(messages=1, accepted=1, due=1)


async def test_an_operational_webhook_is_counted_as_any_other_message(books: Books) -> None:
    operational = await books.add_application()
    await books.run("UPDATE applications SET operational = true WHERE id = $1", operational)
    await books.run("UPDATE organizations SET operational_application_id = $1", operational)
    for _ in range(2):
        await books.add_endpoint(application=operational)
    await books.add_endpoint()
    await books.publish(2)
    await books.record(await books.due(), FAILED)
    assert (await books.ledger()).applications == {
        books.application: Balance(messages=2, accepted=2, failed=2),
        operational: Balance(messages=2, accepted=4, due=4),
    }


async def test_messages_of_an_older_release_are_taken_as_they_are_and_said_to_be(books: Books) -> None:
    await books.add_endpoint()
    await books.publish(2)
    await factories.record_message(books.database.pool, books.application)
    await books.run("UPDATE messages SET deliveries = NULL")
    ledger = await books.ledger()
    assert ledger.total == Balance(messages=3, accepted=3, due=2, skipped=1, uncounted=3)
    assert ledger.findings == []


async def test_it_goes_back_to_a_time_or_as_far_as_it_comes_in_its_time(books: Books) -> None:
    now = clock.now()
    for days in (0, 0, 3, 400, 401):
        await factories.record_message(books.database.pool, books.application, now - timedelta(days=days, seconds=5))
    await books.run("UPDATE messages SET deliveries = 0")
    for hours, messages in ((24, 2), (96, 3), (9612, 4), (24000, 5)):
        since = now - timedelta(hours=hours)
        ledger = await books.ledger(Wish(since=since))
        assert (ledger.total, ledger.since) == (Balance(messages=messages, accepted=messages, skipped=messages), since)
    ledger = await books.ledger(Wish(seconds=0.0))
    assert (ledger.total.messages, ledger.is_complete) == (2, False)
    assert ledger.since is not None
    assert timedelta(0) < now - ledger.since < timedelta(hours=1)


async def test_of_each_kind_no_more_are_named_than_asked_for_and_all_are_counted(books: Books) -> None:
    await books.add_endpoint()
    messages = await books.publish(7)
    await books.run("DELETE FROM pending_deliveries")
    ledger = await books.ledger(Wish(names=2))
    assert [finding.message_id for finding in ledger.findings] == sorted(messages)[:2]
    assert ledger.total.missing == 7


async def test_the_ledger_of_some_applications_is_that_of_no_other(books: Books, settings: Settings) -> None:
    await books.add_endpoint()
    other = await books.add_application()
    await books.add_endpoint(application=other)
    await books.publish(2)
    (foreign,) = await books.publish(application=other)
    await books.run("DELETE FROM pending_deliveries WHERE message_id = $1", foreign)
    await books.run("UPDATE pending_deliveries SET next_attempt_at = now() - interval '1 hour'")
    ours = await books.ledger(Wish(applications=[books.application]))
    assert ours.total == Balance(messages=2, accepted=2, due=2)
    assert {finding.application_id for finding in ours.findings} == {books.application}
    theirs = await books.ledger(Wish(applications=[other]))
    assert theirs.total == Balance(messages=1, accepted=1, missing=1)
    assert (theirs.queue.pending, [finding.kind for finding in theirs.findings]) == (0, [Kind.MISSING])
    async with ledger_connection(books.dsn) as connection:
        assert sorted(await applications_of(connection, books.organization)) == sorted([books.application, other])
        assert await applications_of(connection, "org_other") == []
    nobody = await books.ledger(Wish(applications=[]))
    assert (nobody.total, nobody.queue.pending, nobody.findings) == (Balance(), 0, [])
