"""Event types in and out as an OpenAPI document."""

from typing import Any

import httpx
import pytest
from svix.api import SvixAsync
from svix.models import EventTypeImportOpenApiIn, EventTypeImportOpenApiOut

from app.db.session import Database
from tests import factories
from tests.factories import Json

IMPORT = "/event-type/import/openapi"


def document(**webhooks: Any) -> Json:
    return {"openapi": "3.1.0", "info": {"title": "Events", "version": "1"}, "webhooks": webhooks}


def webhook(schema: Json | None = None, **operation: Any) -> Json:
    if schema is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return {"post": {"description": "It happened.", **operation}}


async def imported(client: httpx.AsyncClient, spec: Json, **options: bool) -> Json:
    answer = await client.post(IMPORT, json={"spec": spec, **options})
    assert answer.status_code == 200, answer.text
    EventTypeImportOpenApiOut.model_validate(answer.json())
    data: Json = answer.json()["data"]
    return data


async def refused(client: httpx.AsyncClient, **body: Any) -> list[Json]:
    """Why, and nothing of it was written."""
    before = (await client.get("/event-type?include_archived=true&with_content=true")).json()
    answer = await client.post(IMPORT, json=body)
    assert answer.status_code == 422, answer.text
    assert (await client.get("/event-type?include_archived=true&with_content=true")).json() == before
    found: list[Json] = answer.json()["detail"]
    return found


async def test_webhooks_become_event_types_with_all_that_is_said_of_them(client: httpx.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer", "format": "int64"}}}
    spec = document(
        **{
            "pet.new": webhook(
                schema, deprecated=True, **{"x-svix-group-name": "pet", "x-svix-feature-flags": ["beta", "beta", "b"]}
            ),
            "pet.old": {"post": {"requestBody": {"description": "An old pet."}}, "x-svix-feature-flag": "gold"},
        }
    )
    data = await imported(client, spec)
    assert data == {"modified": ["pet.new", "pet.old"]}
    new = (await client.get("/event-type/pet.new")).json()
    assert (new["description"], new["schemas"], new["deprecated"]) == ("It happened.", {"1": schema}, True)
    assert (new["groupName"], new["featureFlags"], new["archived"]) == ("pet", ["beta", "b"], False)
    old = (await client.get("/event-type/pet.old")).json()
    assert (old["description"], old["featureFlags"]) == ("An old pet.", ["gold"])
    assert "schemas" not in old


async def test_x_webhooks_are_read_too(client: httpx.AsyncClient) -> None:
    spec = document(one=webhook())
    spec["x-webhooks"] = spec.pop("webhooks")
    assert await imported(client, spec) == {"modified": ["one"]}


async def test_an_import_changes_what_it_describes_and_leaves_the_rest(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client, "kept", description="Mine.", groupName="g")
    await factories.create_event_type(client, "back", schemas={"1": {"a": 1}, "2": {"a": 2}}, groupName="old")
    await client.delete("/event-type/back")
    spec = document(back=webhook({"a": 3}), new=webhook())
    assert await imported(client, spec) == {"modified": ["back", "new"]}
    back = (await client.get("/event-type/back")).json()
    # The newest version is what is described; what the document does not say stays.
    assert (back["archived"], back["schemas"], back["groupName"]) == (False, {"1": {"a": 1}, "2": {"a": 3}}, "old")
    assert (await client.get("/event-type/kept")).json()["description"] == "Mine."
    assert await imported(client, spec) == {"modified": []}


async def test_replace_all_archives_what_is_not_described(client: httpx.AsyncClient) -> None:
    await factories.create_event_type(client, "gone")
    await factories.create_event_type(client, "long.gone")
    await client.delete("/event-type/long.gone")
    assert await imported(client, document(new=webhook()), replaceAll=True) == {"modified": ["gone", "new"]}
    assert [item["name"] for item in (await client.get("/event-type")).json()["data"]] == ["new"]
    assert (await client.get("/event-type/gone")).json()["archived"] is True


async def test_a_dry_run_says_what_would_change_and_changes_nothing(client: httpx.AsyncClient) -> None:
    same = await factories.create_event_type(client, "same", description="It happened.")
    other = await factories.create_event_type(client, "other")
    data = await imported(
        client, document(same=webhook(), new=webhook({"type": "object"})), dryRun=True, replaceAll=True
    )
    assert data["modified"] == ["new", "other"]
    assert data["to_modify"] == [
        {"name": "new", "description": "It happened.", "schemas": {"1": {"type": "object"}}, "deprecated": False}
    ]
    assert [item["name"] for item in (await client.get("/event-type")).json()["data"]] == ["other", "same"]
    assert (await client.get("/event-type/same")).json() == same
    assert (await client.get("/event-type/other")).json() == other


async def test_what_a_schema_refers_to_comes_along_once_however_it_is_nested(client: httpx.AsyncClient) -> None:
    spec = document(
        tree=webhook({"$ref": "#/components/schemas/Tree"}), twice=webhook({"$ref": "#/components/x/Alias"})
    )
    spec["components"] = {
        "schemas": {
            "Tree": {
                "properties": {
                    "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                    "leaf": {"$ref": "#/components/schemas/Leaf"},
                    "other": {"$ref": "#/components/schemas/Leaf"},
                    "color": {"$ref": "#/components/schemas/Leaf/properties/color"},
                    "$ref": {"type": "string"},
                },
                "examples": [{"$ref": "#/not/a/reference"}],
            },
            "Leaf": {"properties": {"color": {"enum": ["red"]}, "tree": {"$ref": "#/components/schemas/Tree"}}},
        },
        "x": {"Alias": {"$ref": "#/components/schemas/Leaf"}},
    }
    await imported(client, spec)
    tree = (await client.get("/event-type/tree")).json()["schemas"]["1"]
    assert tree == {
        "properties": {
            "children": {"type": "array", "items": {"$ref": "#"}},
            "leaf": {"$ref": "#/$defs/Leaf"},
            "other": {"$ref": "#/$defs/Leaf"},
            "color": {"$ref": "#/$defs/color"},
            "$ref": {"type": "string"},
        },
        "examples": [{"$ref": "#/not/a/reference"}],
        "$defs": {
            "Leaf": {"properties": {"color": {"enum": ["red"]}, "tree": {"$ref": "#"}}},
            "color": {"enum": ["red"]},
        },
    }
    twice = (await client.get("/event-type/twice")).json()["schemas"]["1"]
    assert twice["properties"]["tree"] == {"$ref": "#/$defs/Tree"}
    assert twice["$defs"]["Tree"]["properties"]["leaf"] == {"$ref": "#"}


async def test_a_schema_keeps_definitions_of_its_own(client: httpx.AsyncClient) -> None:
    spec = document(own=webhook({"$defs": {"A": {"const": 1}}, "anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/x/A"}]}))
    spec["x"] = {"A": {"const": 2}}
    await imported(client, spec)
    assert (await client.get("/event-type/own")).json()["schemas"]["1"] == {
        "$defs": {"A": {"const": 1}, "A_2": {"const": 2}},
        "anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A_2"}],
    }


