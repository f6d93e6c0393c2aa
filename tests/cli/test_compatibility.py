"""What is documented about the Svix API is what is served of it."""

import json
from pathlib import Path

from app.api.unserved.operations import UNSERVED
from app.cli.compatibility import KEPT, PAGE, kept_specification, own_specification, page, undecided
from app.cli.svix_specification import Operation, read_documents

THEIRS = kept_specification()
OURS = own_specification()


def key_of(method: str, path: str) -> tuple[str, str]:
    return Operation(method, path, "", {}, False, (), "", "").key


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(THEIRS, OURS), "run `make compatibility`"


def test_every_operation_is_served_or_in_the_table_of_those_that_are_not() -> None:
    assert undecided(THEIRS, OURS) == []


def test_everything_of_the_open_source_server_is_served() -> None:
    served = {operation.key for operation in OURS.operations}
    (source,) = [name for name in THEIRS.sources if name.startswith("open-source")]
    wanted = [operation for operation in THEIRS.operations if source in operation.names]
    assert len(wanted) == 41
    assert [operation.name for operation in wanted if operation.key not in served] == []


def test_a_served_operation_has_a_name_and_the_tag_of_the_specification() -> None:
    ours = {operation.key: operation for operation in OURS.operations}
    both = [(their, ours[their.key]) for their in THEIRS.operations if their.key in ours]
    assert len(both) > 90
    wrong = [
        (our.name, our.tag, their.names, their.tag)
        for their, our in both
        if (our.name not in their.names.values() and our.method != "HEAD") or our.tag != their.tag
    ]
    assert wrong == []


def test_what_is_not_served_is_of_the_specification_or_of_an_sdk() -> None:
    known = {operation.key for operation in THEIRS.operations}
    others = [found.path for found in UNSERVED if key_of(found.method, found.path) not in known]
    assert all("/autoconfig" in path for path in others)
    assert len(others) == 3


def test_a_lack_shows_itself() -> None:
    fewer = type(OURS)(OURS.sources, OURS.operations[1:], OURS.schemas)
    assert set(undecided(THEIRS, fewer)) - set(undecided(THEIRS, OURS)) == {OURS.operations[0].name}
    assert page(THEIRS, fewer) != page(THEIRS, OURS)


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
