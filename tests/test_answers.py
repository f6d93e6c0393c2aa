"""The comparison of answers with the document notices what it is there for."""

from typing import Any

import pytest

from tests.answers import Answers

NUMBER = {"$ref": "#/components/schemas/NumberOut"}
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/number/{name}": {
            "get": {
                "responses": {
                    "200": {"content": {"application/json": {"schema": NUMBER}}},
                    "404": {"$ref": "#/components/responses/NotFound"},
                }
            },
            "delete": {"responses": {"204": {"description": "Gone"}}},
        },
        "/number/first": {"get": {"responses": {"204": {"description": "There is none"}}}},
    },
    "components": {
        "schemas": {
            "NumberOut": {
                "type": "object",
                "required": ["value"],
                "properties": {"value": {"type": "number"}, "at": {"type": "string", "format": "date-time"}},
            }
        },
        "responses": {"NotFound": {"content": {"application/json": {"schema": {"type": "object"}}}}},
    },
}
JSON = "application/json"


@pytest.fixture(scope="module")
def answers() -> Answers:
    return Answers(DOCUMENT)


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/number/one", 200, b'{"value": 1, "at": "2026-01-31T23:59:59Z"}'),
        ("GET", "/number/one/", 200, b'{"value": 1e400}'),
        ("GET", "/number/one", 404, b"{}"),
        ("DELETE", "/number/one", 204, b""),
        ("GET", "/number/first", 204, b""),
        ("PUT", "/number/one", 405, b"whatever"),
        ("GET", "/elsewhere", 404, b"whatever"),
    ],
)
def test_what_is_documented_passes(answers: Answers, method: str, path: str, status: int, body: bytes) -> None:
    answers.check(method, path, status, JSON, body)


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type", "body", "reason"),
    [
        ("GET", "/number/one", 200, JSON, b'{"value": "1"}', "at 'value'"),
        ("GET", "/number/one", 200, JSON, b'{"value": 1, "more": 2}', "more"),
        ("GET", "/number/one", 200, JSON, b"{}", "required"),
        ("GET", "/number/one", 200, JSON, b'{"value": 1, "at": "yesterday"}', "date-time"),
        ("GET", "/number/one", 200, "text/html", b'{"value": 1}', "text/html"),
        ("GET", "/number/one", 500, JSON, b"{}", "not documented"),
        ("GET", "/number/first", 200, JSON, b'{"value": 1}', "not documented"),
        ("DELETE", "/number/one", 204, "", b"gone", "with a body"),
    ],
)
def test_what_is_not_documented_does_not(
    answers: Answers, method: str, path: str, status: int, media_type: str, body: bytes, reason: str
) -> None:
    with pytest.raises(AssertionError, match=reason):
        answers.check(method, path, status, media_type, body)
