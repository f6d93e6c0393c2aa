"""Scopes: what a token may do, and what it may give away."""

import pytest

from app import scopes

ENDPOINT = "v1.endpoint.get"
OPERATIONS = {ENDPOINT, "v1.endpoint.get-secret", "v1.endpoint.delete", "v1.message.create", "v1.application.list"}


@pytest.mark.parametrize(
    ("scope", "operation", "method", "allowed"),
    [
        ("read", ENDPOINT, "GET", True),
        ("read", ENDPOINT, "HEAD", True),
        ("read", ENDPOINT, "POST", False),
        ("read", "v1.message.search", "POST", True),
        ("read", "v1.message.precheck", "POST", True),
        ("read", "v1.environment.export", "POST", False),
        ("read", "v1.endpoint.get-secret", "GET", False),
        ("read", "v1.operational-webhook.endpoint.get-secret", "GET", False),
        ("read", "v1.message.poller.poll", "GET", True),
        ("read", "v1.message.poller.consumer-poll", "GET", False),
        ("read", "v1.message.pollerv2.consumer-poll", "GET", False),
        ("read", "v1.authentication.get-poller-token", "GET", False),
        ("publish", "v1.message.create", "POST", True),
        ("publish.own", "v1.message.create", "POST", True),
        ("publish.own", ENDPOINT, "GET", False),
        ("publish", "v1.message.create-many", "POST", False),
        ("publish", ENDPOINT, "GET", False),
        (ENDPOINT, ENDPOINT, "GET", True),
        (ENDPOINT, "v1.endpoint.get-secret", "GET", False),
        ("v1.endpoint.*", "v1.endpoint.delete", "DELETE", True),
        ("v1.endpoint.*", "v1.endpointless.get", "GET", False),
        ("v1.endpoint*", ENDPOINT, "GET", False),
        ("manage.endpoints", "v1.endpoint.delete", "DELETE", True),
        ("manage.endpoints", "v1.endpoint.get-secret", "GET", True),
        ("manage.endpoints", "v1.endpoint.transformation.patch", "PATCH", False),
        ("manage.endpoints", "v1.endpoint.recover", "POST", False),
        ("manage.endpoints", "v1.message.create", "POST", False),
        ("v1.*", "v1.application.list", "GET", True),
        ("*", ENDPOINT, "GET", False),
        ("", ENDPOINT, "GET", False),
    ],
)
def test_a_scope_allows_what_it_names(scope: str, operation: str, method: str, allowed: bool) -> None:
    assert scopes.allows([scope], operation, method) is allowed


def test_scopes_add_up_and_none_of_them_allows_nothing() -> None:
    assert scopes.allows(["publish", "read"], ENDPOINT, "GET")
    assert not scopes.allows([], ENDPOINT, "GET")


def test_scopes_that_name_nothing_are_found() -> None:
    wanted = ["read", "publish", "v1.endpoint.*", ENDPOINT, "v1.endpoint.gets", "v2.*", "*", ".*", ""]
    assert scopes.unknown(wanted, OPERATIONS) == ["v1.endpoint.gets", "v2.*", "*", ".*", ""]


def test_nobody_asks_for_a_token_that_publishes_to_its_own_application_and_has_none() -> None:
    assert scopes.unknown(["publish.own", "manage.endpoints"], OPERATIONS) == ["publish.own", "manage.endpoints"]


@pytest.mark.parametrize(
    ("wanted", "own", "exceeds"),
    [
        (None, None, False),
        (["v1.*"], None, False),
        (None, ["v1.*"], True),
        (["read"], ["read"], False),
        (["read"], ["publish"], True),
        (["read"], ["v1.endpoint.*"], True),
        ([ENDPOINT], ["v1.endpoint.*"], False),
        (["v1.endpoint.*"], ["v1.*"], False),
        (["v1.*"], ["v1.endpoint.*"], True),
        (["publish"], ["v1.message.*"], False),
        (["publish", "v1.application.list"], ["publish"], True),
    ],
)
def test_nobody_gives_away_more_than_they_have(wanted: list[str] | None, own: list[str] | None, exceeds: bool) -> None:
    assert scopes.exceeding(wanted, own) is exceeds


def test_a_portal_can_always_log_out() -> None:
    for capability in scopes.CAPABILITIES:
        assert scopes.allows(scopes.of_portal([capability]), "v1.authentication.logout", "POST")


def test_the_capabilities_are_those_of_the_svix_api() -> None:
    assert set(scopes.CAPABILITIES) == {
        *("ViewBase", "ViewEndpointSecret", "ManageEndpointSecret"),
        *("ManageTransformations", "CreateAttempts", "ManageEndpoint"),
    }