async def test_a_document_may_be_text_in_yaml_or_json(client: httpx.AsyncClient) -> None:
    text = """
# A comment.
openapi: 3.1.0
webhooks:
  "pet.new":
    post:
      summary: It is 10:30   # and more
      deprecated: false
      requestBody:
        content:
          application/json; charset=utf-8:
            schema:
              required: [id, "no"]
              properties: {id: {type: integer, minimum: 1, maximum: 2.5e3, example: 2020-01-01}, "on": {const: yes}}
              x-nothing: ~
      responses:
        200: {description: fine}
"""
    answer = await client.post(IMPORT, json={"specRaw": text})
    assert answer.json() == {"data": {"modified": ["pet.new"]}}
    found = (await client.get("/event-type/pet.new")).json()
    assert found["description"] == "It is 10:30"
    assert found["schemas"]["1"] == {
        "required": ["id", "no"],
        "properties": {
            "id": {"type": "integer", "minimum": 1, "maximum": 2500.0, "example": "2020-01-01"},
            "on": {"const": "yes"},
        },
        "x-nothing": None,
    }
    json_text = '{"webhooks": {"pet.new": {"post": {"description": "In JSON."}}}}'
    assert (await client.post(IMPORT, json={"specRaw": json_text})).json() == {"data": {"modified": ["pet.new"]}}


@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": {"webhooks": {}}, "specRaw": "webhooks: {}"}])
async def test_neither_or_both_forms_of_a_document_is_a_bad_request(client: httpx.AsyncClient, body: Json) -> None:
    answer = await client.post(IMPORT, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "generic_error")


BOMB = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nwebhooks: *b\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "line 2 holds an alias"),
        ("webhooks: {a: &x {post: {}}, b: {<<: *x}}", "alias"),
        ("[" * 5000, "nested deeper than 100"),
        ('{"a":' * 5000, "nested deeper than 100"),
        ("- " * 90_000, "nested deeper than 100"),
        ("webhooks: [" + "a," * 60_000 + "]", "more than 50000 parts"),
        ("a: {b: 1, b: 2}", "is there twice"),
        ("? [a]\n: b", "a key must be a text"),
        ("a: 1\n---\nb: 2", "a second document"),
        ("a: !!python/object/apply:os.system [ls]", "has a tag"),
        ("a: !!int 3", "has a tag"),
        ("a: b: c", "neither JSON nor YAML: mapping values are not allowed in this context in line 1"),
        ("\ta: b", "neither JSON nor YAML"),
    ],
)
async def test_a_text_that_cannot_be_read_is_refused_with_the_reason(
    client: httpx.AsyncClient, text: str, says: str
) -> None:
    detail = await refused(client, specRaw=text)
    assert detail[0]["loc"] == ["body", "specRaw"]
    assert says in detail[0]["msg"]


