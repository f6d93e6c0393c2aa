"""Event type pages: the catalogue, and how operators change it."""

from typing import Final

import httpx
import orjson
import pytest
from fastapi import FastAPI
from playwright.async_api import Page

from app.web.event_type.schema import Property, example_of, properties_of
from tests import factories
from tests.factories import Json
from tests.web.browsing import Operator, signed_in
from tests.web.portals import visit
from tests.web.reading import read

SCHEMA: Final[Json] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Its number", "format": "uuid"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
        "note": {"type": ["string", "null"], "deprecated": True},
    },
    "required": ["id"],
    "$defs": {
        "line": {
            "type": "object",
            "properties": {"amount": {"type": "integer", "minimum": 1}, "unit": {"enum": ["piece", "kg"]}},
            "required": ["amount"],
        }
    },
}


@pytest.fixture
async def operator(app: FastAPI, token: str) -> Operator:
    return await signed_in(app, token)


def test_properties_are_listed_with_where_they_are_and_what_they_may_be() -> None:
    found = [(each.path, each.type, each.required, each.limits, each.deprecated) for each in properties_of(SCHEMA)]
    assert found == [
        ("id", "string", True, ("uuid",), False),
        ("lines", "array of object", False, (), False),
        ("lines[].amount", "integer", True, ("at least 1",), False),
        ("lines[].unit", "any", False, ('one of "piece", "kg"',), False),
        ("note", "string or null", False, (), True),
    ]


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"examples": [{"a": 1}, {"a": 2}]}, {"a": 1}),
        ({"type": "object", "example": {"b": 1}}, {"b": 1}),
        (
            SCHEMA,
            {
                "id": "4f1c9a7e-2b5d-4036-91e4-f7a9b2d5c8aa",
                "lines": [{"amount": 1, "unit": "piece"}],
                "note": "text",
            },
        ),
        (
            {"allOf": [{"properties": {"a": {"const": 5}}}, {"properties": {"b": {"default": False}}}]},
            {"a": 5, "b": False},
        ),
        ({"oneOf": [{"type": "number"}, {"type": "string"}]}, 1.5),
        ({}, {}),
    ],
)
def test_an_example_is_the_schemas_own_or_made_of_its_types(schema: Json, example: object) -> None:
    assert example_of(schema) == example


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"properties": {f"p{number}": {"$ref": "#"} for number in range(300)}, "allOf": [{"$ref": "#"}] * 300},
        {"oneOf": [{"$ref": "#"}] * 300, "properties": {"a": {"anyOf": [{"$ref": "#"}] * 300}}},
        {"properties": [], "required": {}, "items": 5, "allOf": "a", "enum": {}, "examples": 3, "type": {"a": 1}},
        {"properties": {"a": None, "b": [], "c": {"$ref": 5}, "d": {"$ref": "#/nowhere/~1"}}},
    ],
)
def test_no_schema_is_too_much(schema: Json) -> None:
    assert len(properties_of(schema)) <= 300
    assert len(orjson.dumps(example_of(schema))) < 1_000_000


def _size(found: list[Property]) -> int:
    return sum(len("".join((each.path, each.type, each.description, *each.limits))) for each in found)


@pytest.mark.parametrize(
    "part",
    [
        {"description": "d" * 400_000, "example": "e" * 40_000},
        {"pattern": "p" * 400_000, "default": "e" * 40_000},
        {"enum": ["v" * 190] * 300},
        {"type": ["t" * 1000] * 300},
        {"properties": {"n" * 100_000: {"$ref": "#/part"}}},
    ],
)
def test_what_many_parts_refer_to_does_not_fill_a_page_as_often(part: Json) -> None:
    schema = {"properties": {f"p{number}": {"$ref": "#/part"} for number in range(300)}, "part": part}
    assert 100_000 < _size(properties_of(schema)) < 300_000
    assert len(orjson.dumps(example_of(schema))) < 1_000_000


