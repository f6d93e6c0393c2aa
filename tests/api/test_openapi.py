"""The OpenAPI document, as generators of clients read it."""

import httpx
import pytest

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


@pytest.fixture
async def document(anonymous: httpx.AsyncClient) -> Json:
    """The whole document."""
    answer = await anonymous.get("http://postrider.test/openapi.json")
    assert answer.status_code == 200
    read: Json = answer.json()
    return read


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
        assert operation["description"]
        assert {"401", "403", "404", "409", "422"} <= set(operation["responses"])
        refused = operation["responses"]["422"]["content"]["application/json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/ViolationsOut"}


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
    assert (root.status_code, root.headers["location"]) == (307, "/docs")
