"""Organizations, event types, applications and endpoints: as they were, and never over what was changed here since."""

import getpass
import os
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import clock, ids
from app.db.endpoint.model import open_headers, open_secrets
from app.db.shard.model import shard_of
from app.sealing import Sealer
from app.svix_import.run import WrongMainSecret
from app.svix_import.tally import Reason
from tests.svix_import.conftest import Importing
from tests.svix_import.svix_server import MANAGEMENT, SvixServer, ed25519_key, encrypted, plain

KEY, OLD_KEY = os.urandom(24), os.urandom(32)


def text_of(key: bytes, prefix: str = "whsec_") -> str:
    return prefix + b64encode(key).decode()


def endpoint_of(importing: Importing, endpoint: str) -> dict[str, Any]:
    """Our row of it, with what is sealed in it."""
    names = (
        "application_id, uid, url, description, version, rate_limit, event_types, channels, metadata, headers, secrets,"
        " disabled, disabled_reason, shard, created_at, updated_at, deleted_at"
    )
    (row,) = importing.rows(f"SELECT {names} FROM endpoints WHERE id = %s", endpoint)
    found = dict(zip(names.replace(" ", "").split(","), row, strict=True))
    sealer = Sealer(importing.settings.main_secrets)
    found["secrets"] = [(one.key, one.expires_at) for one in open_secrets(sealer, endpoint, found["secrets"])]
    found["headers"] = open_headers(sealer, endpoint, found["headers"])
    return found


