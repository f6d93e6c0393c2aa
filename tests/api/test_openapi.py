"""The OpenAPI document, as generators of clients read it."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema_rs
import openapi_spec_validator
import pytest

from app.api.examples import Examples, MissingExample
from app.cli.main import command
from app.receiving.registry import all_providers
from tests import factories
from tests.factories import Json

METHODS = {"get", "put", "post", "delete", "patch", "head"}
# Of the Svix API; the names that its generated clients go by.
OPERATIONS = {
    "v1.application.list": ("get", "/app", "Application"),
    "v1.application.create": ("post", "/app", "Application"),
    "v1.application.get": ("get", "/app/{app_id}", "Application"),
    "v1.application.update": ("put", "/app/{app_id}", "Application"),
    "v1.application.patch": ("patch", "/app/{app_id}", "Application"),
    "v1.application.delete": ("delete", "/app/{app_id}", "Application"),
    "v1.event-type.list": ("get", "/event-type", "Event Type"),
    "v1.event-type.create": ("post", "/event-type", "Event Type"),
    "v1.event-type.get": ("get", "/event-type/{event_type_name}", "Event Type"),
    "v1.event-type.update": ("put", "/event-type/{event_type_name}", "Event Type"),
    "v1.event-type.patch": ("patch", "/event-type/{event_type_name}", "Event Type"),
    "v1.event-type.delete": ("delete", "/event-type/{event_type_name}", "Event Type"),
    "v1.health.get": ("get", "/health", "Health"),
    "v1.authentication.app-portal-access": ("post", "/auth/app-portal-access/{app_id}", "Authentication"),
    "v1.authentication.logout": ("post", "/auth/logout", "Authentication"),
}


# What any operation may answer: the application, and the front before it.
STATUSES = {"400", "401", "403", "404", "408", "409", "413", "415", "422", "431", "500", "503"}
# It takes what providers send, whatever that is: no input is invalid or encoded wrongly, and what came before is no
# conflict. An idempotency key is a client's, and providers have ids of their own.
OF_PROVIDERS = "inbound.receive"
NOT_OF_PROVIDERS = {"409", "415", "422"}


@pytest.fixture
async def document(anonymous: httpx.AsyncClient) -> Json:
    """The whole document."""
    answer = await anonymous.get("http://postrider.test/openapi.json")
    assert answer.status_code == 200
    read: Json = answer.json()
    return read


def resolved(document: Json, response: Json) -> Json:
    """A response, also one that stands among those that all operations share."""
    if "$ref" not in response:
        return response
    found: Json = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return found


def described(document: Json) -> Iterator[tuple[str, Json, str]]:
    """Whatever has a schema and wants an example: the operation's name, it, and what its schema is called."""
    for path in document["paths"].values():
        for operation in path.values():
            name = operation["operationId"]
            for parameter in operation.get("parameters", ()):
                yield name, parameter, f"{name}.{parameter['name']}"
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for holder in (*bodies, *operation["responses"].values()):
                for media_type in resolved(document, holder).get("content", {}).values():
                    yield name, media_type, name


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_has_the_name_path_and_tag_of_the_svix_api(document: Json, name: str) -> None:
    method, path, tag = OPERATIONS[name]
    operation = document["paths"][f"/api/v1{path}"][method]
    assert (operation["operationId"], operation["tags"]) == (name, [tag])


async def test_every_operation_has_its_own_name_a_description_and_the_errors(document: Json) -> None:
    operations = [
        operation for path in document["paths"].values() for method, operation in path.items() if method in METHODS
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["summary"]
        assert operation["description"].endswith((".", ")")), operation["operationId"]
        responses = {status: resolved(document, response) for status, response in operation["responses"].items()}
        assert all("X-Request-ID" in response["headers"] for response in responses.values())
        if operation["operationId"] == OF_PROVIDERS:
            assert responses.keys() == STATUSES - NOT_OF_PROVIDERS | {"200", "202", "204", "405"}
            continue
        assert responses.keys() >= STATUSES
        refused = responses["422"]["content"]["application/json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/ViolationsOut"}


def test_it_is_valid(document: Json) -> None:
    openapi_spec_validator.validate(document)


def referred(schema: Json, schemas: Json) -> Json:
    """The schemas of the document that one refers to, and that those refer to."""
    found: Json = {}
    left = [schema]
    while left:
        for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(left.pop())):
            if name not in found:
                found[name] = schemas[name]
                left.append(schemas[name])
    return found


def test_whatever_is_sent_and_answered_has_an_example_that_agrees_with_its_schema(document: Json) -> None:
    examples = Examples(document["components"]["schemas"])
    missing, wrong = set(), set()
    for name, holder, where in described(document):
        if "example" not in holder:
            try:
                examples.of(holder["schema"], where)
            except MissingExample as field:
                missing.add(str(field))
        else:
            # Not all of the document's: each schema that is there is compiled, each time.
            needed = referred(holder["schema"], document["components"]["schemas"])
            schema = {**holder["schema"], "components": {"schemas": needed}}
            wrong |= {
                f"{name} at {error.instance_path}: {error.message}"
                for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(holder["example"])
            }
    assert missing == set(), "give these fields and parameters `examples=[…]`"
    assert wrong == set()


