"""The API, as pages call it: in this process, with the token of who is signed in, and so with no more rights."""

import re
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import quote

import httpx
import orjson
from fastapi import Request
from pydantic import BaseModel, TypeAdapter

from app.api.exact import PARSED

V1: Final = "/api/v1"
INGEST: Final = "/ingest/api/v1"

_SECONDS: Final = 60.0
# Of a path they lead to another one (RFC 3986 §5.2.4), and no name of ours is one of them.
_LEADING_AWAY: Final = frozenset({".", ".."})
_SUBJECT: Final = re.compile(r"^(?:Data|Dictionary|Input|List|String|URL|Value) should\b")

ModelT = TypeVar("ModelT", bound=BaseModel)
Query = Mapping[str, str | int | float | bool | list[str] | None]


class ApiError(Exception):
    """What the API refused. `violations` is what it says of each input that is wrong: (place, text)."""

    def __init__(self, status: int, code: str, detail: str, violations: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.violations = violations

    def text_of(self, field: str) -> str | None:
        """What is wrong about one field of the body, by its name in the API."""
        return next((text for place, text in self.violations if place.split(".")[0] == field), None)


class ApiClient:
    """Calls the API for one request of a browser, whose address and correlation id it passes on.

    And by which address it reached us: URLs that the API makes up are those that the browser can use.
    """

    def __init__(self, request: Request, token: str | None, correlation_id: str) -> None:
        client = request.client
        address = (client.host, client.port) if client else ("127.0.0.1", 0)
        host = request.headers.get("host", "localhost")
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(request.app, raise_app_exceptions=False, client=address),
            base_url=f"{request.url.scheme}://localhost",
            headers={"host": host, "x-request-id": correlation_id}
            | ({"authorization": f"Bearer {token}"} if token else {}),
            trust_env=False,
            # Statements have their own timeouts, and nothing else is waited for.
            timeout=_SECONDS,
        )

    async def get(self, model: type[ModelT], path: str, query: Query | None = None) -> ModelT:
        """What a GET answers. ApiError if it is refused; paths are those below /api/v1 unless they begin with it."""
        return _read(model, await self._call("GET", path, query=query))

    async def post(self, model: type[ModelT], path: str, body: object = None, query: Query | None = None) -> ModelT:
        """What a POST answers. ApiError if it is refused."""
        return _read(model, await self._call("POST", path, body, query))

    async def put(self, model: type[ModelT], path: str, body: object) -> ModelT:
        """What a PUT answers. ApiError if it is refused."""
        return _read(model, await self._call("PUT", path, body))

    async def patch(self, model: type[ModelT], path: str, body: object) -> ModelT:
        """What a PATCH answers. ApiError if it is refused."""
        return _read(model, await self._call("PATCH", path, body))

    async def do(self, method: str, path: str, body: object = None, query: Query | None = None) -> bytes:
        """Call an operation whose answer is empty, or wanted byte for byte. ApiError if it is refused."""
        return (await self._call(method, path, body, query)).content

    async def _call(self, method: str, path: str, body: object = None, query: Query | None = None) -> httpx.Response:
        url = path if path.startswith((f"{V1}/", f"{INGEST}/")) else V1 + path
        if not _LEADING_AWAY.isdisjoint(url.split("/")):
            raise ApiError(404, "not_found", "There is nothing of that name.")
        answer = await self._client.request(
            method,
            # What a page's address named is one name, whatever is in it.
            quote(url),
            content=None if body is None else orjson.dumps(body),
            params={name: value for name, value in (query or {}).items() if value not in (None, "", [])},
        )
        if answer.is_success:
            return answer
        raise _refusal(answer)


def _read(model: type[ModelT], answer: httpx.Response) -> ModelT:
    return TypeAdapter(model).validate_python(orjson.loads(answer.content), context=PARSED)


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        problem = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        problem = {}
    code, detail = problem.get("code", "error"), problem.get("detail", f"The API answered {answer.status_code}.")
    if not isinstance(detail, list):
        return ApiError(answer.status_code, code, str(detail))
    found = tuple((".".join(map(str, each["loc"][1:])), _sentence(str(each["msg"]))) for each in detail)
    texts = " ".join(f"{place}: {text}" if place else text for place, text in found)
    return ApiError(answer.status_code, "validation_error", texts, found)


def _sentence(text: str) -> str:
    """What the API says of an input, for those who see its field: `String should have …` speaks to programs."""
    text = _SUBJECT.sub("It should", text)
    return text if text.endswith((".", "!", "?")) else f"{text}."