async def test_an_event_type_is_created_shown_changed_archived_brought_back_and_deleted(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    fields = {"name": "invoice.paid", "description": "Somebody paid.", "group": "invoice", "flags": "beta, gold"}
    place = await operator.done("/event-type-new", {**fields, "schema": orjson.dumps(SCHEMA).decode()})
    made = (await client.get("/event-type/invoice.paid")).json()
    assert (made["description"], made["groupName"], made["featureFlags"]) == (
        "Somebody paid.",
        "invoice",
        ["beta", "gold"],
    )
    assert made["schemas"] == {"1": SCHEMA}
    text = await operator.page(place)
    for expected in ("Somebody paid.", "lines[].amount", "at least 1", "Made up of the types", '"unit": "piece"'):
        assert expected in text
    changed = {"description": "Paid.", "deprecated": "on", "schema": '{"examples": [{"id": "in_7"}]}'}
    await operator.done(f"{place}/edit", changed)
    assert (await client.get("/event-type/invoice.paid")).json()["schemas"] == {"1": {"examples": [{"id": "in_7"}]}}
    assert '"id": "in_7"' in await operator.page(place)
    await operator.done(f"{place}/archive")
    assert "invoice.paid" not in await operator.page("/event-type")
    assert "invoice.paid" in await operator.page("/event-type?archived=on")
    await operator.done(f"{place}/restore")
    assert "invoice.paid" in await operator.page("/event-type?search=PAID")
    assert await operator.done(f"{place}/delete") == "/event-type"
    assert (await client.get("/event-type/invoice.paid")).status_code == 404


async def test_a_type_that_messages_have_and_nobody_described_has_a_page_that_leads_to_its_description(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    app = await factories.create_application(client)
    message = (await client.post(f"/app/{app['id']}/msg", json={"eventType": "user.left", "payload": {}})).json()
    assert "/dashboard/event-type/user.left" in (await operator.get(f"/app/{app['id']}/msg/{message['id']}")).text
    missing = await operator.get("/event-type/user.left")
    assert (missing.status_code, "It is not in the catalogue." in missing.text) == (404, True)
    assert 'href="/dashboard/event-type-new?name=user.left"' in missing.text
    assert 'value="user.left"' in (await operator.get("/event-type-new?name=user.left")).text


async def test_an_older_version_of_a_schema_stays_when_the_newest_is_changed(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    old = {"1": {"title": "first"}, "2": {"title": "second"}}
    await factories.create_event_type(client, "invoice.paid", schemas=old)
    await operator.done("/event-type/invoice.paid/edit", {"schema": '{"title": "third"}'})
    changed = (await client.get("/event-type/invoice.paid")).json()
    assert changed["schemas"] == {"1": {"title": "first"}, "2": {"title": "third"}}
    await operator.done("/event-type/invoice.paid/edit", {"schema": ""})
    assert (await client.get("/event-type/invoice.paid")).json()["schemas"] == {"1": {"title": "first"}}


@pytest.mark.parametrize("schema", ["{", "[]", '"text"', "[" * 5000, '{"a":' * 300 + "1" + "}" * 300])
async def test_a_schema_that_is_no_json_object_is_shown_again_with_what_is_wrong(
    operator: Operator, client: httpx.AsyncClient, schema: str
) -> None:
    answer = await operator.post("/event-type-new", {"name": "invoice.paid", "description": "Kept.", "schema": schema})
    assert answer.status_code == 422
    document = read(answer.text)
    assert "This is no JSON object" in document.text
    assert schema in document.text
    assert "Kept." in document.text
    assert (await client.get("/event-type")).json()["data"] == []


async def test_a_name_that_is_taken_is_told_at_the_form(operator: Operator, client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client, "invoice.paid")
    answer = await operator.post("/event-type-new", {"name": "invoice.paid", "description": "Again."})
    assert (answer.status_code, "already exists" in answer.text) == (409, True)


async def test_an_import_shows_what_would_change_before_it_changes_anything(
    operator: Operator, client: httpx.AsyncClient
) -> None:
    await factories.create_event_type(client, "obsolete")
    document = "openapi: 3.1.0\nwebhooks:\n  invoice.paid:\n    post: {description: Paid}\n"
    checked = await operator.post("/event-type-import", {"specRaw": document, "do": "check", "replace": "on"})
    text = read(checked.text).text
    assert "invoice.paid" in text
    assert "obsolete is archived" in " ".join(text.split())
    assert [each["name"] for each in (await client.get("/event-type")).json()["data"]] == ["obsolete"]
    await operator.done("/event-type-import", {"specRaw": document, "do": "import", "replace": "on"})
    assert [each["name"] for each in (await client.get("/event-type")).json()["data"]] == ["invoice.paid"]
    refused = await operator.post("/event-type-import", {"specRaw": "webhooks: [", "do": "import"})
    assert (refused.status_code, "webhooks: [" in refused.text) == (422, True)


async def test_a_portal_reads_the_catalogue_that_its_flags_unlock_and_changes_nothing(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    application = (await factories.create_application(client))["id"]
    await factories.create_event_type(client, "open", schemas={"1": SCHEMA})
    await factories.create_event_type(client, "closed", featureFlags=["gold"])
    visitor = await visit(app, client, application)
    catalogue = read((await visitor.get("/portal/event-type")).text).text
    assert ("open" in catalogue, "closed" in catalogue) == (True, False)
    shown = await visitor.get("/portal/event-type/open")
    assert "lines[].amount" in shown.text
    assert "/edit" not in shown.text
    assert (await visitor.get("/portal/event-type/closed")).status_code == 404
    for path in ("/event-type/open/edit", "/event-type-new", "/event-type/open/archive", "/event-type-import"):
        assert (await visitor.post(f"/portal{path}", {"description": "Mine."})).status_code == 404
    assert (await client.get("/event-type/open")).json()["archived"] is False


async def test_a_file_is_read_into_the_import_form(dashboard: Page) -> None:
    await dashboard.goto("/dashboard/event-type-import")
    document = {"name": "events.yaml", "mimeType": "text/yaml", "buffer": b"openapi: 3.1.0\nwebhooks: {}\n"}
    await dashboard.get_by_label("A file").set_input_files(document)  # type: ignore[arg-type]
    await dashboard.wait_for_function("document.querySelector('textarea').value.startsWith('openapi')")
    await dashboard.get_by_role("button", name="Show what would change").click()
    await dashboard.get_by_text("Nothing: all of it is there already.").wait_for()
