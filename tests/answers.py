"""Compares what the API answers with what its OpenAPI document says of the answer: status, media type, body.

A body may hold nothing that the document does not say: the models of answers are closed here, if not in the document.
"""

import copy
import json
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jsonschema_rs
import orjson
from fastapi import FastAPI

Json = dict[str, Any]

_JSON: Final = "application/json"
_PLACE: Final = re.compile(r"{\w+}")


@dataclass(frozen=True)
class _Operation:
    path: re.Pattern[str]
    responses: Json


class Answers:
    """What a document says of answers, ready to be asked."""

    def __init__(self, document: Json) -> None:
        self._components = _closed(document["components"])
        self._operations: dict[str, list[_Operation]] = {}
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        # Letters stand before the brace of a parameter, and so fixed paths before those that have one in their place.
        for path, operations in sorted(document["paths"].items()):
            pattern = re.compile(_PLACE.sub("[^/]+", path))
            for method, operation in operations.items():
                found = _Operation(pattern, operation["responses"])
                self._operations.setdefault(method.upper(), []).append(found)

    def check(self, method: str, path: str, status: int, media_type: str, body: bytes) -> None:
        """AssertionError if the document says something else of such an answer. What it does not know is not asked."""
        where = f"{method} {path} answered {status}"
        responses = self._responses(method, path.rstrip("/"))
        if responses is None:
            return
        assert str(status) in responses, f"{where}, which is not documented: {body[:500]!r}"
        said = self._resolved(responses[str(status)]).get("content", {})
        if not said or method == "HEAD":
            assert not body, f"{where} with a body, and none is documented: {body[:500]!r}"
            return
        assert media_type.partition(";")[0] in said, f"{where} as {media_type!r}, documented is {list(said)}"
        if _JSON in said and media_type.partition(";")[0] == _JSON:
            self._validate(said[_JSON]["schema"], body, where)

    def _responses(self, method: str, path: str) -> Json | None:
        for operation in self._operations.get(method, ()):
            if operation.path.fullmatch(path):
                return operation.responses
        return None

    def _resolved(self, response: Json) -> Json:
        if "$ref" not in response:
            return response
        found: Json = self._components["responses"][response["$ref"].rpartition("/")[2]]
        return found

    def _validate(self, schema: Json, body: bytes, where: str) -> None:
        key = orjson.dumps(schema).decode()
        if key not in self._validators:
            whole = {**schema, "components": {"schemas": self._components["schemas"]}}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        error = next(iter(self._validators[key].iter_errors(_parsed(body))), None)
        place = "" if error is None else "/".join(map(str, error.instance_path))
        assert error is None, f"{where}, but at {place!r} {error.message}: {body[:1000]!r}"


def _parsed(body: bytes) -> object:
    """The JSON of a body. Payloads may hold numbers that are none here, like 1e400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body, parse_float=lambda text: min(float(text), sys.float_info.max))


def _closed(components: Json) -> Json:
    """The same, with what says which fields an object of an answer has saying that it has no others."""
    closed = copy.deepcopy(components)
    for name, schema in closed["schemas"].items():
        if name.endswith(("Out", "Out_")) and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return closed


_made: list[Answers] = []


def answers_of(app: FastAPI) -> Answers:
    """What the document of our API says. It is the same whatever the settings are, and so made once for a process."""
    if not _made:
        _made.append(Answers(app.openapi()))
    return _made[0]


def checking(answers: Answers) -> Callable[[httpx.Response], Awaitable[None]]:
    """A response hook for an httpx client: AssertionError for an answer that is not as documented."""

    async def check(response: httpx.Response) -> None:
        await response.aread()
        check_response(answers, response)

    return check


def check_response(answers: Answers, response: httpx.Response) -> None:
    """AssertionError if a response that has been read is not as documented."""
    request = response.request
    media_type = response.headers.get("content-type", "")
    answers.check(request.method, request.url.path, response.status_code, media_type, response.content)