def test_an_endpoint_comes_with_its_secrets_and_all_it_was_given(importing: Importing, svix: SvixServer) -> None:
    at = datetime(2025, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
    application = svix.add_application({"plan": "gold"}, uid="acme", rate_limit=100, created_at=at)
    live, ended = clock.now() + timedelta(hours=5), clock.now() - timedelta(hours=5)
    endpoint = svix.add_endpoint(
        application,
        encrypted(KEY),
        {"tier": "1"},
        uid="ep-1",
        url="https://example.com/in",
        description="Billing",
        version=3,
        rate_limit=7,
        event_types_ids=["invoice.paid", "user.created"],
        channels=["eu"],
        headers={"x-tenant": "t0", "Authorization": "Bearer secret"},
        old_keys=[
            {"signingKey": b64encode(encrypted(b"y" * 24)).decode(), "expiration": ended.isoformat()},
            {"signingKey": b64encode(encrypted(OLD_KEY)).decode(), "expiration": live.isoformat()},
        ],
        created_at=at,
    )
    report = importing.run()
    assert report.is_whole
    assert report.warnings.count == 0
    assert endpoint_of(importing, endpoint) == {
        "application_id": application,
        "uid": "ep-1",
        "url": "https://example.com/in",
        "description": "Billing",
        "version": 3,
        "rate_limit": 7,
        "event_types": ["invoice.paid", "user.created"],
        "channels": ["eu"],
        "metadata": {"tier": "1"},
        "headers": {"x-tenant": "t0", "Authorization": "Bearer secret"},
        "secrets": [(text_of(KEY), None), (text_of(OLD_KEY), int(live.timestamp()))],
        "disabled": False,
        "disabled_reason": None,
        "shard": shard_of(endpoint),
        "created_at": at,
        "updated_at": at,
        "deleted_at": None,
    }
    assert importing.rows(
        "SELECT organization_id, uid, name, rate_limit, metadata, created_at, operational FROM applications"
    ) == [(svix.organization, "acme", "Acme", 100, {"plan": "gold"}, at, False)]
    assert importing.rows("SELECT id FROM organizations") == [(svix.organization,)]


KINDS = {
    "encrypted": (encrypted(KEY), text_of(KEY)),
    "plain": (plain(KEY), text_of(KEY)),
    "the oldest form": (KEY, text_of(KEY)),
    "ed25519": (encrypted(key := ed25519_key(), 2), text_of(key, "whsk_")),
}


def test_every_form_of_a_signing_key_signs_as_before(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    made = {svix.add_endpoint(application, stored): text for stored, text in KINDS.values()}
    assert importing.run().is_whole
    assert {endpoint: endpoint_of(importing, endpoint)["secrets"] for endpoint in made} == {
        endpoint: [(text, None)] for endpoint, text in made.items()
    }


def test_event_types_come_archived_deprecated_and_flagged(importing: Importing, svix: SvixServer) -> None:
    schemas = {"1": {"type": "object", "properties": {"n": {"maximum": 10**30}}}}
    svix.add_event_type("a", schemas=schemas, feature_flag="beta", deprecated=True)
    svix.add_event_type("b", deleted=True)
    odd = svix.add_event_type("c")
    svix.run("UPDATE eventtype SET schemas = %s WHERE id = %s", '{"1": {"title": "\\u0000"}}', odd)
    svix.add_event_type("endpoint.created", org_id=MANAGEMENT)
    report = importing.run()
    rows = importing.rows("SELECT name, schemas, feature_flags, deprecated, archived FROM event_types ORDER BY name")
    assert rows == [
        ("a", schemas, ["beta"], True, False),
        ("b", None, None, False, True),
        ("c", None, None, False, False),
    ]
    assert report.event_types.skipped == {Reason.SVIX_OWN: 1}
    assert [odd in text for text in report.warnings.named] == [True]


def test_of_what_was_deleted_only_what_history_needs_comes(importing: Importing, svix: SvixServer) -> None:
    needed, forgotten = svix.add_application(deleted=True), svix.add_application(deleted=True)
    used, unused = svix.add_endpoint(needed, deleted=True), svix.add_endpoint(needed, deleted=True)
    svix.add_attempt(svix.add_message(needed), used)
    assert importing.run(messages=False).applications.skipped == {Reason.DELETED: 2}
    assert importing.count("applications") == 0
    report = importing.run()
    assert importing.rows("SELECT id, deleted_at IS NULL FROM applications") == [(needed, False)]
    assert importing.rows("SELECT id, deleted_at IS NULL FROM endpoints") == [(used, False)]
    assert (report.is_whole, forgotten, unused) == (True, forgotten, unused)


def test_an_endpoint_that_svix_gave_up_says_so(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    failing = datetime(2026, 11, 1, 8, tzinfo=UTC)
    given_up = svix.add_endpoint(application, disabled=True, first_failure_at=failing)
    by_hand = svix.add_endpoint(application, disabled=True)
    importing.run()
    assert "2026-11-01 08:00 UTC" in endpoint_of(importing, given_up)["disabled_reason"]
    assert (endpoint_of(importing, by_hand)["disabled"], endpoint_of(importing, by_hand)["disabled_reason"]) == (
        True,
        None,
    )


def test_what_will_not_be_as_it_was_is_named(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    inside = svix.add_endpoint(application, url="http://10.1.2.3/in")
    odd = svix.add_endpoint(application, url="http://user:pw@example.com/")
    old = svix.add_endpoint(
        application, url="https://example.com", old_keys=[{"signingKey": "AA==", "expiration": "2999-01-01T00:00:00Z"}]
    )
    headers = svix.add_endpoint(
        application, url="https://example.com", rate_limit=0, headers={"Host": "h", "x-a": "ok", "x-b": "hunter2\n"}
    )
    report = importing.run()
    assert report.is_whole
    assert importing.count("endpoints") == 4
    found = {
        name: [text for text in report.warnings.named if text.startswith(name)] for name in (inside, odd, old, headers)
    }
    assert "POSTRIDER_WHITELIST_SUBNETS" in found[inside][0]
    assert "user name" in found[odd][0]
    assert "earlier signing key" in found[old][0]
    assert len(found[headers]) == 3
    assert endpoint_of(importing, headers)["headers"] == {"x-a": "ok"}
    assert endpoint_of(importing, headers)["rate_limit"] is None
    assert "hunter2" not in " ".join(report.warnings.named)


def test_a_key_that_cannot_be_used_is_a_problem_of_its_endpoint_alone(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    good, foreign = (
        svix.add_endpoint(application),
        svix.add_endpoint(application, encrypted(KEY, main_secret="another")),
    )
    short = svix.add_endpoint(application, plain(b"x" * 100))
    report = importing.run()
    assert importing.rows("SELECT id FROM endpoints") == [(good,)]
    assert report.endpoints.skipped == {Reason.KEY: 2}
    assert {text.partition(":")[0] for text in report.problems.named} == {foreign, short}
    assert not report.is_whole


@pytest.mark.parametrize("main_secret", [None, "another"])
def test_a_wrong_main_secret_is_found_before_anything_is_written(
    importing: Importing, svix: SvixServer, main_secret: str | None
) -> None:
    svix.add_event_type()
    svix.add_endpoint(svix.add_application())
    with pytest.raises(WrongMainSecret, match="nothing was written"):
        importing.run(main_secret=main_secret)
    assert importing.count("organizations") == importing.count("svix_imports") == importing.count("event_types") == 0


def test_without_encrypted_keys_no_main_secret_is_needed(importing: Importing, svix: SvixServer) -> None:
    svix.add_endpoint(svix.add_application(), plain(KEY))
    assert importing.run(main_secret=None).endpoints.imported == 1


def test_operational_endpoints_become_those_of_their_organization(importing: Importing, svix: SvixServer) -> None:
    svix.add_application()
    holder = svix.add_application(org_id=MANAGEMENT, uid=svix.organization, name="x")
    endpoint = svix.add_endpoint(holder, event_types_ids=["endpoint.disabled"])
    importing.run()
    assert importing.rows("SELECT operational_application_id FROM organizations") == [(holder,)]
    rows = importing.rows("SELECT organization_id, uid, operational FROM applications WHERE id = %s", holder)
    assert rows == [(svix.organization, None, True)]
    assert endpoint_of(importing, endpoint)["application_id"] == holder
    assert importing.run().applications.same == 2


def test_operational_endpoints_join_those_that_are_here_already(importing: Importing, svix: SvixServer) -> None:
    importing.rows("INSERT INTO organizations (id) VALUES (%s) RETURNING 1", svix.organization)
    importing.rows(
        "INSERT INTO applications (id, organization_id, name, operational, created_at, updated_at)"
        " VALUES ('app_ours', %s, 'x', true, now(), now()) RETURNING 1",
        svix.organization,
    )
    importing.rows("UPDATE organizations SET operational_application_id = 'app_ours' RETURNING 1")
    endpoint = svix.add_endpoint(svix.add_application(org_id=MANAGEMENT, uid=svix.organization))
    report = importing.run(organization=svix.organization)
    assert report.applications.skipped == {Reason.MERGED: 1}
    assert endpoint_of(importing, endpoint)["application_id"] == "app_ours"
    assert report.is_whole


def test_another_run_brings_what_was_changed_in_svix(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application({"plan": "gold"})
    endpoint, removed = svix.add_endpoint(application), svix.add_endpoint(application)
    event_type = svix.add_event_type()
    importing.run()
    unchanged = importing.run()
    assert [tally.updated + tally.imported for tally in unchanged.tallies.values()] == [0] * 6
    # Metadata and headers change without the row's time.
    svix.run("UPDATE applicationmetadata SET data = %s", '{"plan": "silver"}')
    svix.run("UPDATE endpoint SET key = %s, headers = %s WHERE id = %s", plain(KEY), '{"x-a": "1"}', endpoint)
    svix.touch("endpoint", removed, deleted=True)
    svix.touch("eventtype", event_type, deleted=True)
    svix.add_attempt(svix.add_message(application), removed)
    report = importing.run()
    assert (report.applications.updated, report.endpoints.updated, report.event_types.updated) == (1, 2, 1)
    assert importing.rows("SELECT metadata FROM applications") == [({"plan": "silver"},)]
    assert endpoint_of(importing, endpoint)["secrets"] == [(text_of(KEY), None)]
    assert endpoint_of(importing, endpoint)["headers"] == {"x-a": "1"}
    assert endpoint_of(importing, removed)["deleted_at"] is not None
    assert importing.rows("SELECT archived FROM event_types") == [(True,)]


CHANGES = {
    "changed": {
        "applications": "UPDATE applications SET name = 'Ours', updated_at = now() RETURNING 1",
        "endpoints": "UPDATE endpoints SET url = 'https://example.com/ours' RETURNING 1",
        "event_types": "UPDATE event_types SET description = 'Ours', updated_at = now() RETURNING 1",
    },
    "removed": {
        "endpoints": "UPDATE endpoints SET deleted_at = now() RETURNING 1",
        "applications": "UPDATE applications SET deleted_at = now() RETURNING 1",
        "event_types": "DELETE FROM event_types RETURNING 1",
    },
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_here_is_replaced_only_if_that_is_asked_for(
    importing: Importing, svix: SvixServer, changes: dict[str, str]
) -> None:
    application = svix.add_application()
    endpoint, event_type = svix.add_endpoint(application), svix.add_event_type()
    importing.run()
    for change in changes.values():
        importing.rows(change)
    ours = {table: importing.rows(f"SELECT * FROM {table}") for table in changes}
    svix.touch("application", application, name="Theirs")
    svix.touch("endpoint", endpoint, description="Theirs")
    svix.touch("eventtype", event_type, deprecated=True)
    report = importing.run()
    assert {table: importing.rows(f"SELECT * FROM {table}") for table in changes} == ours
    assert [tally.skipped[Reason.KEPT] for tally in list(report.tallies.values())[:3]] == [1, 1, 1]
    assert report.is_whole
    assert importing.run(overwrite=True).is_whole
    assert importing.rows("SELECT name, deleted_at FROM applications") == [("Theirs", None)]
    assert importing.rows("SELECT description, url, deleted_at FROM endpoints") == [
        ("Theirs", "http://127.0.0.1:1024/in", None)
    ]
    assert importing.rows("SELECT description, deprecated FROM event_types") == [("It happened.", True)]


def test_a_name_that_is_taken_here_is_not_taken_away(importing: Importing, svix: SvixServer) -> None:
    importing.rows("INSERT INTO organizations (id) VALUES (%s) RETURNING 1", svix.organization)
    importing.rows(
        "INSERT INTO event_types (id, organization_id, name, description, created_at, updated_at)"
        " VALUES ('evtype_ours', %s, 'invoice.paid', 'Ours', now(), now()) RETURNING 1",
        svix.organization,
    )
    svix.add_event_type("invoice.paid")
    application = svix.add_application()
    importing.run()
    assert importing.rows("SELECT id FROM event_types") == [("evtype_ours",)]
    first = svix.add_endpoint(application, uid="one")
    importing.run()
    svix.touch("endpoint", first, deleted=True, uid=None)
    second = svix.add_endpoint(application, uid="one")
    # What was deleted there is deleted here, even if no history needs it; and then the name is free.
    assert importing.run().is_whole
    assert importing.rows("SELECT id, deleted_at IS NULL FROM endpoints ORDER BY id") == [
        (first, False),
        (second, True),
    ]
    importing.rows("UPDATE endpoints SET uid = 'two' WHERE id = %s RETURNING 1", second)
    third = svix.add_endpoint(application, uid="two")
    report = importing.run()
    assert report.endpoints.skipped == {Reason.UID_TAKEN: 1, Reason.KEPT: 1}
    assert [third in text for text in report.problems.named] == [True]


def test_what_belongs_to_an_organization_that_tokens_cannot_name_is_left(
    importing: Importing, svix: SvixServer
) -> None:
    svix.add_application(org_id="acme")
    report = importing.run()
    assert report.applications.skipped == {Reason.NOT_AN_ORGANIZATION: 1}
    assert importing.count("organizations") == 0


def test_a_dry_run_says_what_would_come_and_writes_nothing(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    endpoint = svix.add_endpoint(application)
    svix.add_event_type()
    svix.add_attempt(svix.add_message(application, clock.now() - timedelta(days=40)), endpoint)
    weeks = importing.count("pg_inherits")
    dry = importing.run(dry_run=True)
    tables = ("organizations", "applications", "endpoints", "event_types", "messages", "attempts", "deliveries")
    assert [importing.count(table) for table in (*tables, "svix_imports", "svix_imported_rows", "audit_entries")] == [
        0
    ] * 10
    assert importing.count("pg_inherits") == weeks
    assert dry.is_whole
    assert dry.tallies == importing.run().tallies


def test_who_imported_is_in_each_organizations_audit_log(importing: Importing, svix: SvixServer) -> None:
    other = ids.new_id("org")
    svix.add_application()
    svix.add_application(org_id=other)
    importing.run()
    importing.run()
    rows = importing.rows("SELECT organization_id, actor_kind, actor_id, operation FROM audit_entries")
    login = getpass.getuser()
    assert sorted(rows) == sorted((each, "operator", login, "cli.import.svix") for each in (svix.organization, other))
