"""What a portal's token may not do, its pages do not offer, and the server refuses when it is asked all the same."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from app.scopes import CAPABILITIES
from tests import factories
from tests.web.inventory import templates_of
from tests.web.portals import Visitor, forms_in, visit

EVERYBODY: Final = frozenset({*CAPABILITIES, "everything"})
_MANAGING: Final = frozenset({"ManageEndpoint", "everything"})
_CODING: Final = frozenset({"ManageTransformations", "everything"})
_SENDING: Final = frozenset({"CreateAttempts", "everything"})
_SECRETS: Final = frozenset({"ManageEndpointSecret", *_MANAGING})
_NOBODY: Final[frozenset[str]] = frozenset()
_CODE: Final = "function handler(webhook) { return webhook; }"
_ENDPOINT: Final = "/portal/app/{app_id}/endpoint/{endpoint_id}"


@dataclass(frozen=True, eq=False)
class Form:
    """A form of the portal, and with which capabilities it is taken."""

    path: str
    allowed: frozenset[str]
    fields: Mapping[str, str] = field(default_factory=dict)


FORMS: Final = (
    Form("/portal/theme", EVERYBODY, {"theme": "dark"}),
    Form("/portal/signature", EVERYBODY),
    Form("/portal/app/{app_id}/endpoint-new", _MANAGING, {"url": factories.URL, "subscribed": "all"}),
    Form(f"{_ENDPOINT}/edit", _MANAGING, {"url": factories.URL, "subscribed": "all"}),
    Form(f"{_ENDPOINT}/disable", _MANAGING),
    Form(f"{_ENDPOINT}/enable", _MANAGING),
    Form(f"{_ENDPOINT}/headers", _MANAGING, {"name": "x-one", "value": "1"}),
    Form(f"{_ENDPOINT}/authentication", _MANAGING, {"kind": "bearer", "token": "one"}),
    Form(f"{_ENDPOINT}/authentication/delete", _MANAGING),
    Form(f"{_ENDPOINT}/oauth", _MANAGING, {"token_url": factories.URL, "client_id": "a", "client_secret": "b"}),
    Form(f"{_ENDPOINT}/mtls", _MANAGING, {"identity": "a"}),
    Form(f"{_ENDPOINT}/mtls/delete", _MANAGING),
    Form(f"{_ENDPOINT}/ca", _MANAGING, {"ca": "a"}),
    Form(f"{_ENDPOINT}/secret", _SECRETS | {"ViewEndpointSecret"}),
    Form(f"{_ENDPOINT}/rotate", _SECRETS),
    Form(f"{_ENDPOINT}/transformation", _CODING, {"code": _CODE}),
    Form(f"{_ENDPOINT}/transformation/simulate", _CODING, {"code": _CODE, "payload": "{}", "event_type": "a"}),
    Form(f"{_ENDPOINT}/replay", _SENDING, {"operation": "recover", "since": "2026-01-01T00:00"}),
    Form(f"{_ENDPOINT}/test/example", _SENDING, {"event_type": "invoice.paid"}),
    # These publish, which is the organization's.
    Form(f"{_ENDPOINT}/test/message", _NOBODY, {"event_type": "invoice.paid", "payload": "{}"}),
    Form("/portal/app/{app_id}/msg-new", _NOBODY, {"event_type": "invoice.paid", "payload": "{}"}),
    Form("/portal/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend", _SENDING),
    Form(f"{_ENDPOINT}/delete", _MANAGING),
    Form("/portal/sign-out", EVERYBODY),
)
_SECRET: Final = re.compile(r"whsec_[A-Za-z0-9+/]{32}")
_LINK: Final = re.compile(r'href="(/portal[^"#]*)"')


@dataclass(frozen=True)
class Stock:
    """An application with one of everything."""

    client: httpx.AsyncClient
    names: dict[str, str]
    secret: str


@pytest.fixture
async def stock(client: httpx.AsyncClient, database: Database) -> Stock:
    await client.patch("/management/environment-settings", json={"enableTransformations": True})
    schemas = {"1": {"type": "object", "examples": [{"id": "in_1"}]}}
    await factories.create_event_type(client, "invoice.paid", schemas=schemas)
    application = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, application))["id"]
    message = (await factories.publish(client, application))["id"]
    attempt = await factories.record_attempt(database.pool, application, message, endpoint)
    await factories.record_delivery(database.pool, application, message, endpoint)
    task = await client.post(
        f"/app/{application}/endpoint/{endpoint}/replay-missing", json={"since": "2026-01-31T08:00:00Z"}
    )
    secret = (await client.get(f"/app/{application}/endpoint/{endpoint}/secret")).json()["key"]
    names = {"app_id": application, "endpoint_id": endpoint, "msg_id": message, "attempt_id": attempt}
    return Stock(client, {**names, "task_id": task.json()["id"], "name": "invoice.paid"}, secret)


async def enter(app: FastAPI, stock: Stock, capability: str) -> Visitor:
    wanted: dict[str, Any] = {} if capability == "everything" else {"capabilities": [capability]}
    return await visit(app, stock.client, stock.names["app_id"], **wanted)


def test_every_form_of_the_portal_is_in_the_table() -> None:
    """Whoever adds a form says in FORMS who may send it."""
    assert sorted(form.path for form in FORMS) == sorted(templates_of("POST", "/portal"))


async def test_a_form_is_taken_from_those_who_may_send_it(app: FastAPI, stock: Stock) -> None:
    for capability in sorted(EVERYBODY):
        visitor = await enter(app, stock, capability)
        # Some of the forms leave little of it.
        endpoint = (await factories.create_endpoint(stock.client, stock.names["app_id"]))["id"]
        for form in FORMS:
            answer = await visitor.post(
                form.path.format_map({**stock.names, "endpoint_id": endpoint}), dict(form.fields)
            )
            about = (capability, form.path, answer.status_code, answer.text)
            is_refused = answer.status_code == 403
            assert is_refused == (capability not in form.allowed), about
            assert answer.status_code < 500, about
            assert bool(_SECRET.search(answer.text)) == (form.path.endswith("/secret") and not is_refused), about


@pytest.mark.parametrize(
    "capabilities",
    [
        pytest.param(("ViewBase", "everything"), id="least and most"),
        pytest.param(sorted(EVERYBODY - {"ViewBase", "everything"}), id="others", marks=pytest.mark.chaos),
    ],
)
async def test_pages_offer_what_may_be_done_and_nothing_else(
    app: FastAPI, stock: Stock, capabilities: Sequence[str]
) -> None:
    by_path = {form.path.format_map(stock.names): form for form in FORMS}
    for capability in capabilities:
        visitor = await enter(app, stock, capability)
        offered = {by_path[action] for action in await _actions(visitor, stock)}
        for form in offered:
            assert capability in form.allowed, f"{form.path} is offered to {capability}"
        if capability == "everything":
            hidden = {form.path for form in FORMS if form.allowed} - {form.path for form in offered}
            # Where there is something to do away with, where an endpoint is disabled, and behind a form that asks.
            shown_at_times = ("enable", "authentication/delete", "mtls/delete", "replay")
            assert hidden <= {f"{_ENDPOINT}/{what}" for what in shown_at_times}


async def _actions(visitor: Visitor, stock: Stock) -> set[str]:
    """Where all the forms lead that are found by following links. AssertionError for a link that leads nowhere."""
    offered, followed, links = set(), set(), ["/portal"]
    while links:
        page = await visitor.get(link := links.pop())
        followed.add(link)
        assert page.status_code in {200, 303}, f"{link} is offered, and answers {page.status_code}: {page.text}"
        assert stock.secret not in page.text
        offered |= forms_in(page.text)
        found = {*_LINK.findall(page.text), *([page.headers["location"]] if page.status_code == 303 else [])}
        known = {one.split("?")[0] for one in (*followed, *links)}
        links += [path for path in found if path.split("?")[0] not in known]
    return offered


async def test_who_may_only_look_is_refused_whatever_the_organization_says_later(
    app: FastAPI, stock: Stock, client: httpx.AsyncClient
) -> None:
    assert (await client.patch("/management/environment-settings", json={"readOnly": True})).is_success
    visitor = await enter(app, stock, "everything")
    assert "endpoint-new" not in (await visitor.get(f"/portal/app/{stock.names['app_id']}/endpoint")).text
    for form in FORMS:
        answer = await visitor.post(form.path.format_map(stock.names), dict(form.fields))
        assert (answer.status_code == 403) == ("ViewBase" not in form.allowed), form.path


async def test_code_is_not_offered_where_the_organization_does_not_let_portals_write_it(
    app: FastAPI, stock: Stock, client: httpx.AsyncClient
) -> None:
    assert (await client.patch("/management/environment-settings", json={"enableTransformations": False})).is_success
    visitor = await enter(app, stock, "everything")
    forms = [form for form in FORMS if "/transformation" in form.path]
    assert len(forms) == 2
    page = (await visitor.get(f"{_ENDPOINT}/transformation".format_map(stock.names))).text
    assert not any("/transformation" in action for action in forms_in(page))
    for form in forms:
        answer = await visitor.post(form.path.format_map(stock.names), dict(form.fields))
        assert answer.status_code == 403, (form.path, answer.text)


async def test_event_types_of_features_are_shown_to_those_who_have_them(
    app: FastAPI, stock: Stock, client: httpx.AsyncClient
) -> None:
    await factories.create_event_type(client, "beta.tested", featureFlags=["beta"])
    for flags, status in ((["beta"], 200), (["other"], 404), ([], 404)):
        visitor = await visit(app, client, stock.names["app_id"], featureFlags=flags)
        assert (await visitor.get("/portal/event-type/beta.tested")).status_code == status
        for path in ("/portal/event-type", f"/portal/app/{stock.names['app_id']}/endpoint-new"):
            assert ("beta.tested" in (await visitor.get(path)).text) == (status == 200), path