def test_every_parameter_and_answer_says_what_it_is(document: Json) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                assert parameter.get("description"), f"{operation['operationId']}: {parameter['name']}"
            assert all(resolved(document, response)["description"] for response in operation["responses"].values())


def test_every_tag_is_explained(document: Json) -> None:
    used = {tag for path in document["paths"].values() for operation in path.values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in document["tags"] if tag["description"]}


def test_a_change_has_no_defaults(document: Json) -> None:
    patches = [schema for name, schema in document["components"]["schemas"].items() if "Patch" in name]
    assert len(patches) > 3
    assert not any("default" in field for schema in patches for field in schema["properties"].values())


async def test_every_operation_that_creates_takes_an_idempotency_key(document: Json) -> None:
    for path in document["paths"].values():
        for method, operation in path.items():
            names = [parameter["name"] for parameter in operation.get("parameters", ())]
            takes = method == "post" and operation["operationId"] != OF_PROVIDERS
            assert names.count("idempotency-key") == takes, operation["operationId"]


async def test_the_url_of_a_source_takes_any_body_without_a_token_and_says_what_it_answers(
    document: Json, client: httpx.AsyncClient
) -> None:
    operation = document["paths"]["/in/{token}"]["post"]
    assert operation["security"] == []
    assert operation["requestBody"]["content"]["*/*"]["schema"] == {"type": "string", "format": "binary"}
    assert {str(one.accepted.status) for one in all_providers().values()} <= operation["responses"].keys()

    def shown(status: int) -> tuple[str, str]:
        example = operation["responses"][str(status)]["content"]["application/json"]["example"]
        return example["code"], example["detail"]

    async def told(source: Json) -> tuple[str, str]:
        answer = await client.post(source["ingestUrl"], content=b"a", headers={"stripe-signature": "t=1,v1=a"})
        return answer.json()["code"], answer.json()["detail"]

    assert (await told(await factories.create_source(client)))[0] == shown(401)[0] == "not_verified"
    elsewhere = await factories.create_source(client, allowedIps=["203.0.113.0/24"])
    assert (await told(elsewhere))[0] == shown(403)[0] == "address_not_allowed"
    assert shown(400)[0] == "malformed"
    assert "x-said" not in json.dumps(document)


def test_the_product_is_introduced_with_both_directions(document: Json) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    said = [document["info"]["summary"], project["description"], command.info.help]
    assert all("sends webhooks, and receives them" in (text or "") for text in said), said


async def test_a_list_is_described_with_its_items(document: Json) -> None:
    page = document["components"]["schemas"]["ListOut_ApplicationOut_"]
    assert set(page["properties"]) == {"data", "iterator", "prevIterator", "done"}
    assert page["properties"]["data"]["items"] == {"$ref": "#/components/schemas/ApplicationOut"}


async def test_the_documentation_says_which_operations_want_a_token(anonymous: httpx.AsyncClient) -> None:
    document = (await anonymous.get("http://postrider.test/openapi.json")).json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["security"] == [{"token": []}]
    assert document["paths"]["/api/v1/health"]["get"]["security"] == []
    assert "security" not in document["paths"]["/api/v1/app"]["get"]
    assert (await anonymous.get("/openapi.json")).json() == document
    root = await anonymous.get("http://postrider.test/")
    assert (root.status_code, root.headers["location"]) == (307, "/dashboard")


async def test_an_error_is_described_as_it_is_on_the_wire(document: Json, anonymous: httpx.AsyncClient) -> None:
    described = document["components"]["schemas"]["ProblemOut"]
    shown = (await anonymous.get("/app")).json()
    assert set(described["required"]) == set(described["properties"]) == set(shown)


async def test_what_creates_a_thing_links_to_what_is_done_with_it(document: Json) -> None:
    created = document["paths"]["/api/v1/app/{app_id}/endpoint"]["post"]["responses"]["201"]["links"]
    assert created["v1.endpoint.rotate-secret"] == {
        "operationId": "v1.endpoint.rotate-secret",
        "parameters": {"app_id": "$request.path.app_id", "endpoint_id": "$response.body#/id"},
    }
    published = document["paths"]["/api/v1/app/{app_id}/msg"]["post"]["responses"]["202"]["links"]
    assert {"v1.message.get", "v1.message.expunge-content"} <= published.keys()
    names = {op["operationId"] for path in document["paths"].values() for op in path.values()}
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                assert response.get("links", {}).keys() <= names


async def test_limits_are_part_of_the_document(document: Json) -> None:
    listed = document["paths"]["/api/v1/app"]["get"]["parameters"]
    (limit,) = [parameter["schema"] for parameter in listed if parameter["name"] == "limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 250, 50)
    endpoint = document["components"]["schemas"]["EndpointIn"]["properties"]
    assert endpoint["metadata"]["maxProperties"] == 700
    assert endpoint["url"]["format"] == "uri"
