"""Messages, attempts and the states of deliveries: all of them, once, however often and from wherever it is begun."""

from datetime import datetime, timedelta

import pytest

from app import clock, ids
from app.db.ledger.report import Wish as LedgerWish
from app.db.ledger.report import draw_up, ledger_connection
from app.svix_import.connection import Refused
from app.svix_import.tally import Reason, Report
from tests import factories
from tests.svix_import.conftest import Importing
from tests.svix_import.svix_server import FAIL, MANAGEMENT, PENDING, SENDING, SUCCESS, SvixServer

DELIVERED, DUE, FAILED, CANCELED = 0, 1, 2, 4


def ago(**span: float) -> datetime:
    return clock.now() - timedelta(**span)


async def is_even(importing: Importing) -> bool:
    """Whether the ledger of our database balances."""
    async with ledger_connection(importing.dsn) as connection:
        ledger = await draw_up(connection, LedgerWish())
    assert ledger.findings == []
    return ledger.total.is_even


def states(importing: Importing) -> dict[tuple[str, str], tuple[int, int]]:
    """State and number of attempts of each delivery."""
    rows = importing.rows("SELECT message_id, endpoint_id, state, attempts FROM deliveries")
    return {(message, endpoint): (state, attempts) for message, endpoint, state, attempts in rows}


