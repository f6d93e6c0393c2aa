"""What is documented about the Svix API is what is served of it."""

import json
from pathlib import Path

import pytest

from app.api.unserved.operations import UNSERVED
from app.cli.compatibility import KEPT, PAGE, kept_specification, own_specification, page, undecided
from app.cli.svix_specification import Operation, Specification, read_documents


@pytest.fixture(scope="module")
def theirs() -> Specification:
    return kept_specification()


@pytest.fixture(scope="module")
def ours() -> Specification:
    return own_specification()


def key_of(method: str, path: str) -> tuple[str, str]:
    return Operation(method, path, "", {}, False, (), "", "").key


def test_the_page_is_up_to_date(theirs: Specification, ours: Specification) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(theirs, ours), "run `make compatibility`"


def test_every_operation_is_served_or_in_the_table_of_those_that_are_not(
    theirs: Specification, ours: Specification
) -> None:
    assert undecided(theirs, ours) == []


def test_everything_of_the_open_source_server_is_served(theirs: Specification, ours: Specification) -> None:
    served = {operation.key for operation in ours.operations}
    (source,) = [name for name in theirs.sources if name.startswith("open-source")]
    wanted = [operation for operation in theirs.operations if source in operation.names]
    assert len(wanted) == 41
    assert [operation.name for operation in wanted if operation.key not in served] == []


def test_a_served_operation_has_a_name_and_the_tag_of_the_specification(
    theirs: Specification, ours: Specification
) -> None:
    served = {operation.key: operation for operation in ours.operations}
    both = [(their, served[their.key]) for their in theirs.operations if their.key in served]
    assert len(both) > 90
    wrong = [
        (our.name, our.tag, their.names, their.tag)
        for their, our in both
        if (our.name not in their.names.values() and our.method != "HEAD") or our.tag != their.tag
    ]
    assert wrong == []


def test_what_is_not_served_is_of_the_specification_or_of_an_sdk(theirs: Specification) -> None:
    known = {operation.key for operation in theirs.operations}
    others = [found.path for found in UNSERVED if key_of(found.method, found.path) not in known]
    assert all("/autoconfig" in path for path in others)
    assert len(others) == 3


def test_a_lack_shows_itself(theirs: Specification, ours: Specification) -> None:
    fewer = type(ours)(ours.sources, ours.operations[1:], ours.schemas)
    assert set(undecided(theirs, fewer)) - set(undecided(theirs, ours)) == {ours.operations[0].name}
    assert page(theirs, fewer) != page(theirs, ours)


def test_specifications_are_kept_small_and_whole() -> None:
    small = {
        "paths": {
            "/a/{b}": {
                "post": {
                    "operationId": "v1.a",
                    "tags": ["A"],
                    "parameters": [{"name": "limit", "in": "query"}, {"name": "b", "in": "path"}],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}},
                    "responses": {
                        "201": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}}}
                    },
                }
            }
        },
        "components": {
            "schemas": {
                "In": {"properties": {"name": {"type": "string"}}},
                "Out": {"properties": {"data": {"items": {"$ref": "#/components/schemas/Out"}}, "done": {}}},
            }
        },
    }
    read = read_documents({"x": small})
    (operation,) = read.operations
    assert (operation.key, operation.query, operation.names) == (("POST", "/a/{}"), ("limit",), {"x": "v1.a"})
    assert read.fields(operation.body) == {"name"}
    assert {"data", "data.data", "data.done", "done"} <= read.fields(operation.answer)
    assert type(read).from_json(json.loads(json.dumps(read.to_json()))) == read


def test_the_licence_of_what_was_copied_is_beside_it() -> None:
    assert "Svix" in (Path(KEPT).parent / "svix-LICENSE").read_text(encoding="utf-8")
