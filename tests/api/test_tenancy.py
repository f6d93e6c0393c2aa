"""Whatever is another's does not exist: said of every operation of the OpenAPI document, of every name in its requests.

Each request is made twice: with a name that somebody else has given to something, and with one that nobody has. The
answers must be the same, and of the somebody else nothing must change.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import ids
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.operations import Operation, operations
from tests.api.publishing import KEY, body
from tests.api.tenants import NAMING, OTHER, Tenant, fingerprint, make_tenant

# What an application's own users may do; to all else their tokens say 403. What is new is not theirs until it is here.
PORTALS: Final = re.compile(
    r"v1\.endpoint\.(?!find$).*|v1\.application\.(get|stats\.attempts)|v1\.stats\.app-attempts|v1\.event-type\.(list|get)"
    r"|v1\.statistics\.(series|now)|v1\.message\.(list|get|get-raw-payload|search|events|explain)"
    r"|v1\.message\.pollerv?2?\..*"
    r"|v1\.message-attempt\.(list-.*|get|get-headers|get-request|count-by-endpoint|resend)"
    r"|v1\.authentication\.(logout|whoami|get-poller-token|rotate-poller-token)|v1\.health\..*|v1\.poller\..*"
    r"|v1\.environment\.get-settings"
)
OF_PORTALS_ONLY: Final = frozenset({"v1.authentication.logout"})
# Of whoever has what stands in a link.
OF_NOBODY: Final = frozenset({"v1.authentication.exchange-one-time-token"})
# Of whoever is about to sign in, and of users who have: tests/api/test_sign_in.py, tests/api/test_user.py.
OF_USERS: Final = re.compile(r"v1\.account\..*|v1\.authentication\.(sign-in.*|accept-invitation|(begin|finish)-openid)")
_ID: Final = re.compile(
    r"(app|ep|msg|atmpt|key|org|poll|qtask|usr)_[0-9A-Za-z]{27}|src_[0-9A-Za-z]{22}|log[0-9A-Za-z]{22}"
)
_VARYING: Final = re.compile(rf'"(?:correlation_id|iterator)":"[^"]*"|"[a-zA-Z]*(?:At|stamp)":"[^"]*"|{_ID.pattern}')


@dataclass(frozen=True)
class World:
    """Two tenants, and the operations of the API."""

    operations: list[Operation]
    tenants: tuple[Tenant, Tenant]
    database: Database
    # What was told of names that nobody has: by caller, operation and form of the names.
    unfound: dict[tuple[object, ...], tuple[int, str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
async def world(app: FastAPI, settings: Settings, database: Database) -> World:
    tenants = (await make_tenant(app, settings, database), await make_tenant(app, settings, database))
    return World(operations(app), tenants, database)


def nobodys(name: str) -> str:
    """A name like that one that nobody has given to anything."""
    if (form := _ID.fullmatch(name)) is not None:
        if form[1] is None:
            return ids.new_short_id("src")
        return ids.new_id(form[1])  # type: ignore[arg-type]  # one of its prefixes
    return factories.unique("nobodys")


async def ask(client: httpx.AsyncClient, operation: Operation, names: Mapping[str, str]) -> httpx.Response:
    """A request in which these names stand wherever the operation takes them."""
    query = operation.required_query | {name: names[name] for name in operation.query_parameters if name in names}
    return await client.request(operation.method, operation.url(names), params=query, json=operation.body)


def told(answer: httpx.Response, names: Mapping[str, str]) -> tuple[int, str]:
    """What an answer says, but for the names that were asked for and what is different in each answer."""
    text = answer.text
    for name in names.values():
        text = text.replace(name, "<name>")
    return answer.status_code, _VARYING.sub("<>", text)


async def compare(
    world: World, client: httpx.AsyncClient, operation: Operation, own: Mapping[str, str], others: Mapping[str, str]
) -> None:
    """AssertionError if `others` in place of `own` names make another answer than names that nobody has."""
    own = {name: own[name] for name in operation.path_parameters}
    found = await ask(client, operation, {**own, **others})
    forms = frozenset((parameter, _ID.fullmatch(name) is None) for parameter, name in others.items())
    key = (client, operation.name, tuple(own.values()), forms)
    if key not in world.unfound:
        missing = {parameter: nobodys(name) for parameter, name in others.items()}
        world.unfound[key] = told(await ask(client, operation, {**own, **missing}), missing)
    assert told(found, others) == world.unfound[key], f"{operation} with another's {others}"
    if not others.keys() & set(operation.query_parameters):
        assert found.status_code in {403, 404}, f"{operation} with another's {others}"


def is_free(operation: Operation, names: Mapping[str, str]) -> bool:
    """Whether a PUT may make a thing of that name: it is no id, and that somebody else uses it is no reason against."""
    last = operation.path_parameters[-1] if operation.path_parameters else None
    return (
        operation.method == "PUT" and operation.path.endswith("}") and not _ID.fullmatch(names.get(last or "", "app_"))
    )


def names_of(operation: Operation, somebody: Tenant, *, shared: bool) -> dict[str, set[str]]:
    """For each parameter that names something what it is called at somebody's second application: its id, its uid.

    With `shared` also what belongs to the organization.
    """
    names: dict[str, set[str]] = {}
    known = (somebody.names(1, operation), somebody.names(1, operation, uids=True))
    for parameter in (*operation.path_parameters, *operation.query_parameters):
        if parameter in NAMING and (shared or not somebody.is_shared(parameter, operation)):
            names[parameter] = {found[parameter] for found in known}
    return names


def sets_of(operation: Operation, names: Mapping[str, set[str]]) -> list[dict[str, str]]:
    """What to ask an operation for: each name alone, and one of each together; not what it may make."""
    sets = [{parameter: name} for parameter, found in names.items() for name in sorted(found)]
    if len(names) > 1:
        sets.append({parameter: max(found) for parameter, found in names.items()})
    return [one for one in sets if not is_free(operation, one)]


def sets_for_portal(operation: Operation, names: Mapping[str, set[str]]) -> list[dict[str, str]]:
    """The same for who is refused before anything is looked for, unless the operation is one of portals."""
    ids_alone = {
        parameter: {min(found, key=lambda name: _ID.fullmatch(name) is None)} for parameter, found in names.items()
    }
    sets = sets_of(operation, ids_alone)
    return sets if PORTALS.fullmatch(operation.name) else sets[-1:]


def test_every_parameter_is_known_to_name_something_or_not(world: World) -> None:
    names = {name for found in world.operations for name in (*found.path_parameters, *found.query_parameters)}
    assert names - NAMING - OTHER == set()


async def test_nothing_of_another_organization_exists(world: World) -> None:
    us, them = world.tenants
    before = await fingerprint(world.database.pool, them.organization_id)
    assert all(before[table][0] for table in ("applications", "endpoints", "messages", "attempts", "event_types"))
    for operation in world.operations:
        own = us.names(0, operation)
        names = names_of(operation, them, shared=True)
        for others in sets_of(operation, names):
            await compare(world, us.client, operation, own, others)
        for others in sets_for_portal(operation, names):
            await compare(world, us.customers[0].portal, operation, own, others)
    assert await fingerprint(world.database.pool, them.organization_id) == before


async def test_nothing_of_another_application_exists_in_an_application(world: World) -> None:
    us, _ = world.tenants
    sibling = us.customers[1].ids["app_id"]
    before = await fingerprint(world.database.pool, sibling)
    assert all(before[table][0] for table in ("applications", "endpoints", "messages", "attempts"))
    for operation in world.operations:
        own = us.names(0, operation)
        names = names_of(operation, us, shared=False)
        for others in sets_of(operation, names):
            # The organization may ask for its other application; but what is in that is not in this one.
            if others.keys().isdisjoint({"app_id", "source_id"}):
                await compare(world, us.client, operation, own, others)
        for others in sets_for_portal(operation, names):
            await compare(world, us.customers[0].portal, operation, own, others)
    assert await fingerprint(world.database.pool, sibling) == before


async def test_each_operation_is_carried_out_for_its_owner_and_for_portals_if_it_is_theirs(
    app: FastAPI, settings: Settings, database: Database
) -> None:
    us = await make_tenant(app, settings, database)
    # What deletes comes last, what is deepest first; and what ends a token after all else that needs it.
    order = ["PUT", "POST", "PATCH", "GET", "HEAD", "expire-all", "DELETE"]

    def place(one: Operation) -> tuple[bool, int, int]:
        last_word = one.path.rpartition("/")[2]
        kind = last_word if last_word in order else one.method
        return one.ends_token, order.index(kind), -one.path.count("/")

    found = sorted([one for one in operations(app) if not OF_USERS.fullmatch(one.name)], key=place)
    for operation in found:
        answer = await ask(us.customers[1].portal, operation, us.names(1, operation))
        if PORTALS.fullmatch(operation.name):
            assert answer.is_success, f"{operation} for a portal: {answer.status_code} {answer.text}"
        else:
            assert answer.status_code in {401, 403}, f"{operation} for a portal: {answer.status_code} {answer.text}"
    for operation in found:
        if operation.waits_for_worker:
            continue  # tests/worker/test_trial.py
        answer = await ask(us.client, operation, us.names(0, operation))
        if operation.is_management:
            assert answer.status_code == 403, operation
            continue
        carried_out = answer.is_success or operation.name in OF_PORTALS_ONLY | OF_NOBODY
        assert carried_out, f"{operation} with {operation.body}: {answer.status_code} {answer.text}"


def random_requests(draw: st.DataObject, world: World) -> tuple[Tenant, Operation, int, dict[str, str], bool]:
    """Whom it is asked of, what, at which of its applications, with which names of the other tenant, by whom."""
    ours = draw.draw(st.integers(0, 1), "tenant")
    asked = [one for one in world.operations if names_of(one, world.tenants[0], shared=True)]
    operation = draw.draw(st.sampled_from(asked), "operation")
    theirs: dict[str, str] = {}
    for parameter, names in names_of(operation, world.tenants[1 - ours], shared=True).items():
        if draw.draw(st.booleans(), parameter):
            theirs[parameter] = draw.draw(st.sampled_from(sorted(names)), parameter)
    return world.tenants[ours], operation, draw.draw(st.integers(0, 1), "customer"), theirs, draw.draw(st.booleans())


async def check_random_request(draw: st.DataObject, world: World) -> None:
    us, operation, customer, others, portal = random_requests(draw, world)
    assume(others and not is_free(operation, others))
    them = world.tenants[1 - world.tenants.index(us)]
    before = await fingerprint(world.database.pool, them.organization_id)
    client = us.customers[customer].portal if portal else us.client
    await compare(world, client, operation, us.names(customer, operation), others)
    assert await fingerprint(world.database.pool, them.organization_id) == before


@given(draw=st.data())
@hypothesis_settings(max_examples=15, deadline=None, derandomize=True, database=None)
async def test_random_tenants_see_nothing_of_each_other(world: World, draw: st.DataObject) -> None:
    await check_random_request(draw, world)


@pytest.mark.chaos
@given(draw=st.data())
@hypothesis_settings(max_examples=5000, deadline=None, database=None)
async def test_thousands_of_random_tenants_see_nothing_of_each_other(world: World, draw: st.DataObject) -> None:
    await check_random_request(draw, world)


async def test_a_name_that_another_tenant_uses_is_free(app: FastAPI, settings: Settings, database: Database) -> None:
    us, them = await make_tenant(app, settings, database), await make_tenant(app, settings, database)
    before = await fingerprint(database.pool, them.organization_id)
    made = 0
    for operation in operations(app):
        own, uids = us.names(0, operation), them.names(1, operation, uids=True)
        last = operation.path_parameters[-1:]
        others = {name: uids[name] for name in last}
        if last and is_free(operation, others):
            answer = await ask(us.client, operation, {**own, **others})
            assert answer.status_code in {200, 201}, f"{operation}: {answer.text}"
            # Ours by now; and the other's is still the other's.
            assert answer.json().get("uid", answer.json().get("name")) == others[last[0]]
            assert answer.json().get("id", "") not in {*uids.values(), *them.names(1, operation).values()}
            made += 1
    assert made >= 4  # An application, an endpoint, an event type, an operational webhook endpoint.
    assert await fingerprint(database.pool, them.organization_id) == before


async def test_an_iterator_of_another_tenant_says_no_more_than_any_of_its_form(world: World) -> None:
    us, them = world.tenants
    lists = [
        operation
        for operation in world.operations
        if "iterator" in operation.query_parameters and not operation.is_management
    ]
    assert len(lists) >= 8
    for operation in lists:
        theirs, ours = them.names(0, operation), us.names(0, operation)
        asked_for = operation.required_query
        needed, own = ({name: names.get(name, asked_for[name]) for name in asked_for} for names in (theirs, ours))
        page = (await them.client.get(operation.url(theirs), params=needed)).json()
        assert page["data"], f"{operation} shows nothing to its owner"
        for iterator in (page["iterator"], f"-{page['iterator']}"):
            # Beside it in the order, and nobody's.
            beside = iterator[:-1] + ("0" if iterator[-1] != "0" else "1")
            answers = [
                await us.client.get(operation.url(ours), params={**own, "iterator": asked})
                for asked in (iterator, beside)
            ]
            assert told(answers[0], {}) == told(answers[1], {}), operation
            assert them.organization_id not in answers[0].text


async def test_an_idempotency_key_is_its_owners(world: World) -> None:
    us, them = world.tenants
    key = {KEY: factories.unique("key")}
    published = []
    for tenant in (us, them):
        for customer in tenant.customers:
            answer = await tenant.client.post(f"/app/{customer.ids['app_id']}/msg", json=body(), headers=key)
            assert answer.status_code == 202, answer.text
            published.append(answer.json()["id"])
    assert len(set(published)) == 4


async def test_an_event_type_of_another_organization_cannot_be_subscribed_to(world: World) -> None:
    us, them = world.tenants
    path = f"/app/{us.customers[0].ids['app_id']}/endpoint"
    for name in (them.ids["event_type_name"], nobodys("event.type")):
        answer = await us.client.post(path, json={"url": factories.URL, "eventTypes": [name]})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["msg"] == (
            f"The following event types don't exist: {name}. Create them with POST /api/v1/event-type first."
        )