async def test_messages_come_with_all_that_is_known_of_them(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    at = ago(days=20)
    message = svix.add_message(application, at, b'{"z": 1, "a": 1.00}', uid="evt-1", channels=["eu", "us"], days=30)
    without = svix.add_message(application, payload=None, channels=[])
    old_form = svix.add_message(application, payload=None)
    svix.run("UPDATE message SET payload = %s WHERE id = %s", '{"a": [1, 2]}', old_form)
    report = importing.run()
    row = importing.rows(
        "SELECT application_id, event_type, event_id, channels, payload, created_at, payload_days, deliveries"
        " FROM messages WHERE id = %s",
        message,
    )
    assert row == [(application, "invoice.paid", "evt-1", ["eu", "us"], b'{"z": 1, "a": 1.00}', at, 30, 0)]
    assert importing.rows("SELECT application_id, event_id, message_id FROM message_event_ids") == [
        (application, "evt-1", message)
    ]
    assert importing.rows("SELECT * FROM payload_expiries") == [(at + timedelta(days=30), message)]
    found = importing.rows("SELECT payload, channels, payload_days FROM messages WHERE id = %s", without)
    assert found == [(None, None, None)]
    assert importing.rows("SELECT payload FROM messages WHERE id = %s", old_form) == [(b'{"a": [1, 2]}',)]
    assert (report.messages.source, report.messages.imported, report.payloads_gone) == (3, 3, 1)
    # Each in the partition of its week.
    assert importing.count("messages_default") == 0
    assert await is_even(importing)


async def test_attempts_say_how_far_deliveries_are(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    good, bad, retried = (svix.add_endpoint(application) for _ in range(3))
    message = svix.add_message(application, ago(hours=3))
    svix.add_attempt(message, good, SUCCESS, ago(hours=3), response="fine", response_duration_ms=2**33)
    svix.add_attempt(message, bad, FAIL, ago(hours=3), next_attempt=ago(hours=2))
    svix.add_attempt(message, bad, FAIL, ago(hours=2))
    svix.add_attempt(message, retried, FAIL, ago(hours=3), next_attempt=ago(hours=2))
    last = svix.add_attempt(message, retried, SUCCESS, ago(hours=2), trigger_type=1)
    svix.add_attempt(message, retried, SENDING, ago(hours=1))
    report = importing.run()
    assert states(importing) == {
        (message, good): (DELIVERED, 1),
        (message, bad): (FAILED, 2),
        (message, retried): (DELIVERED, 2),
    }
    assert importing.rows(
        "SELECT response, response_duration_ms, response_status_code FROM attempts WHERE endpoint_id = %s", good
    ) == [(b"fine", 2**31 - 1, 200)]
    assert importing.rows("SELECT trigger, status, message_id FROM attempts WHERE id = %s", last) == [(1, 0, message)]
    assert importing.rows("SELECT deliveries FROM messages") == [(3,)]
    assert (report.attempts.imported, report.attempts.skipped[Reason.UNDER_WAY], report.pending) == (5, 1, 0)
    assert await is_even(importing)


async def test_destinations_of_older_servers_do_too_unless_attempts_came_later(
    importing: Importing, svix: SvixServer
) -> None:
    application = svix.add_application()
    wanted = {}
    for dest, attempt, at, state in (
        (SUCCESS, SUCCESS, 3, DELIVERED),
        (FAIL, FAIL, 3, FAILED),
        (PENDING, FAIL, 3, FAILED),
        (FAIL, SUCCESS, 1, DELIVERED),
    ):
        endpoint, message = svix.add_endpoint(application), svix.add_message(application, ago(hours=4))
        row = {"msg_id": message, "endp_id": endpoint, "url": "http://x", "status": attempt, "response": ""}
        made = factories.id_at("atmpt", ago(hours=at))
        svix.add("messageattempt", id=made, created_at=ago(hours=at), response_status_code=0, trigger_type=0, **row)
        svix.add_destination(message, endpoint, dest, created_at=ago(hours=2), next_attempt=ago(hours=-1))
        wanted[message, endpoint] = (state, 1)
    with svix.lacking(("messageattempt", "next_attempt"), ("messageattempt", "response_duration_ms")):
        report = importing.run()
    assert states(importing) == wanted
    assert report.pending == 1
    assert await is_even(importing)


async def test_what_had_not_ended_is_not_sent_and_can_be_recovered(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    endpoint, message = svix.add_endpoint(application), svix.add_message(application)
    svix.add_attempt(message, endpoint, FAIL, next_attempt=ago(hours=-1))
    report = importing.run()
    assert (report.pending, report.queued) == (1, 0)
    assert states(importing) == {(message, endpoint): (FAILED, 1)}
    assert importing.count("pending_deliveries") == 0
    assert await is_even(importing)


async def test_what_had_not_ended_is_due_here_if_that_is_asked_for_and_once(
    importing: Importing, svix: SvixServer
) -> None:
    application = svix.add_application()
    later, past = ago(hours=-1), ago(hours=1)
    wanted, disabled = svix.add_endpoint(application), svix.add_endpoint(application, disabled=True)
    first, second, never = (svix.add_message(application, ago(days=3)) for _ in range(3))
    gone = svix.add_message(application, ago(days=20), payload=None)
    for message, endpoint, at in ((first, wanted, later), (second, wanted, past), (first, disabled, later)):
        svix.add_attempt(message, endpoint, FAIL, ago(days=2), next_attempt=at)
    svix.add_attempt(gone, wanted, FAIL, ago(days=2), next_attempt=later)
    svix.add_destination(never, wanted, PENDING, next_attempt=later)
    # A first run without it does no harm.
    importing.run()
    report = importing.run(deliver_pending=True)
    assert (report.pending, report.queued) == (5, 3)
    rows = importing.rows("SELECT message_id, endpoint_id, tries, next_attempt_at > now() FROM pending_deliveries")
    assert sorted(rows) == sorted([(first, wanted, 1, True), (second, wanted, 1, False), (never, wanted, 0, True)])
    assert states(importing) == {
        (first, wanted): (DUE, 1),
        (second, wanted): (DUE, 1),
        (never, wanted): (DUE, 0),
        (first, disabled): (FAILED, 1),
        (gone, wanted): (FAILED, 1),
    }
    assert await is_even(importing)
    # One that Postrider has sent meanwhile, and one that it has canceled, are not made due again.
    deliver_here(importing, application, first, wanted)
    importing.rows("UPDATE deliveries SET state = 4 WHERE message_id = %s RETURNING 1", second)
    importing.rows("DELETE FROM pending_deliveries WHERE message_id = %s RETURNING 1", second)
    importing.run(deliver_pending=True)
    assert importing.rows("SELECT message_id FROM pending_deliveries") == [(never,)]
    assert states(importing)[first, wanted] == (DELIVERED, 2)
    assert states(importing)[second, wanted] == (CANCELED, 1)
    assert await is_even(importing)


def deliver_here(importing: Importing, application: str, message: str, endpoint: str) -> None:
    """As our worker records it."""
    importing.rows("DELETE FROM pending_deliveries WHERE message_id = %s RETURNING 1", message)
    importing.rows(
        "INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code,"
        " response_duration_ms) VALUES (%s, %s, %s, %s, '', 0, 0, 200, 1) RETURNING 1",
        *(ids.new_id("atmpt"), message, endpoint, application),
    )
    importing.rows(
        "UPDATE deliveries SET state = 0, attempts = attempts + 1, updated_at = now() WHERE message_id = %s"
        " RETURNING 1",
        message,
    )


async def test_due_from_the_first_run_on_what_was_never_tried_has_no_history(
    importing: Importing, svix: SvixServer
) -> None:
    application = svix.add_application()
    endpoint, message = svix.add_endpoint(application), svix.add_message(application)
    svix.add_destination(message, endpoint, SENDING, next_attempt=ago(hours=1))
    importing.run(deliver_pending=True)
    assert importing.count("deliveries") == 0
    assert importing.rows("SELECT message_id, tries FROM pending_deliveries") == [(message, 0)]
    assert importing.rows("SELECT deliveries FROM messages") == [(1,)]
    assert await is_even(importing)


async def test_another_run_brings_what_came_since(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    endpoint, other = svix.add_endpoint(application), svix.add_endpoint(application)
    old = svix.add_message(application, ago(days=5))
    svix.add_attempt(old, endpoint, FAIL, ago(days=5), next_attempt=ago(days=-1))
    importing.run()
    new = svix.add_message(application)
    svix.add_attempt(new, endpoint)
    # A retry of an old message, and an endpoint that gets it for the first time.
    svix.add_attempt(old, endpoint)
    svix.add_attempt(old, other, FAIL)
    report = importing.run()
    assert (report.messages.imported, report.attempts.imported, report.deliveries.updated) == (1, 3, 1)
    assert states(importing) == {
        (old, endpoint): (DELIVERED, 2),
        (old, other): (FAILED, 1),
        (new, endpoint): (DELIVERED, 1),
    }
    assert importing.rows("SELECT deliveries FROM messages WHERE id = %s", old) == [(2,)]
    assert await is_even(importing)
    before = importing.rows("SELECT * FROM deliveries ORDER BY 1, 2")
    again = importing.run()
    assert again.messages.imported + again.attempts.imported + again.deliveries.updated == 0
    assert importing.rows("SELECT * FROM deliveries ORDER BY 1, 2") == before


async def test_what_postrider_did_since_stays(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    endpoint, message = svix.add_endpoint(application), svix.add_message(application)
    svix.add_attempt(message, endpoint, FAIL)
    importing.run()
    deliver_here(importing, application, message, endpoint)
    svix.add_attempt(message, endpoint, FAIL)
    report = importing.run(overwrite=True)
    assert report.attempts.imported == 1
    assert states(importing) == {(message, endpoint): (DELIVERED, 2)}
    assert await is_even(importing)


def fill(svix: SvixServer, application: str, endpoint: str, count: int) -> None:
    """That many messages with an attempt each, over ten days."""
    svix.run(
        "INSERT INTO message (id, created_at, org_id, app_id, event_type, expiration)"
        " SELECT i.id, now(), %s, %s, 'invoice.paid', now() + interval '1 day' FROM unnest(%s::text[]) AS i(id)",
        *(
            svix.organization,
            application,
            [factories.id_at("msg", ago(minutes=14_400 * (1 - i / count))) for i in range(count)],
        ),
    )
    svix.run(
        "INSERT INTO messageattempt (id, created_at, msg_id, endp_id, url, status, response_status_code, response,"
        " trigger_type, response_duration_ms)"
        " SELECT replace(id, 'msg_', 'atmpt_'), created_at, id, %s, '', 0, 200, '', 0, 1 FROM message",
        endpoint,
    )


async def test_one_that_is_broken_off_goes_on_where_it_was(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    endpoint = svix.add_endpoint(application)
    fill(svix, application, endpoint, 5000)
    steps = importing.steps(Report())
    while next(steps).name != "history":
        pass
    steps.close()
    begun = importing.count("messages")
    assert 0 < begun < 5000
    assert await is_even(importing)
    report = importing.run()
    assert (report.messages.imported, report.messages.skipped.total()) == (5000 - begun, 0)
    assert (importing.count("messages"), importing.count("attempts"), importing.count("deliveries")) == (5000,) * 3
    assert await is_even(importing)


async def test_an_earlier_time_brings_what_was_left_out(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    old, new = svix.add_message(application, ago(days=30)), svix.add_message(application, ago(days=2))
    assert importing.run(since=ago(days=3)).messages.imported == 1
    assert importing.rows("SELECT id FROM messages") == [(new,)]
    assert importing.run(since=ago(days=31)).messages.imported == 1
    assert {row for (row,) in importing.rows("SELECT id FROM messages")} == {old, new}


async def test_what_is_older_than_postrider_keeps_is_left(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    svix.add_message(application, ago(days=100))
    expired = svix.add_message(application, ago(days=80), days=30)
    report = importing.run()
    assert importing.rows("SELECT id, payload FROM messages") == [(expired, None)]
    assert report.payloads_gone == 1


async def test_one_organization_can_be_brought_without_the_others(importing: Importing, svix: SvixServer) -> None:
    ours, other = svix.add_application(), ids.new_id("org")
    theirs = svix.add_application(org_id=other)
    mine = svix.add_message(ours)
    svix.add_attempt(mine, svix.add_endpoint(ours))
    foreign = svix.add_message(theirs, org_id=other)
    svix.add_attempt(foreign, svix.add_endpoint(theirs))
    svix.add_destination(foreign, svix.add_endpoint(theirs), FAIL)
    report = importing.run(organization=svix.organization)
    assert report.is_whole
    assert importing.rows("SELECT id FROM messages") == [(mine,)]
    assert importing.rows("SELECT id FROM organizations") == [(svix.organization,)]
    assert importing.count("attempts") == importing.count("endpoints") == 1
    # And the others later.
    assert importing.run().messages.imported == 1
    assert await is_even(importing)


async def test_messages_whose_application_is_not_here_are_named_and_come_when_it_is(
    importing: Importing, svix: SvixServer
) -> None:
    application = svix.add_application(uid="acme")
    message = svix.add_message(application, ago(days=3))
    svix.add_attempt(message, svix.add_endpoint(application))
    importing.rows("INSERT INTO organizations (id) VALUES (%s) RETURNING 1", svix.organization)
    importing.rows(
        "INSERT INTO applications (id, organization_id, uid, name, created_at, updated_at)"
        " VALUES ('app_taken', %s, 'acme', 'Acme', now(), now()) RETURNING 1",
        svix.organization,
    )
    report = importing.run()
    assert not report.is_whole
    assert report.applications.skipped[Reason.UID_TAKEN] == 1
    assert report.endpoints.skipped[Reason.NO_PARENT] == report.messages.skipped[Reason.NO_PARENT] == 1
    assert [text for text in report.problems.named if application in text]
    assert importing.count("messages") == 0
    importing.rows("UPDATE applications SET uid = 'other' WHERE id = 'app_taken' RETURNING 1")
    assert importing.run().is_whole
    assert (importing.count("messages"), importing.count("attempts")) == (1, 1)
    assert await is_even(importing)


async def test_messages_about_svix_itself_are_left(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application(org_id=MANAGEMENT, uid=svix.organization)
    svix.add_attempt(svix.add_message(application, org_id=MANAGEMENT), svix.add_endpoint(application))
    report = importing.run()
    assert report.is_whole
    assert importing.count("messages") == importing.count("attempts") == 0


@pytest.mark.parametrize("table", ["messageattempt", "_sqlx_migrations", "messagecontent"])
def test_a_database_that_is_not_a_svix_servers_is_refused(importing: Importing, svix: SvixServer, table: str) -> None:
    with svix.lacking((table, "")), pytest.raises(Refused, match="before 1.15" if table == "messagecontent" else table):
        importing.run()


def test_a_row_that_postgres_refuses_is_not_quoted(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    svix.add_message(application, payload=b'{"card": "hunter2"}', channels=None)
    svix.run("UPDATE message SET event_type = NULL")
    with pytest.raises(Refused) as refused:
        importing.run()
    assert "event_type" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert importing.count("messages") == 0