async def test_what_is_wrong_in_a_text_is_said_of_the_text(client: httpx.AsyncClient) -> None:
    for text, loc in (("{}", []), ('{"webhooks": []}', ["webhooks"]), ("webhooks: {a: {}}", ["webhooks", "a"])):
        assert (await refused(client, specRaw=text))[0]["loc"] == ["body", "specRaw", *loc]


CYCLE = {"webhooks": {"a": {"$ref": "#/webhooks/a"}}}


@pytest.mark.parametrize(
    ("spec", "loc", "says"),
    [
        ({}, [], "has no webhooks"),
        ({"webhooks": []}, ["webhooks"], "must be an object"),
        (document(**{"not good": webhook()}), ["webhooks", "not good"], "must match"),
        (document(**{"a" * 257: webhook()}), ["webhooks", "a" * 256], "at most 256"),
        (document(a=1), ["webhooks", "a"], "must be an object"),
        (document(a={}), ["webhooks", "a"], "no operation"),
        (CYCLE, ["webhooks", "a"], "refers to itself"),
        (document(a=webhook({"$ref": "#/nowhere"})), ["webhooks", "a"], "is not in the document"),
        (document(a=webhook({"items": {"$ref": "other.json#/A"}})), ["webhooks", "a"], "one document"),
        (document(a=webhook({"title": "\0"})), ["webhooks", "a"], "NUL"),
        (document(a=webhook(description="\0")), ["webhooks", "a"], "NUL"),
        (document(a=webhook(None, **{"x-svix-group-name": "a b"})), ["webhooks", "a"], "x-svix-group-name"),
        (document(a=webhook(None, **{"x-svix-feature-flags": []})), ["webhooks", "a"], "x-svix-feature-flags"),
        (document(**{f"e{number}": webhook() for number in range(1001)}), ["webhooks"], "more than 1000"),
    ],
)
async def test_a_document_that_is_not_good_is_refused_where_it_is_wrong(
    client: httpx.AsyncClient, spec: Json, loc: list[str], says: str
) -> None:
    await factories.create_event_type(client, "kept")
    detail = await refused(client, spec=spec, replaceAll=True)
    assert detail[0]["loc"] == ["body", "spec", *loc]
    assert says in detail[0]["msg"]


async def test_all_that_is_wrong_is_said_at_once_and_nothing_of_the_rest_is_written(client: httpx.AsyncClient) -> None:
    detail = await refused(client, spec=document(good=webhook(), a={}, b=1))
    assert [each["loc"][-1] for each in detail] == ["a", "b"]


async def test_what_many_webhooks_refer_to_is_bounded_in_all(client: httpx.AsyncClient) -> None:
    spec = document(**{f"e{number}": webhook({"$ref": "#/components/A"}) for number in range(300)})
    spec["components"] = {"A": {"properties": {f"p{number}": {"type": "string"} for number in range(300)}}}
    assert "too large" in (await refused(client, spec=spec))[0]["msg"]


async def test_an_import_is_audited_with_each_event_type(client: httpx.AsyncClient, database: Database) -> None:
    await factories.create_event_type(client, "gone")
    await imported(client, document(new=webhook()), replaceAll=True)
    row = await database.pool.fetchrow(
        "SELECT operation, changes::text AS changes FROM audit_entries"
        " WHERE operation = 'v1.event-type.import-openapi' ORDER BY id DESC LIMIT 1"
    )
    assert '"new"' in row["changes"]
    assert '"gone"' in row["changes"]


async def test_an_import_stays_within_its_organization(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    theirs = await factories.create_event_type(stranger, "theirs")
    await imported(client, document(theirs=webhook(), new=webhook()), replaceAll=True)
    assert (await stranger.get("/event-type/theirs")).json() == theirs
    assert (await stranger.get("/event-type/new")).status_code == 404


async def test_the_sdk_imports(svix: SvixAsync, client: httpx.AsyncClient) -> None:
    out = await svix.event_type.import_openapi(EventTypeImportOpenApiIn(spec=document(sdk=webhook()), dry_run=True))
    assert out.data.modified == ["sdk"]
    assert out.data.to_modify is not None
    assert out.data.to_modify[0].name == "sdk"
    assert (await client.get("/event-type/sdk")).status_code == 404
