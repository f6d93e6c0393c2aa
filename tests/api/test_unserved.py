"""What is not served of the Svix API says so, and what to do instead."""

import re

import httpx
import pytest
from fastapi import FastAPI

from app.api.unserved.operations import UNSERVED, UnservedOperation
from tests import factories

ROOT = "http://postrider.test"
_PLACE = re.compile(r"{\w+}")


def url(operation: UnservedOperation) -> str:
    return ROOT + _PLACE.sub("some-id", operation.path)


async def test_each_answers_501_and_says_what_to_do_instead(client: httpx.AsyncClient) -> None:
    assert len(UNSERVED) > 100
    for operation in UNSERVED:
        answer = await client.request(operation.method, url(operation), json={})
        assert answer.status_code == 501, operation
        problem = answer.json()
        assert problem.keys() == {"code", "detail", "correlation_id", "timestamp"}
        assert (problem["code"], problem["detail"]) == ("not_implemented", f"{operation.reason} {operation.instead}")


async def test_who_has_no_token_is_told_so_first(anonymous: httpx.AsyncClient) -> None:
    for operation in UNSERVED:
        answer = await anonymous.request(operation.method, url(operation), json={})
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed"), operation


async def test_a_token_whose_scopes_do_not_hold_it_is_told_so_first(
    app: FastAPI, client: httpx.AsyncClient, organization_id: str
) -> None:
    path = f"/management/authentication/{organization_id}/api-token"
    made = await client.post(path, json={"name": "Reader", "scopes": ["read"]})
    assert made.is_success, made.text
    async with factories.client_of(app, made.json()["token"]) as reader:
        assert (await reader.get("/connector")).status_code == 501
        assert (await reader.post("/connector", json={})).status_code == 403


async def test_a_body_that_is_no_json_changes_nothing_about_it(client: httpx.AsyncClient) -> None:
    assert (await client.post("/connector", content=b"{")).status_code == 501


def test_none_is_served_and_none_is_there_twice(app: FastAPI) -> None:
    document = app.openapi()["paths"]
    served = {
        (method.upper(), _PLACE.sub("{}", path)) for path, operations in document.items() for method in operations
    }
    unserved = [(operation.method, _PLACE.sub("{}", operation.path)) for operation in UNSERVED]
    assert len(unserved) == len(set(unserved))
    assert len({operation.operation_id for operation in UNSERVED}) == len(UNSERVED)
    assert served.isdisjoint(unserved)


def test_a_fixed_path_is_tried_before_one_with_a_parameter_in_its_place() -> None:
    paths = [operation.path for operation in UNSERVED]
    for first, path in enumerate(paths):
        pattern = re.compile(_PLACE.sub("[^/]+", path))
        shadowed = [other for other in paths[first + 1 :] if other != path and pattern.fullmatch(other)]
        assert shadowed == [], path


@pytest.mark.parametrize("path", ["/stream/a/nothing", "/nothing", "/app/a/nothing/b"])
async def test_a_path_that_nobody_knows_stays_a_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"] == "Nothing is served at this path; /docs lists what is."


async def test_another_method_of_such_a_path_is_a_405(client: httpx.AsyncClient) -> None:
    answer = await client.put("/connector", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"


async def test_there_is_no_dead_letter_queue_to_be_emptied(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, shop_portal: httpx.AsyncClient
) -> None:
    answer = await client.post("/admin/redrive-dlq")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await anonymous.post("/admin/redrive-dlq")).status_code == 401
    assert (await shop_portal.post("/admin/redrive-dlq")).status_code == 403
